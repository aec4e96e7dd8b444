/* compare.c - is it the message that was sent? */
#include "conformance/demo/demo.h"

#include "base/event.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_MAX ((size_t)1 << 30)

static void read_message(struct buf *b, const char *path)
{
    if (buf_read_file(b, path, MESSAGE_MAX) != 0)
        die(1, "%s: %s", path, strerror(errno));
}

/* Takes the first header field off *rest, with its continuation lines. */
static struct slice next_field(struct slice *rest)
{
    size_t end = 0;
    do {
        ptrdiff_t lf = slice_index(slice_sub(*rest, end, rest->n), '\n');
        if (lf < 0) {
            end = rest->n;
            break;
        }
        end += (size_t)lf + 1;
    } while (end < rest->n && (rest->p[end] == ' ' || rest->p[end] == '\t'));
    struct slice field = slice_sub(*rest, 0, end);
    *rest = slice_sub(*rest, end, rest->n);
    return field;
}

/* "by mail.hehuan.test" of a Received field. */
static struct slice by_of(struct slice field)
{
    struct slice word;
    bool by = false;
    for (struct slice rest = field; slice_word(&rest, &word); by = slice_ieq_str(word, "by")) {
        word = slice_trim(word);
        if (by)
            return word;
        ptrdiff_t lf = slice_rindex(word, '\n'); /* fields fold before a tab: a word of its own */
        if (lf >= 0)
            word = slice_sub(word, (size_t)lf + 1, word.n);
    }
    return slice_of("", 0);
}

/* Whether a header field, not the empty line or the body, is next. */
static bool at_field(struct slice rest)
{
    ptrdiff_t colon = slice_index(rest, ':'), lf = slice_index(rest, '\n');
    if (colon <= 0 || (lf >= 0 && lf < colon))
        return false;
    for (ptrdiff_t i = 0; i < colon; i++)
        if (rest.p[i] <= ' ' || rest.p[i] == 0x7f)
            return false;
    return true;
}

static bool is_named(struct slice field, const char *name)
{
    size_t n = strlen(name);
    return field.n > n && field.p[n] == ':' && slice_ieq_str(slice_sub(field, 0, n), name);
}

static bool has_field(struct slice message, const char *name)
{
    while (at_field(message))
        if (is_named(next_field(&message), name))
            return true;
    return false;
}

/* Return-Path and Received fields at the very top. */
static size_t leading_traces(struct slice message)
{
    size_t n = 0;
    while (at_field(message)) {
        struct slice field = next_field(&message);
        if (!is_named(field, "Received") && !is_named(field, "Return-Path"))
            break;
        n++;
    }
    return n;
}

struct findings {
    struct buf added;       /* names of the fields that servers added, and the like */
    struct buf path;        /* the hosts of the Received fields, in the order of the journey */
};

static void add_name(struct findings *f, const char *name)
{
    buf_printf(&f->added, "%s%s", f->added.len ? ", " : "", name);
}

/* Takes the trace fields that servers put on top of *got (RFC 5321 4.4). */
static void take_traces(struct slice *got, size_t count, struct findings *f)
{
    while (count-- > 0) {
        struct slice field = next_field(got);
        bool received = is_named(field, "Received");
        add_name(f, received ? "Received" : "Return-Path");
        if (received) {
            struct slice by = by_of(field);
            char *later = buf_take(&f->path);
            buf_printf(&f->path, "%.*s%s%s", SLICE_ARG(by), later[0] ? " → " : "", later);
            free(later);
        }
    }
}

/* A field that a submission server adds to a message without one (RFC 6409 8). */
static bool completes(struct slice field, struct slice sent, struct findings *f)
{
    static const char *const names[] = {"Date", "Message-ID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (is_named(field, names[i]) && !has_field(sent, names[i])) {
            add_name(f, names[i]);
            return true;
        }
    return false;
}

/* Whether *got is `sent` but for what servers must or may do, each of which is noted. */
static bool same_message(struct slice sent, struct slice got, struct findings *f)
{
    struct slice whole = sent;
    size_t traces = leading_traces(got), own = leading_traces(sent);
    own -= own && has_field(sent, "Return-Path"); /* the last server takes out an older one */
    take_traces(&got, traces > own ? traces - own : 0, f);
    while (at_field(sent)) {
        struct slice field = next_field(&sent);
        if (is_named(field, "Return-Path")) {
            add_name(f, "an older Return-Path taken out");
            continue;
        }
        struct slice rest = got, came = next_field(&rest);
        while (!slice_eq(came, field) && completes(came, whole, f)) {
            got = rest;
            came = next_field(&rest);
        }
        if (!slice_eq(came, field))
            return false;
        got = rest;
    }
    while (at_field(got) && completes(next_field(&got), whole, f))
        ;
    if (!slice_starts(sent, SLICE("\r\n")) && slice_starts(got, SLICE("\r\n"))) {
        got = slice_sub(got, 2, got.n); /* a message that had no header has one now */
        add_name(f, "the empty line behind the header");
    }
    return slice_eq(sent, got);
}

static size_t first_difference(struct slice a, struct slice b)
{
    size_t i = 0;
    while (i < a.n && i < b.n && a.p[i] == b.p[i])
        i++;
    return i;
}

int compare(const char *dir, const char *sent_path, const char *got_path)
{
    struct buf sent = {0}, got = {0}, text = {0};
    struct findings f = {0};
    read_message(&sent, sent_path);
    read_message(&got, got_path);
    struct slice s = buf_slice(&sent), g = buf_slice(&got);
    bool good = same_message(s, g, &f);
    if (good) {
        buf_printf(&text, "%zu octets; by servers: %s; it went by %s", s.n, buf_str(&f.added),
                   buf_str(&f.path));
    } else {
        /* Where the bodies part; when they do not, it was the header. */
        ptrdiff_t a = slice_find(s, SLICE("\r\n\r\n")), b = slice_find(g, SLICE("\r\n\r\n"));
        struct slice x = slice_sub(s, a < 0 ? 0 : (size_t)a, s.n);
        struct slice y = slice_sub(g, b < 0 ? 0 : (size_t)b, g.n);
        buf_printf(&text, "sent %zu octets, got %zu; the bodies part at octet %zu", s.n, g.n,
                   first_difference(x, y));
    }
    char *log = xasprintf("%s/demo.jsonl", dir);
    event_open(log, false, NULL, "demo");
    event("demo.result", EV_STR("at", "tom"), EV_STR("good", good ? "yes" : "no"),
          EV_STR("title", good ? "the same, byte for byte" : "NOT what was sent"),
          EV_STR("text", buf_str(&text)), EV_INT("size", (int64_t)s.n), EV_BOOL("compared", true),
          EV_STR("path", buf_str(&f.path)), EV_STR("added", buf_str(&f.added)));
    free(log);
    buf_free(&f.added);
    buf_free(&f.path);
    buf_free(&sent);
    buf_free(&got);
    buf_free(&text);
    return good ? 0 : 1;
}
