/* summary.c - a version octet, flags, the date, and the fields with their lengths. */
#include "reference/message/summary.h"

#include "reference/message/date.h"
#include "reference/message/decode.h"
#include "reference/message/mailboxes.h"
#include "reference/message/subject.h"

enum { VERSION = 1, HAS_DATE = 1, IS_REPLY = 2, HEAD = 2 + 8 + 4 };

static const struct { const char *name; int field; } SEARCHED[] = {
    {"From", SUMMARY_FROM},       {"To", SUMMARY_TO},
    {"Cc", SUMMARY_CC},           {"Bcc", SUMMARY_BCC},
    {"Subject", SUMMARY_SUBJECT}, {"Message-ID", SUMMARY_MESSAGE_ID},
    {"In-Reply-To", SUMMARY_IN_REPLY_TO}, {"References", SUMMARY_REFERENCES},
};
enum { SEARCHED_COUNT = sizeof SEARCHED / sizeof SEARCHED[0] };

int summary_field_of(struct slice name)
{
    for (int i = 0; i < SEARCHED_COUNT; i++)
        if (slice_ieq_str(name, SEARCHED[i].name))
            return SEARCHED[i].field;
    return -1;
}

struct maker {
    struct buf text[SUMMARY_FIELDS];
    bool there[SUMMARY_FIELDS];
    struct buf scratch;
    struct mailbox_list list;
    struct sent_date date;
    bool has_date, reply;
};

static void set_folded(struct maker *m, enum summary_field field, struct slice text)
{
    buf_clear(&m->text[field]);
    text_fold(&m->text[field], text);
    m->there[field] = true;
}

/* The first address that is one, and not the name of a group. */
static const struct mailbox_address *first_address(struct maker *m, struct slice value)
{
    mailbox_list_parse(&m->list, value);
    for (size_t i = 0; i < m->list.count; i++)
        if (m->list.all[i].host.p)
            return &m->list.all[i];
    return NULL;
}

/* RFC 5957 3: the name, or else the address. */
static void set_display(struct maker *m, enum summary_field field, const struct mailbox_address *a)
{
    buf_clear(&m->scratch);
    if (a->name.p)
        decode_header(&m->scratch, a->name);
    if (m->scratch.len == 0) {
        buf_add_slice(&m->scratch, a->mailbox);
        if (a->host.n > 0) {
            buf_add_byte(&m->scratch, '@');
            buf_add_slice(&m->scratch, a->host);
        }
    }
    set_folded(m, field, buf_slice(&m->scratch));
}

static void note_first(struct maker *m, enum summary_field field, struct slice value)
{
    static const struct { enum summary_field of, local; int display; } FIRSTS[] = {
        {SUMMARY_FROM, SUMMARY_FIRST_FROM, SUMMARY_DISPLAY_FROM},
        {SUMMARY_TO, SUMMARY_FIRST_TO, SUMMARY_DISPLAY_TO},
        {SUMMARY_CC, SUMMARY_FIRST_CC, -1},
    };
    for (size_t i = 0; i < sizeof FIRSTS / sizeof FIRSTS[0]; i++) {
        if (FIRSTS[i].of != field)
            continue;
        const struct mailbox_address *a = first_address(m, value);
        if (!a)
            return;
        buf_clear(&m->scratch);
        utf8_repair(&m->scratch, a->mailbox);
        set_folded(m, FIRSTS[i].local, buf_slice(&m->scratch));
        if (FIRSTS[i].display >= 0)
            set_display(m, (enum summary_field)FIRSTS[i].display, a);
    }
}

static void note_field(struct maker *m, enum summary_field field, struct slice value)
{
    bool again = m->there[field];
    m->there[field] = true;
    if (again)
        buf_add_byte(&m->text[field], '\n');
    if (field >= SUMMARY_MESSAGE_ID) {
        header_unfold(&m->text[field], value);
        return;
    }
    buf_clear(&m->scratch);
    decode_header(&m->scratch, value);
    text_fold(&m->text[field], buf_slice(&m->scratch));
    if (again)
        return;
    if (field == SUMMARY_SUBJECT) {
        buf_clear(&m->scratch);
        base_subject(&m->scratch, value, &m->reply);
        set_folded(m, SUMMARY_BASE_SUBJECT, buf_slice(&m->scratch));
    } else {
        note_first(m, field, value);
    }
}

static void add_number(struct buf *out, uint64_t n, int octets)
{
    for (int i = 0; i < octets; i++)
        buf_add_byte(out, (char)(n >> (8 * i)));
}

/* Seven bits an octet; 0 stands for a field that is not there. */
static void add_length(struct buf *out, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        buf_add_byte(out, (char)(n | 0x80));
    buf_add_byte(out, (char)n);
}

void summary_make(struct buf *out, struct slice header)
{
    struct maker m = {0};
    struct header_field field;
    while (header_next(&header, &field)) {
        int which = summary_field_of(field.name);
        if (which >= 0)
            note_field(&m, (enum summary_field)which, field.value);
        else if (!m.has_date && slice_ieq_str(field.name, "Date"))
            m.has_date = date_parse(field.value, &m.date);
    }
    buf_add_byte(out, VERSION);
    buf_add_byte(out, (char)((m.has_date ? HAS_DATE : 0) | (m.reply ? IS_REPLY : 0)));
    add_number(out, (uint64_t)m.date.utc, 8);
    add_number(out, (uint32_t)m.date.local_day, 4);
    for (int i = 0; i < SUMMARY_FIELDS; i++) {
        add_length(out, m.there[i] ? m.text[i].len + 1 : 0);
        buf_add_slice(out, buf_slice(&m.text[i]));
        buf_free(&m.text[i]);
    }
    buf_free(&m.scratch);
    mailbox_list_free(&m.list);
}

static uint64_t read_number(const char *p, int octets)
{
    uint64_t n = 0;
    for (int i = octets - 1; i >= 0; i--)
        n = n << 8 | (unsigned char)p[i];
    return n;
}

static bool read_field(struct slice *rest, struct slice *out)
{
    size_t i = 0;
    if (rest->n > 0 && rest->p[0] == 0) {            /* not there: the most frequent */
        *out = slice_of(NULL, 0);
        *rest = slice_of(rest->p + 1, rest->n - 1);
        return true;
    }
    uint64_t n = 0;
    for (int shift = 0; i < rest->n && shift < 35; shift += 7) {
        unsigned char c = (unsigned char)rest->p[i++];
        n |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            break;
    }
    if (i == 0 || n > rest->n - i + 1)
        return false;
    *out = n > 0 ? slice_of(rest->p + i, n - 1) : slice_of(NULL, 0);
    i += n > 0 ? n - 1 : 0;
    *rest = slice_of(rest->p + i, rest->n - i);
    return true;
}

bool summary_read(struct slice text, struct summary *out)
{
    *out = (struct summary){0};
    if (text.n < HEAD || text.p[0] != VERSION)
        return false;
    out->has_date = text.p[1] & HAS_DATE;
    out->reply = text.p[1] & IS_REPLY;
    out->sent = (int64_t)read_number(text.p + 2, 8);
    out->sent_day = (int32_t)read_number(text.p + 10, 4);
    text = slice_sub(text, HEAD, text.n);
    for (int i = 0; i < SUMMARY_FIELDS; i++)
        if (!read_field(&text, &out->field[i]))
            return false;
    return text.n == 0;
}
