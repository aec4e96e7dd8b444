/* queue_show.c - `postroad queue list` and `postroad queue show`. */
#include "reference/ctl/queue_ctl.h"

#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

enum { SHOW_HEADER_MAX = 64 * 1024 };

static const char *const folders[] = {"active", "deferred", "hold", "corrupt"};
static const char *const mark_words[] = {"todo", "delivered", "failed", "delivered", "todo"};

/* ---- collecting ------------------------------------------------------------------------------ */

struct id_list { char **v; size_t n; };

static bool add_id(void *arg, const char *id)
{
    struct id_list *l = arg;
    l->v = xreallocarray(l->v, l->n + 1, sizeof *l->v);
    l->v[l->n++] = xstrdup(id);
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct id_list ids_in(const struct config *c, const char *folder)
{
    struct id_list l = {0};
    if (queue_list(c, folder, add_id, &l) != 0)
        fprintf(stderr, "postroad: %s/%s: %s\n", c->spool, folder, strerror(errno));
    if (l.n)
        qsort(l.v, l.n, sizeof *l.v, by_text);
    return l;
}

static void free_ids(struct id_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i]);
    free(l->v);
}

/* The last thing that happened to a recipient: malloc'ed, NULL when nothing was tried. */
static char *last_attempt(const struct config *c, const char *id, const char *address)
{
    struct attempts a;
    ctl_attempts(c, id, address, &a);
    char *last = a.n ? xstrdup(a.v[a.n - 1]) : NULL;
    ctl_attempts_free(&a);
    return last;
}

static int64_t age_ms(const struct envelope *e)
{
    int64_t age = (wall_us() - e->arrived_us) / 1000;
    return age > 0 ? age : 0;
}

/* ---- a table for people ---------------------------------------------------------------------- */

static void next_text(const struct config *c, const char *folder, const char *id, char out[32])
{
    int64_t next = queue_next_try(c, id), in = (next - wall_us()) / 1000;
    char duration[24];
    ctl_duration_text(in > 0 ? in : 0, duration);
    if (strcmp(folder, "active") == 0 || (next >= 0 && in <= 0))
        snprintf(out, 32, "now");
    else if (next >= 0)
        snprintf(out, 32, "in %s", duration);
    else
        snprintf(out, 32, "-");
}

static void print_message(const struct config *c, const char *folder, const char *id,
                          const struct envelope *e)
{
    char age[24], next[32];
    ctl_duration_text(age_ms(e), age);
    next_text(c, folder, id, next);
    struct buf line = {0};
    buf_printf(&line, "%-24s %-8s %5s %9lld  %-8s <", id, folder, age, (long long)e->size, next);
    buf_add_escaped(&line, slice_str(e->reverse_path));
    buf_add_str(&line, ">\n");
    for (size_t i = 0; i < e->rcpt_count; i++) {
        if (e->rcpt[i].state == RCPT_DONE)
            continue;
        char *last = last_attempt(c, id, e->rcpt[i].address);
        buf_add_str(&line, "    <");
        buf_add_escaped(&line, slice_str(e->rcpt[i].address));
        buf_printf(&line, "> %s\n", last ? last : "not tried yet");
        free(last);
    }
    fwrite(line.data, 1, line.len, stdout);
    buf_free(&line);
}

static void print_unreadable(const char *folder, const char *id, const char *why)
{
    printf("%-24s %-8s     -         -  -        cannot be read: %s\n", id, folder, why);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

/* A text of the wire as a JSON string: octets that are not UTF-8 are escaped. */
static json_t *json_text(const char *s)
{
    json_t *j = json_string(s);
    if (j)
        return j;
    struct buf b = {0};
    buf_add_escaped(&b, slice_str(s));
    j = json_string(buf_str(&b));
    buf_free(&b);
    return j;
}

static json_t *json_message(const struct config *c, const char *folder, const char *id,
                            const struct envelope *e)
{
    json_t *m = json_object(), *to = json_array();
    int64_t next = queue_next_try(c, id);
    for (size_t i = 0; i < e->rcpt_count; i++) {
        json_t *r = json_object();
        char *last = last_attempt(c, id, e->rcpt[i].address);
        json_object_set_new(r, "address", json_text(e->rcpt[i].address));
        json_object_set_new(r, "state", json_string(mark_words[e->rcpt[i].state]));
        json_object_set_new(r, "last", last ? json_text(last) : json_null());
        json_array_append_new(to, r);
        free(last);
    }
    json_object_set_new(m, "id", json_string(id));
    json_object_set_new(m, "state", json_string(folder));
    json_object_set_new(m, "arrived", json_real((double)e->arrived_us / 1e6));
    json_object_set_new(m, "size", json_integer(e->size));
    json_object_set_new(m, "client", json_text(e->client ? e->client : ""));
    json_object_set_new(m, "from", json_text(e->reverse_path));
    json_object_set_new(m, "recipients", to);
    json_object_set_new(m, "next", next >= 0 ? json_real((double)next / 1e6) : json_null());
    return m;
}

/* ---- the commands ---------------------------------------------------------------------------- */

int queue_ctl_list(const struct config *c, bool json)
{
    size_t count = 0;
    json_t *all = json ? json_array() : NULL;
    for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
        struct id_list ids = ids_in(c, folders[f]);
        for (size_t i = 0; i < ids.n; i++) {
            struct envelope e = {0};
            const char *why = NULL;
            int fd = queue_open(c, folders[f], ids.v[i], &e, &why);
            if (fd < 0 && errno == ENOENT)
                continue;   /* delivered meanwhile */
            if (!json && count++ == 0)
                printf("%-24s %-8s %5s %9s  %-8s %s\n", "id", "state", "age", "octets", "next try",
                       "from, and to with what was tried last");
            if (fd < 0 && json)
                json_array_append_new(all,
                                      json_pack("{ssssss}", "id", ids.v[i], "state", folders[f],
                                                "problem", why ? why : strerror(errno)));
            else if (fd < 0)
                print_unreadable(folders[f], ids.v[i], why ? why : strerror(errno));
            else if (json)
                json_array_append_new(all, json_message(c, folders[f], ids.v[i], &e));
            else
                print_message(c, folders[f], ids.v[i], &e);
            if (fd >= 0)
                close(fd);
            envelope_free(&e);
        }
        free_ids(&ids);
    }
    if (json) {
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
    } else if (count == 0) {
        printf("the queue is empty\n");
    } else {
        printf("%zu message%s\n", count, count == 1 ? "" : "s");
    }
    return EX_OK;
}

static void print_header(int fd, const struct envelope *e)
{
    char *text = xmalloc(SHOW_HEADER_MAX);
    ssize_t n = pread(fd, text, SHOW_HEADER_MAX, e->message_offset);
    struct slice rest = slice_of(text, n > 0 ? (size_t)n : 0), line;
    printf("header\n");
    while (slice_next(&rest, '\n', &line) && slice_trim(line).n) {
        struct buf b = {0};
        buf_add_escaped(&b, slice_of(line.p, line.n - (line.p[line.n - 1] == '\r')));
        printf("    %s\n", buf_str(&b));
        buf_free(&b);
    }
    free(text);
}

static void print_details(const struct config *c, const char *folder, const char *id,
                          const struct envelope *e)
{
    struct buf b = {0};
    buf_printf(&b, "id        %s\nstate     %s\narrived   ", id, folder);
    buf_add_rfc5322_date(&b, e->arrived_us);
    buf_printf(&b, "\nsize      %lld octets\nprotocol  %s\nclient    %s, named ",
               (long long)e->size, e->protocol ? e->protocol : "-", e->client ? e->client : "-");
    buf_add_escaped(&b, slice_str(e->helo));
    buf_add_str(&b, "\nfrom      <");
    buf_add_escaped(&b, slice_str(e->reverse_path));
    buf_add_str(&b, ">\n");
    for (size_t i = 0; i < e->rcpt_count; i++) {
        struct attempts a;
        buf_add_str(&b, "to        <");
        buf_add_escaped(&b, slice_str(e->rcpt[i].address));
        buf_printf(&b, "> %s\n", mark_words[e->rcpt[i].state]);
        ctl_attempts(c, id, e->rcpt[i].address, &a);
        for (size_t j = 0; j < a.n; j++)
            buf_printf(&b, "    %s\n", a.v[j]);
        ctl_attempts_free(&a);
    }
    fwrite(b.data, 1, b.len, stdout);
    buf_free(&b);
}

int queue_ctl_show(const struct config *c, const char *id, bool json)
{
    struct envelope e = {0};
    const char *why = NULL, *folder = queue_find(c, id);
    int fd = folder ? queue_open(c, folder, id, &e, &why) : -1;
    if (!folder) {
        fprintf(stderr,
                "postroad: %s is not in the queue; postroad explain %s looks into the event log\n",
                id, id);
        return EX_NOINPUT;
    }
    if (fd < 0) {
        fprintf(stderr, "postroad: %s/%s/%s: %s\n", c->spool, folder, id,
                why ? why : strerror(errno));
        return EX_DATAERR;
    }
    if (json) {
        json_t *m = json_message(c, folder, id, &e);
        json_dumpf(m, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(m);
    } else {
        char next[32];
        next_text(c, folder, id, next);
        print_details(c, folder, id, &e);
        printf("next try  %s\n", next);
        print_header(fd, &e);
    }
    close(fd);
    envelope_free(&e);
    return EX_OK;
}

int queue_ctl_each(const struct config *c, const char *folder,
                   int (*act)(const struct config *c, const char *id))
{
    struct id_list ids = ids_in(c, folder);
    int status = EX_OK;
    for (size_t i = 0; i < ids.n; i++) {
        int one = act(c, ids.v[i]);
        status = one != EX_OK ? one : status;
    }
    free_ids(&ids);
    return status;
}
