/* mailboxes.c - address lists of headers, read from left to right without ever going back. */
#include "reference/message/mailboxes.h"

#include "base/mem.h"

#include <stdlib.h>

/* What stands before the next separator. All of it goes into list->text, which was reserved to be
 * large enough, so slices into it stay good. */
struct reader {
    struct mailbox_list *list;
    struct slice in;
    size_t start;            /* of the words of this address in list->text */
    ptrdiff_t at;            /* where in list->text the last "@" of the words is; -1: none */
    bool blank;              /* a blank is due before the next word */
    bool quoted;             /* a word was a quoted string */
    bool any;                /* there was something */
    bool in_group, full;
    struct buf comment;      /* the last one */
};

static void add(struct reader *r, char c) { buf_add_byte(&r->list->text, c); }

static struct slice taken(const struct reader *r, size_t from, size_t to)
{
    return slice_of(r->list->text.data + from, to - from);
}

static struct mailbox_address *emit(struct reader *r)
{
    struct mailbox_list *l = r->list;
    if (l->count == MAILBOX_LIST_MAX) {
        r->full = true;
        l->count--;
    }
    if (l->count == l->room) {
        l->room = l->room ? 2 * l->room : 4;
        l->all = xreallocarray(l->all, l->room, sizeof *l->all);
    }
    l->all[l->count] = (struct mailbox_address){0};
    return &l->all[l->count++];
}

static char next(struct reader *r)
{
    char c = r->in.p[0];
    r->in = slice_of(r->in.p + 1, r->in.n - 1);
    return c;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0; }

/* The rest of a quoted string, its octets taken literally (RFC 5322 3.2.4). */
static void read_quoted(struct reader *r)
{
    while (r->in.n > 0) {
        char c = next(r);
        if (c == '"')
            return;
        if (c == '\\' && r->in.n > 0)
            c = next(r);
        if (c != '\r' && c != '\n' && c != 0)
            add(r, c);
    }
}

static void read_comment(struct reader *r)
{
    int depth = 1;
    buf_clear(&r->comment);
    while (r->in.n > 0) {
        char c = next(r);
        if (c == '\\' && r->in.n > 0)
            c = next(r);
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            return;
        if (c != '\r' && c != '\n' && c != 0)
            buf_add_byte(&r->comment, c);
    }
}

/* A domain literal: up to its "]". */
static void read_literal(struct reader *r)
{
    add(r, '[');
    while (r->in.n > 0) {
        char c = next(r);
        if (!is_blank(c))
            add(r, c);
        if (c == ']')
            return;
    }
}

/* Without the blanks that obsolete syntax allows around "." and "@" (RFC 5322 4.4). */
static struct slice without_blanks(struct reader *r, struct slice s)
{
    s = slice_trim(s);
    if (slice_index(s, ' ') < 0)
        return s;
    size_t from = r->list->text.len;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != ' ' || (s.p[i - 1] != '.' && s.p[i + 1] != '.'))
            add(r, s.p[i]);
    return taken(r, from, r->list->text.len);
}

/* local "@" domain in list->text from `from`; `at` is where its "@" is. */
static void set_address(struct reader *r, struct mailbox_address *a, size_t from, ptrdiff_t at)
{
    size_t end = r->list->text.len;
    struct slice local = taken(r, from, at < 0 ? end : (size_t)at);
    a->host = at < 0 ? slice_of("", 0) : without_blanks(r, taken(r, (size_t)at + 1, end));
    a->mailbox = r->quoted ? slice_trim(local) : without_blanks(r, local);
}

static void begin(struct reader *r)
{
    r->start = r->list->text.len;
    r->at = -1;
    r->blank = r->quoted = r->any = false;
    buf_clear(&r->comment);
}

/* An address without <>: its words are local@domain, and a comment is its name. */
static void finish_bare(struct reader *r)
{
    if (r->any) {
        struct mailbox_address *a = emit(r);
        set_address(r, a, r->start, r->at);
        if (r->comment.len > 0) {
            size_t from = r->list->text.len;
            buf_add_slice(&r->list->text, buf_slice(&r->comment));
            a->name = slice_trim(taken(r, from, r->list->text.len));
        }
    }
    begin(r);
}

/* "<" was read: [route ":"] local "@" domain ">" (RFC 5322 3.4, 4.4). The words before it are the
 * name. */
static void read_angle(struct reader *r)
{
    struct mailbox_address *a = emit(r);
    if (r->any) {
        a->name = slice_trim(taken(r, r->start, r->list->text.len));
        if (a->name.n == 0 && !r->quoted)
            a->name = slice_of(NULL, 0);
    }
    size_t from = r->list->text.len;
    ptrdiff_t at = -1;
    r->quoted = false;
    while (r->in.n > 0) {
        if (r->in.p[0] == ',' && at != (ptrdiff_t)from)
            break;                                   /* ">" is missing; in a route it is a comma */
        char c = next(r);
        if (c == '>')
            break;
        if (c == ':' && at == (ptrdiff_t)from && !a->route.p) {
            a->route = taken(r, from, r->list->text.len);
            from = r->list->text.len;
            at = -1;
        } else if (c == '"') {
            r->quoted = true;
            read_quoted(r);
        } else if (c == '(') {
            read_comment(r);
        } else if (c == '[' && at >= 0) {
            read_literal(r);
        } else if (!is_blank(c)) {
            if (c == '@' && (at != (ptrdiff_t)from || at < 0))
                at = (ptrdiff_t)r->list->text.len;
            add(r, c);
        }
    }
    set_address(r, a, from, at);
    if (!a->name.p && r->comment.len > 0) {          /* <tom@example.org> (Tom) */
        from = r->list->text.len;
        buf_add_slice(&r->list->text, buf_slice(&r->comment));
        a->name = slice_trim(taken(r, from, r->list->text.len));
    }
}

/* What stands between ">" and the next separator means nothing, but a comment may be the name. */
static void skip_to_separator(struct reader *r, struct mailbox_address *a)
{
    while (r->in.n > 0 && r->in.p[0] != ',' && r->in.p[0] != ';') {
        char c = next(r);
        if (c == '(') {
            read_comment(r);
            if (a && !a->name.p && r->comment.len > 0) {
                size_t from = r->list->text.len;
                buf_add_slice(&r->list->text, buf_slice(&r->comment));
                a->name = slice_trim(taken(r, from, r->list->text.len));
            }
        } else if (c == '"') {
            read_quoted(r);
        }
    }
    begin(r);
}

static void read_word(struct reader *r, char c)
{
    if (r->blank && r->list->text.len > r->start)
        add(r, ' ');
    r->blank = false;
    r->any = true;
    if (c == '"') {
        r->quoted = true;
        read_quoted(r);
    } else if (c == '[' && r->at >= 0) {
        read_literal(r);
    } else {
        if (c == '\\' && r->in.n > 0)
            c = next(r);
        if (c == '@')
            r->at = (ptrdiff_t)r->list->text.len;
        add(r, c);
    }
}

static void read_one(struct reader *r)
{
    char c = next(r);
    if (is_blank(c)) {
        r->blank = true;
    } else if (c == '(') {
        read_comment(r);
        r->blank = true;
    } else if (c == '<') {
        read_angle(r);
        skip_to_separator(r, &r->list->all[r->list->count - 1]);
    } else if (c == ',') {
        finish_bare(r);
    } else if (c == ';') {
        finish_bare(r);
        if (r->in_group)
            emit(r);
        r->in_group = false;
    } else if (c == ':' && !r->in_group && r->at < 0) {
        struct mailbox_address *group = emit(r);
        group->mailbox = slice_trim(taken(r, r->start, r->list->text.len));
        r->in_group = true;
        begin(r);
    } else {
        read_word(r, c);
    }
}

void mailbox_list_parse(struct mailbox_list *list, struct slice value)
{
    list->count = 0;
    buf_clear(&list->text);
    buf_reserve(&list->text, 3 * value.n + 16);
    struct reader r = {.list = list, .in = value};
    begin(&r);
    while (r.in.n > 0 && !r.full)
        read_one(&r);
    finish_bare(&r);
    if (r.in_group)
        emit(&r);
    buf_free(&r.comment);
}

void mailbox_list_free(struct mailbox_list *list)
{
    free(list->all);
    buf_free(&list->text);
    *list = (struct mailbox_list){0};
}
