/* changes.c - collecting changes, and making them. */
#include "reference/filter/changes.h"

#include "base/mem.h"

#include <stdlib.h>

void changes_init(struct filter_changes *c, const char *spill_dir)
{
    *c = (struct filter_changes){0};
    spill_init(&c->body, spill_dir);
}

void changes_free(struct filter_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->v[i].name);
        free(c->v[i].value);
    }
    free(c->v);
    spill_free(&c->body);
    *c = (struct filter_changes){0};
}

bool changes_any(const struct filter_changes *c)
{
    return c->n > 0 || c->body_replaced || c->message_replaced;
}

/* RFC 5322 2.2: printable ASCII but the colon. */
static bool is_field_name(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] < 33 || name.p[i] > 126 || name.p[i] == ':')
            return false;
    }
    return name.n > 0;
}

/* Appends a field's body with CRLF before each continuation, whichever line ends it came with. */
static bool add_body(struct buf *out, struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (c == '\0')
            return false;
        if (c != '\r' && c != '\n') {
            buf_add_byte(out, c);
            continue;
        }
        i += c == '\r' && i + 1 < value.n && value.p[i + 1] == '\n';
        if (i + 1 == value.n)      /* a line end at the very end is dropped */
            return true;
        if (value.p[i + 1] != ' ' && value.p[i + 1] != '\t')
            return false;
        buf_add_str(out, "\r\n");
    }
    return true;
}

static bool is_address(struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        if ((unsigned char)value.p[i] <= ' ' || value.p[i] == 0x7f)
            return false;
    }
    return true;
}

bool changes_add(struct filter_changes *c, enum change_kind kind, uint32_t index,
                 struct slice name, struct slice value)
{
    struct buf body = {0};
    bool field = kind == CHANGE_ADD || kind == CHANGE_INSERT || kind == CHANGE_SET;
    bool good = c->n < FILTER_CHANGES_MAX && value.n < FILTER_HEADER_MAX &&
                (field ? is_field_name(name) && add_body(&body, value) : is_address(value));
    if (!field && value.n >= 2 && value.p[0] == '<' && value.p[value.n - 1] == '>')
        value = slice_sub(value, 1, value.n - 1);
    if (good) {
        c->v = xrealloc(c->v, (c->n + 1) * sizeof *c->v);
        c->v[c->n++] = (struct change){
            .kind = kind,
            .index = index,
            .name = slice_dup(name),
            .value = field ? buf_take(&body) : slice_dup(value),
        };
    }
    buf_free(&body);
    return good;
}

/* --- the body --------------------------------------------------------------------------------- */

static bool keep(struct filter_changes *c, const struct buf *text)
{
    if (text->len > 0)
        c->last = text->data[text->len - 1];
    return spill_add(&c->body, text->data, text->len) == 0;
}

bool changes_add_text(struct filter_changes *c, struct slice text)
{
    struct buf lines = {0};
    for (size_t i = 0; i < text.n; i++) {
        char octet = text.p[i];
        bool ended = c->after_cr;
        if (ended)
            buf_add_str(&lines, "\r\n");
        c->after_cr = octet == '\r';
        if (octet == '\n' && !ended)
            buf_add_str(&lines, "\r\n");
        else if (octet != '\n' && octet != '\r')
            buf_add_byte(&lines, octet);
    }
    bool good = keep(c, &lines);
    buf_free(&lines);
    return good;
}

bool changes_end_text(struct filter_changes *c)
{
    bool open = c->after_cr || (c->body.size > 0 && c->last != '\n');
    c->after_cr = false;
    return !open || spill_add(&c->body, "\r\n", 2) == 0;
}

/* --- the header ------------------------------------------------------------------------------- */

/* Cuts the next field, continuation lines and line ends included, off *rest. */
static bool next_field(struct slice *rest, struct slice *field)
{
    size_t n = 0;
    if (rest->n == 0)
        return false;
    do {
        ptrdiff_t lf = slice_index(slice_sub(*rest, n, rest->n), '\n');
        n = lf < 0 ? rest->n : n + (size_t)lf + 1;
    } while (n < rest->n && (rest->p[n] == ' ' || rest->p[n] == '\t'));
    *field = slice_sub(*rest, 0, n);
    *rest = slice_sub(*rest, n, rest->n);
    return true;
}

static struct slice field_name(struct slice field)
{
    ptrdiff_t colon = slice_index(field, ':');
    return colon < 0 ? (struct slice){0} : slice_trim(slice_sub(field, 0, (size_t)colon));
}

ssize_t header_end(struct slice text)
{
    size_t at = 0;
    while (at < text.n) {
        struct slice rest = slice_sub(text, at, text.n);
        ptrdiff_t lf = slice_index(rest, '\n');
        if (lf < 0)
            return -1;
        bool continued = at > 0 && (rest.p[0] == ' ' || rest.p[0] == '\t');
        struct slice name = field_name(slice_sub(rest, 0, (size_t)lf));
        if (!continued && !is_field_name(name))
            return (ssize_t)at;
        at += (size_t)lf + 1;
    }
    return -1;
}

static void add_field(struct buf *out, const struct change *c)
{
    const char *space = c->value[0] == ' ' || c->value[0] == '\t' ? "" : " ";
    buf_printf(out, "%s:%s%s\r\n", c->name, space, c->value);
}

/* The fields, each in a buffer of its own so that all kinds of change are a line each. */
struct fields { struct slice *v; size_t n; };

static void insert_field(struct fields *f, size_t at, struct slice field)
{
    f->v = xrealloc(f->v, (f->n + 1) * sizeof *f->v);
    memmove(&f->v[at + 1], &f->v[at], (f->n - at) * sizeof *f->v);
    f->v[at] = field;
    f->n++;
}

static struct slice made(const struct change *c, struct buf *text)
{
    buf_clear(text);
    add_field(text, c);
    return (struct slice){slice_dup(buf_slice(text)), text->len};
}

/* The place of the index-th field of the name, the trace left out; f->n: there is none. */
static size_t find_field(const struct fields *f, size_t first, const struct change *c)
{
    uint32_t seen = 0;
    for (size_t i = first; i < f->n; i++) {
        if (slice_ieq_str(field_name(f->v[i]), c->name) && ++seen == (c->index ? c->index : 1))
            return i;
    }
    return f->n;
}

static void change_field(struct fields *f, size_t first, const struct change *c, struct buf *text)
{
    size_t at = f->n;
    if (c->kind == CHANGE_INSERT)
        at = c->index == 0 ? 0 : first + c->index - 1 < f->n ? first + c->index - 1 : f->n;
    if (c->kind == CHANGE_SET && (at = find_field(f, first, c)) < f->n) {
        free((char *)f->v[at].p);
        f->n--;
        memmove(&f->v[at], &f->v[at + 1], (f->n - at) * sizeof *f->v);
    }
    if (c->kind != CHANGE_SET || c->value[0])
        insert_field(f, at, made(c, text));
}

size_t changes_apply_header(const struct filter_changes *c, struct slice header, size_t trace,
                          struct buf *out)
{
    struct fields f = {0};
    struct buf text = {0};
    struct slice rest = slice_sub(header, trace, header.n), field;
    size_t first = trace > 0;      /* our own Received field is the one before those that count */
    if (trace > 0)
        insert_field(&f, 0, (struct slice){slice_dup(slice_sub(header, 0, trace)), trace});
    while (next_field(&rest, &field))
        insert_field(&f, f.n, (struct slice){slice_dup(field), field.n});
    for (size_t i = 0; i < c->n; i++) {
        if (c->v[i].kind <= CHANGE_SET)
            change_field(&f, first, &c->v[i], &text);
        first += c->v[i].kind == CHANGE_INSERT && c->v[i].index == 0;
    }
    size_t own = 0;
    for (size_t i = 0; i < f.n; i++) {
        own += i < first ? f.v[i].n : 0;
        buf_add_slice(out, f.v[i]);
        free((char *)f.v[i].p);
    }
    free(f.v);
    buf_free(&text);
    return own;
}

/* --- the envelope ----------------------------------------------------------------------------- */

static ssize_t find_recipient(const struct envelope *e, const char *address)
{
    for (size_t i = 0; i < e->rcpt_count; i++) {
        if (strcmp(e->rcpt[i].address, address) == 0)
            return (ssize_t)i;
    }
    return -1;
}

void changes_apply_envelope(const struct filter_changes *c, struct envelope *e)
{
    for (size_t i = 0; i < c->n; i++) {
        ssize_t at;
        switch (c->v[i].kind) {
        case CHANGE_FROM:
            free(e->reverse_path);
            e->reverse_path = xstrdup(c->v[i].value);
            break;
        case CHANGE_ADD_RCPT:
            if (find_recipient(e, c->v[i].value) < 0)
                envelope_add_recipient(e, slice_str(c->v[i].value));
            break;
        case CHANGE_DELETE_RCPT:
            if ((at = find_recipient(e, c->v[i].value)) >= 0) {
                struct recipient gone = e->rcpt[at];
                memmove(&e->rcpt[at], &e->rcpt[at + 1],
                        (e->rcpt_count - (size_t)at - 1) * sizeof *e->rcpt);
                e->rcpt[e->rcpt_count - 1] = gone;
                envelope_drop_recipients(e, e->rcpt_count - 1);
            }
            break;
        default:
            break;
        }
    }
}
