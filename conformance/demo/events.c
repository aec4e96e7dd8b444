#include "conformance/demo/events.h"

#include "base/mem.h"

#include <stdlib.h>

#define LOG_MAX ((size_t)64 << 20)

static const char *const paths[LOGS] = {
    [LOG_SENDER] = "sender/events.jsonl", [LOG_MAIL] = "mail/events.jsonl",
    [LOG_MAIL1] = "mail1/events.jsonl",   [LOG_DNS] = "dns.log",
    [LOG_DEMO] = "demo.jsonl",
};

static void take_line(struct events *e, enum source source, struct slice line)
{
    json_t *object = json_loadb(line.p, line.n, 0, NULL);
    const char *name = json_string_value(json_object_get(object, "event"));
    if (!name) {
        json_decref(object);
        return;
    }
    e->v = xreallocarray(e->v, e->n + 1, sizeof *e->v);
    e->v[e->n++] = (struct event_line){
        .us = (int64_t)(json_number_value(json_object_get(object, "time")) * 1e6),
        .source = source, .number = e->lines[source], .name = name, .object = object};
}

/* In the order of time; those of the same microsecond in that of their log. */
static int by_time(const void *a, const void *b)
{
    const struct event_line *x = a, *y = b;
    if (x->us != y->us)
        return x->us < y->us ? -1 : 1;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

void events_load(struct events *e, const char *dir)
{
    *e = (struct events){0};
    for (int s = 0; s < LOGS; s++) {
        struct buf text = {0};
        char *path = xasprintf("%s/%s", dir, paths[s]);
        if (buf_read_file(&text, path, LOG_MAX) == 0) {
            struct slice rest = buf_slice(&text), line;
            /* What follows the last line end is being written just now. */
            for (; slice_index(rest, '\n') >= 0 && slice_next(&rest, '\n', &line); e->lines[s]++)
                take_line(e, (enum source)s, line);
        }
        free(path);
        buf_free(&text);
    }
    if (e->n)
        qsort(e->v, e->n, sizeof *e->v, by_time);
}

void events_free(struct events *e)
{
    for (size_t i = 0; i < e->n; i++)
        json_decref(e->v[i].object);
    free(e->v);
    *e = (struct events){0};
}

const char *event_text(const struct event_line *e, const char *key)
{
    const char *s = json_string_value(json_object_get(e->object, key));
    return s ? s : "";
}

int64_t event_number(const struct event_line *e, const char *key)
{
    return json_integer_value(json_object_get(e->object, key));
}
