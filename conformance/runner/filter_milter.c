/* filter_milter.c - the packets of the milter protocol (version 6, as Sendmail's libmilter and
 * Postfix's README speak it): a length of four octets, a letter, data. */
#include "conformance/runner/filter.h"

#include "base/mem.h"
#include "conformance/runner/run.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum { PACKET_MAX = 1024 * 1024 + 64 };

/* Requests with one argument list: letter, word in the text, event of rules. */
static const struct { char letter; const char *word, *event; } plain[] = {
    {'H', "HELO", "HELO"}, {'M', "MAIL", "MAIL"}, {'R', "RCPT", "RCPT"}, {'T', "DATA", "DATA"},
    {'N', "EOH", "EOH"}, {'U', "UNKNOWN", "UNKNOWN"}, {'A', "ABORT", NULL}, {'Q', "QUIT", NULL},
    {'K', "QUIT_NC", NULL}};

static uint32_t number_at(struct slice s, size_t at)
{
    uint32_t n = 0;
    if (at + 4 <= s.n)
        memcpy(&n, s.p + at, 4);
    return ntohl(n);
}

/* Fields with a NUL behind each, as words of the line. */
static void add_fields(struct buf *line, struct slice data)
{
    struct slice field;
    while (data.n && slice_next(&data, '\0', &field))
        if (field.n)
            buf_printf(line, " %.*s", SLICE_ARG(field));
}

/* "CONNECT host address port": name NUL family port address NUL. */
static void read_connect(struct filter *f, struct slice data)
{
    struct slice host = {0};
    slice_next(&data, '\0', &host);
    buf_printf(&f->line, "CONNECT %.*s", SLICE_ARG(host));
    if (data.n > 3 && data.p[0] != 'U') {
        unsigned port = (unsigned)(unsigned char)data.p[1] << 8 | (unsigned char)data.p[2];
        add_fields(&f->line, slice_sub(data, 3, data.n));
        buf_printf(&f->line, " %u", port);
    }
    f->event = "CONNECT";
}

/* The envelope, for "NAME has 1 message from <A> for <B>". */
static void note_path(struct filter *f, char letter, struct slice data)
{
    struct slice path = {0};
    slice_next(&data, '\0', &path);
    if (path.n >= 2 && path.p[0] == '<')
        path = slice_sub(path, 1, path.n - 1);
    if (letter == 'M') {
        filter_forget(f);
        f->from = slice_dup(path);
    } else {
        f->to = xreallocarray(f->to, f->to_count + 1, sizeof *f->to);
        f->to[f->to_count++] = slice_dup(path);
    }
}

static void read_header(struct filter *f, struct slice data)
{
    struct slice name = {0}, value = {0};
    slice_next(&data, '\0', &name);
    slice_next(&data, '\0', &value);
    bool blank = value.n && (value.p[0] == ' ' || value.p[0] == '\t');
    buf_printf(&f->line, "HEADER %.*s:%s%.*s", SLICE_ARG(name), blank ? "" : " ", SLICE_ARG(value));
    buf_printf(&f->content, "%.*s:%s", SLICE_ARG(name), blank ? "" : " ");
    for (size_t i = 0; i < value.n; i++) {       /* lines of a folded field may end in LF only */
        if (value.p[i] == '\n' && (i == 0 || value.p[i - 1] != '\r'))
            buf_add_byte(&f->content, '\r');
        buf_add_byte(&f->content, value.p[i]);
    }
    buf_add_str(&f->content, "\r\n");
    f->event = "HEADER";
}

static void understand(struct filter *f, char letter, struct slice data)
{
    if (letter == 'O') {
        f->version = number_at(data, 0);
        f->actions = number_at(data, 4);
        buf_printf(&f->line, "OPTNEG %u 0x%x 0x%x", f->version, f->actions, number_at(data, 8));
        f->event = "OPTNEG";
    } else if (letter == 'D') {                  /* the letter of the request that they belong to */
        buf_printf(&f->line, "MACRO %.*s", (int)(data.n > 0), data.p ? data.p : "");
        struct slice rest = slice_sub(data, 1, data.n), name, value;
        while (rest.n && slice_next(&rest, '\0', &name) && slice_next(&rest, '\0', &value))
            buf_printf(&f->line, " %.*s=%.*s", SLICE_ARG(name), SLICE_ARG(value));
    } else if (letter == 'C') {
        read_connect(f, data);
    } else if (letter == 'L') {
        read_header(f, data);
    } else if (letter == 'B' || letter == 'E') {
        if (f->content.len + data.n < MESSAGE_MAX)
            buf_add_slice(&f->content, data);
        if (letter == 'B')
            buf_printf(&f->line, "BODY %zu", data.n);
        else
            buf_add_str(&f->line, "EOM");
        f->event = letter == 'B' ? "BODY" : "message";
        f->has_message = letter == 'E';
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (letter == plain[i].letter) {
            buf_add_str(&f->line, plain[i].word);
            add_fields(&f->line, data);
            f->event = plain[i].event;
        }
    if (letter == 'N')
        buf_add_str(&f->content, "\r\n");
    if (letter == 'M' || letter == 'R')
        note_path(f, letter, data);
    if (letter == 'A' || letter == 'K')
        filter_forget(f);
    f->ends = letter == 'Q';
    if (!f->line.len)
        buf_printf(&f->line, "PACKET %c", letter);
}

enum io milter_request(struct filter *f)
{
    unsigned char head[5];
    enum io io = stream_read_exact(f->stream, head, sizeof head);
    if (io != IO_OK)
        return io;
    uint32_t n = number_at(slice_of(head, 4), 0);
    if (n < 1 || n > PACKET_MAX)
        return IO_TOO_LONG;
    char *data = xmalloc(n);
    io = stream_read_exact(f->stream, data, n - 1);
    if (io == IO_OK)
        understand(f, (char)head[4], slice_of(data, n - 1));
    free(data);
    return io;
}

static void packet(struct filter *f, char letter, struct slice data)
{
    uint32_t n = htonl((uint32_t)data.n + 1);
    stream_write(f->stream, &n, sizeof n);
    stream_write(f->stream, &letter, 1);
    stream_write(f->stream, data.p ? data.p : "", data.n);
}

/* All actions that the target offers, all steps, an answer to each. */
static void negotiate(struct filter *f, struct slice numbers)
{
    uint32_t v[3] = {f->version > 6 ? 6 : f->version, f->actions, 0};
    struct slice word;
    for (int i = 0; i < 3 && slice_word(&numbers, &word); i++) {
        char *text = slice_dup(word);
        v[i] = (uint32_t)strtoul(text, NULL, 0);
        free(text);
    }
    for (int i = 0; i < 3; i++)
        v[i] = htonl(v[i]);
    packet(f, 'O', slice_of(v, sizeof v));
}

/* Answers of words: what they begin with, the letter, how the rest is packed. */
enum pack { PACK_NONE, PACK_TEXT, PACK_HEADER, PACK_NUMBERED, PACK_GONE, PACK_RAW, PACK_OPTNEG };
static const struct { const char *word; char letter; enum pack pack; bool final; } answers[] = {
    {"continue", 'c', PACK_NONE, true}, {"accept", 'a', PACK_NONE, true},
    {"reject", 'r', PACK_NONE, true}, {"tempfail", 't', PACK_NONE, true},
    {"discard", 'd', PACK_NONE, true}, {"skip", 's', PACK_NONE, true},
    {"progress", 'p', PACK_NONE, false}, {"OPTNEG", 'O', PACK_OPTNEG, true},
    {"add header ", 'h', PACK_HEADER, false}, {"insert header ", 'i', PACK_NUMBERED, false},
    {"change header ", 'm', PACK_NUMBERED, false}, {"delete header ", 'm', PACK_GONE, false},
    {"replace body ", 'b', PACK_RAW, false}, {"add recipient ", '+', PACK_TEXT, false},
    {"delete recipient ", '-', PACK_TEXT, false}, {"change sender ", 'e', PACK_TEXT, false},
    {"quarantine ", 'q', PACK_TEXT, false}};
enum { ANSWERS = sizeof answers / sizeof *answers };

static bool is_code(struct slice s)
{
    return s.n > 4 && (s.p[0] == '4' || s.p[0] == '5') && s.p[1] >= '0' && s.p[1] <= '9' &&
           s.p[2] >= '0' && s.p[2] <= '9' && s.p[3] == ' ';
}

static int find_answer(struct slice text)
{
    for (int i = 0; i < ANSWERS; i++) {
        struct slice word = slice_str(answers[i].word);
        bool whole = answers[i].pack == PACK_NONE;
        if (whole ? slice_eq(text, word) : slice_starts(text, word))
            return i;
    }
    return -1;
}

/* "NAME: VALUE", with "N " before it where the answer counts fields of one name. */
static bool header_parts(struct slice rest, enum pack pack, uint32_t *n, struct slice *name,
                         struct slice *value)
{
    struct slice word;
    uint64_t number = 0;
    if (pack != PACK_HEADER && (!slice_word(&rest, &word) || !slice_number(word, 100000, &number)))
        return false;
    *n = htonl((uint32_t)number);
    rest = slice_trim(rest);
    ptrdiff_t colon = slice_index(rest, ':');
    *name = pack == PACK_GONE ? rest : slice_sub(rest, 0, colon < 0 ? 0 : (size_t)colon);
    *value = pack == PACK_GONE ? slice_of("", 0)
                               : slice_trim(slice_sub(rest, (size_t)(colon + 1), rest.n));
    return name->n > 0 && (pack == PACK_GONE || colon > 0);
}

static void answer_one(struct filter *f, struct slice text)
{
    struct buf data = {0};
    struct slice name, value;
    uint32_t n;
    int i = find_answer(text);
    if (i < 0) {                                 /* "550 5.7.1 text" */
        buf_add_slice(&data, text);
        buf_add_byte(&data, 0);
        packet(f, 'y', buf_slice(&data));
        buf_free(&data);
        return;
    }
    struct slice rest = slice_sub(text, strlen(answers[i].word), text.n);
    if (answers[i].pack == PACK_OPTNEG) {
        negotiate(f, rest);
        return;
    }
    if (answers[i].pack == PACK_RAW || answers[i].pack == PACK_TEXT) {
        buf_add_slice(&data, rest);
        if (answers[i].pack == PACK_TEXT)
            buf_add_byte(&data, 0);
    } else if (answers[i].pack != PACK_NONE &&
               header_parts(rest, answers[i].pack, &n, &name, &value)) {
        if (answers[i].pack != PACK_HEADER)
            buf_add(&data, &n, sizeof n);
        buf_add_slice(&data, name);
        buf_add_byte(&data, 0);
        buf_add_slice(&data, value);
        buf_add_byte(&data, 0);
    }
    packet(f, answers[i].letter, buf_slice(&data));
    buf_free(&data);
}

void milter_answer(struct filter *f, struct slice text)
{
    struct slice line, last = {0};
    if (!text.p) {
        if (f->event && strcmp(f->event, "OPTNEG") == 0)
            negotiate(f, (struct slice){0});
        else if (f->event)
            packet(f, 'c', (struct slice){0});
        return;
    }
    while (slice_next(&text, '\n', &line)) {
        last = slice_trim(line);
        answer_one(f, last);
    }
    int i = find_answer(last);
    /* What a milter wants changed comes before its answer to the end of the message. */
    if (i >= 0 && !answers[i].final && f->has_message && answers[i].letter != 'p')
        packet(f, 'c', (struct slice){0});
}

bool milter_text_ok(struct slice text)
{
    struct slice line, name, value;
    uint32_t n;
    bool any = false;
    while (slice_next(&text, '\n', &line)) {
        line = slice_trim(line);
        int i = find_answer(line);
        bool header = i >= 0 && answers[i].pack >= PACK_HEADER && answers[i].pack <= PACK_GONE;
        if (i < 0 ? !is_code(line)
                  : header && !header_parts(slice_sub(line, strlen(answers[i].word), line.n),
                                            answers[i].pack, &n, &name, &value))
            return false;
        any = true;
    }
    return any;
}
