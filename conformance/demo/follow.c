/* follow.c - the story on the terminal, as it happens. */
#include "conformance/demo/demo.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/demo/story.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POLL_MS 20
#define TEXT_COLUMNS 66
#define READING_MS 12 /* a line, when somebody watches: all is over in a second otherwise */

/* What has been told already: lines of each log, kept in a file from one call to the next. */
struct told { size_t lines[LOGS]; };

/* Pointers to what there is to tell, for sorting. */
struct item { const struct talk *talk; const struct line *line; };

static bool colours;

static const char *colour(const char *code)
{
    return colours ? code : "";
}

#define PLAIN colour("\033[0m")
#define DIM colour("\033[2m")
#define BOLD colour("\033[1m")
#define RED colour("\033[31m")
#define GREEN colour("\033[32m")
#define YELLOW colour("\033[33m")
#define BLUE colour("\033[34m")
#define MAGENTA colour("\033[35m")
#define CYAN colour("\033[36m")

static const char *colour_of(const struct talk *t, const struct line *l)
{
    if (l->kind == LINE_ANSWER && l->text[0] && strchr("45-", l->text[0]))
        return RED;
    switch (t->kind) {
    case TALK_DNS: return MAGENTA;
    case TALK_POP3: return BLUE;
    case TALK_LMTP: return CYAN;
    case TALK_NOTE: return t->failed ? YELLOW : GREEN;
    default: return l->kind == LINE_REMARK && t->failed ? RED : l->kind == LINE_ANSWER ? GREEN : "";
    }
}

/* Cut at a character of UTF-8; control characters and what is not UTF-8 as themselves escaped. */
static void print_text(const char *text)
{
    struct buf b = {0};
    size_t columns = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if ((*p & 0xc0) != 0x80 && ++columns > TEXT_COLUMNS) {
            buf_add_str(&b, "…");
            break;
        }
        if (*p < 0x20 || *p == 0x7f)
            buf_printf(&b, "\\x%02x", *p);
        else
            buf_add_byte(&b, (char)*p);
    }
    fputs(buf_str(&b), stdout);
    buf_free(&b);
}

static void print_line(const struct story *s, const struct talk *t, const struct line *l)
{
    if (t->kind == TALK_SCENE) {
        printf("\n%s── %s ", BOLD, t->label);
        for (size_t i = strlen(t->label); i < 92; i++)
            fputs("─", stdout);
        printf("%s\n%s%s%s%s", PLAIN, DIM, t->answer, t->answer[0] ? "\n" : "", PLAIN);
        return;
    }
    if (t->kind == TALK_DNS && l->kind == LINE_REMARK)
        return; /* dns-sim's own words for what the answer has said; the page has them */
    printf("%s%8.3f%s  ", DIM, (double)(l->us - s->begin) / 1e6, PLAIN);
    if (t->kind == TALK_STATE || t->kind == TALK_RESULT) {
        printf("%s%s%s %s%s\n", t->failed ? RED : GREEN, BOLD,
               t->kind == TALK_STATE ? (t->failed ? "▼" : "▲") : (t->failed ? "✗" : "✓"), t->label,
               PLAIN);
        if (t->answer[0])
            printf("%12s%s\n", "", t->answer);
        return;
    }
    const char *arrow = l->kind == LINE_REMARK ? "··" : l->kind == LINE_ANSWER ? "◀─" : "─▶";
    printf("%6s %s %-6s  ", party_short(t->from), arrow,
           t->kind == TALK_LMTP ? "mda" : t->from == t->to ? "" : party_short(t->to));
    fputs(colour_of(t, l), stdout);
    print_text(l->text);
    printf("%s\n", PLAIN);
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = ((const struct item *)a)->line, *y = ((const struct item *)b)->line;
    if (x->us != y->us)
        return x->us < y->us ? -1 : 1;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    return x->number != y->number ? (x->number < y->number ? -1 : 1) : (x < y ? -1 : x > y);
}

static void print_new(const struct story *s, struct told *told, const size_t now[LOGS])
{
    struct item *items = NULL;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->v[i].n; j++)
            if (s->v[i].lines[j].number >= told->lines[s->v[i].lines[j].source]) {
                items = xreallocarray(items, n + 1, sizeof *items);
                items[n++] = (struct item){&s->v[i], &s->v[i].lines[j]};
            }
    if (n)
        qsort(items, n, sizeof *items, by_time);
    for (size_t i = 0; i < n; i++) {
        print_line(s, items[i].talk, items[i].line);
        fflush(stdout);
        if (isatty(1))
            sleep_ms(READING_MS);
    }
    free(items);
    memcpy(told->lines, now, sizeof told->lines);
}

static void load_told(struct told *t, const char *path)
{
    struct buf b = {0};
    *t = (struct told){0};
    if (buf_read_file(&b, path, sizeof *t) == 0 && b.len == sizeof *t)
        memcpy(t, b.data, sizeof *t);
    buf_free(&b);
}

static void save_told(const struct told *t, const char *path)
{
    FILE *f = fopen(path, "we");
    if (!f || fwrite(t, sizeof *t, 1, f) != 1 || fclose(f) != 0)
        die(1, "%s: cannot be written", path);
}

/* How often an event of this name came from this host's log. */
static size_t count(const struct events *e, enum source source, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++)
        n += e->v[i].source == source && strcmp(e->v[i].name, name) == 0;
    return n;
}

int follow(const char *dir, const char *host, const char *name, size_t wanted, int64_t timeout_ms)
{
    char *path = xasprintf("%s/told", dir);
    enum source source = strcmp(host, "sender") == 0 ? LOG_SENDER
                       : strcmp(host, "mail") == 0 ? LOG_MAIL
                       : strcmp(host, "mail1") == 0 ? LOG_MAIL1 : LOG_DEMO;
    int64_t until = mono_ms() + timeout_ms;
    struct told told;
    bool there;
    colours = isatty(1) && !getenv("NO_COLOR");
    load_told(&told, path);
    for (;;) {
        struct events e;
        struct story s;
        events_load(&e, dir);
        story_tell(&s, &e);
        there = count(&e, source, name) >= wanted;
        print_new(&s, &told, e.lines);
        story_free(&s);
        events_free(&e);
        if (there || mono_ms() >= until)
            break;
        sleep_ms(POLL_MS);
    }
    save_told(&told, path);
    free(path);
    return there ? 0 : 1;
}
