/* spamd.c - asking SpamAssassin's daemon (the SPAMC/1.5 protocol).
 *
 *   SYMBOLS   spamd says the score and which rules matched; the fields are ours
 *   HEADERS   spamd gives the header anew; its fields X-Spam-* are taken over
 *   PROCESS   spamd gives the whole message anew, which may be a report with the message inside
 *
 * In the first two the user's own octets cannot change, whatever spamd says. */
#include "reference/filter/filter.h"

#include "base/mem.h"
#include "base/stream.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LINE_MAX_OCTETS = 8192,        /* of the answer's header */
    LINES_MAX = 100,
    SYMBOLS_MAX = 64 * 1024,
    FIELD_LINE_MAX = 64 * 1024,
};

/* What the answer's header says. */
struct answer {
    bool has_score, spam;
    double score, threshold;
    uint64_t length;
};

/* "Spam: True ; 15.0 / 5.0" */
static bool read_score(struct slice value, struct answer *a)
{
    struct slice word;
    char *text;
    int n = 0;
    if (!slice_next(&value, ';', &word))
        return false;
    a->spam = slice_ieq_str(slice_trim(word), "True") || slice_ieq_str(slice_trim(word), "Yes");
    text = slice_dup(value);
    a->has_score = sscanf(text, " %lf / %lf%n", &a->score, &a->threshold, &n) == 2;
    free(text);
    return a->has_score;
}

static bool read_field(struct slice line, struct answer *a)
{
    struct slice name;
    slice_next(&line, ':', &name);
    if (slice_ieq_str(name, "Spam"))
        return read_score(line, a);
    if (slice_ieq_str(name, "Content-length"))
        return slice_number(slice_trim(line), INT64_MAX, &a->length);
    return true;                   /* others are allowed */
}

/* "SPAMD/1.1 0 EX_OK", fields, an empty line. */
static bool read_answer(struct stream *io, struct answer *a, struct filter_result *out)
{
    struct buf line = {0};
    enum line_end end;
    enum io r = stream_read_line(io, &line, LINE_MAX_OCTETS, &end);
    struct slice rest = buf_slice(&line), word = {0};
    bool good = r == IO_OK && slice_word(&rest, &word) && slice_starts(word, SLICE("SPAMD/")) &&
                slice_word(&rest, &word);
    if (!good)
        filter_failed(out, r == IO_TIMEOUT ? "time-out" : "it does not speak spamd's protocol");
    else if (!slice_eq_str(word, "0"))
        filter_failed(out, "spamd says: %.*s", SLICE_ARG(buf_slice(&line)));
    for (int n = 0; out->action != FILTER_FAILED; n++) {
        buf_clear(&line);
        r = stream_read_line(io, &line, LINE_MAX_OCTETS, &end);
        if (r == IO_OK && line.len == 0)
            break;
        if (r != IO_OK || n == LINES_MAX || !read_field(buf_slice(&line), a))
            filter_failed(out, "its answer cannot be understood or is cut off");
    }
    if (out->action != FILTER_FAILED && !a->has_score)
        filter_failed(out, "its answer has no score");
    buf_free(&line);
    return out->action != FILTER_FAILED;
}

/* --- what is done with the score -------------------------------------------------------------- */

static void add(struct filter_changes *c, const char *name, const char *value)
{
    changes_add(c, CHANGE_ADD, 0, slice_str(name), slice_str(value));
}

/* Fields that the sender put there, so that nobody's filter believes them, go. */
static void remove_forged(const struct filter_mail *mail, struct filter_changes *c)
{
    static const char *const ours[] = {"X-Spam-Flag", "X-Spam-Score", "X-Spam-Level",
                                       "X-Spam-Status"};
    struct buf text = {0};
    buf_reserve(&text, FILTER_HEADER_MAX);
    ssize_t n = mail->read(mail->arg, text.data, FILTER_HEADER_MAX, 0);
    text.len = n > 0 ? (size_t)n : 0;
    ssize_t end = header_end(buf_slice(&text));
    struct slice rest = slice_sub(buf_slice(&text), 0, end < 0 ? text.len : (size_t)end), line;
    while (slice_next(&rest, '\n', &line)) {
        for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
            struct slice name = slice_sub(line, 0, strlen(ours[i]));
            struct slice after = slice_sub(line, name.n, line.n);
            if (slice_ieq_str(name, ours[i]) && slice_starts(slice_trim(after), SLICE(":")))
                changes_add(c, CHANGE_SET, 1, slice_str(ours[i]), (struct slice){0});
        }
    }
    buf_free(&text);
}

static void tag(const struct answer *a, struct slice symbols, struct filter_changes *c)
{
    struct buf status = {0};
    char score[32], stars[51];
    int n = a->score < 0 ? 0 : a->score > 50 ? 50 : (int)a->score;
    memset(stars, '*', sizeof stars);
    stars[n] = '\0';
    snprintf(score, sizeof score, "%.1f", a->score);
    buf_printf(&status, "%s, score=%.1f required=%.1f tests=", a->spam ? "Yes" : "No", a->score,
               a->threshold);
    /* RFC 5322 2.1.1: folded after a comma before 78 octets. */
    struct slice symbol;
    size_t column = status.len + sizeof "X-Spam-Status: ";
    for (bool first = true; slice_next(&symbols, ',', &symbol); first = false) {
        symbol = slice_trim(symbol);
        bool fold = column + symbol.n + 1 > 76;
        buf_printf(&status, "%s%s%.*s", first ? "" : ",", fold ? "\r\n\t" : "", SLICE_ARG(symbol));
        column = (fold ? 8 : column) + symbol.n + 1;
    }
    if (a->spam)
        add(c, "X-Spam-Flag", "YES");
    add(c, "X-Spam-Score", score);
    if (n > 0)
        add(c, "X-Spam-Level", stars);
    add(c, "X-Spam-Status", buf_str(&status));
    buf_free(&status);
}

static void decide(const struct filter_conf *c, const struct answer *a, struct filter_result *out)
{
    bool over = c->reject_score > 0 && a->score >= c->reject_score;
    snprintf(out->why, sizeof out->why, "score %.1f of %.1f", a->score, a->threshold);
    if (!a->spam && !over)
        return;
    enum filter_found found = over ? FOUND_REJECT : c->found;
    if (found == FOUND_REJECT) {
        out->action = FILTER_REFUSE;
        verdict_set(&out->verdict, 550, "5.7.1", "spam", "RFC 5321 7.8",
                    "the message looks like spam (score %.1f)", a->score);
    } else if (found == FOUND_QUARANTINE) {
        out->action = FILTER_QUARANTINE;
    } else if (found == FOUND_DISCARD) {
        out->action = FILTER_DISCARD;
    }
}

/* --- the three ways --------------------------------------------------------------------------- */

/* The symbols are words with commas between them. */
static void take_symbols(struct stream *io, const struct answer *a, struct filter_changes *changes,
                         struct filter_result *out)
{
    struct buf symbols = {0};
    size_t n = a->length < SYMBOLS_MAX ? (size_t)a->length : SYMBOLS_MAX;
    buf_reserve(&symbols, n + 1);
    if (n > 0 && stream_read_exact(io, symbols.data, n) != IO_OK) {
        filter_failed(out, "the names of its rules are cut off");
    } else {
        symbols.len = n;
        struct slice text = slice_trim(buf_slice(&symbols));
        for (size_t i = 0; i < symbols.len; i++) {       /* RFC 5322 2.2: nothing else in a field */
            if (symbols.data[i] < 33 || symbols.data[i] > 126)
                symbols.data[i] = '?';
        }
        tag(a, text, changes);
    }
    buf_free(&symbols);
}

/* A field's lines are complete in `field`: takes it over when it is one of SpamAssassin's. */
static void take_field(struct slice field, struct filter_changes *changes)
{
    struct slice rest = field, name;
    if (slice_next(&rest, ':', &name) && rest.p && slice_istarts(name, SLICE("X-Spam-")))
        changes_add(changes, CHANGE_ADD, 0, slice_trim(name), slice_trim(rest));
}

static void take_header(struct stream *io, struct filter_changes *changes, struct filter_result *out)
{
    struct buf line = {0}, field = {0};
    enum line_end end;
    enum io r;
    size_t octets = 0;
    while ((r = stream_read_line(io, &line, FIELD_LINE_MAX, &end)) == IO_OK && line.len > 0 &&
           (octets += line.len) < FILTER_HEADER_MAX) {
        bool goes_on = line.data[0] == ' ' || line.data[0] == '\t';
        if (!goes_on) {
            take_field(buf_slice(&field), changes);
            buf_clear(&field);
        }
        buf_printf(&field, "%s%s", goes_on ? "\r\n" : "", buf_str(&line));
        buf_clear(&line);
    }
    take_field(buf_slice(&field), changes);
    if (r != IO_OK && r != IO_EOF)
        filter_failed(out, "its header is cut off");
    buf_free(&line);
    buf_free(&field);
}

/* The whole message anew, our own Received field in it. */
static void take_message(struct stream *io, const struct answer *a, struct filter_changes *changes,
                         struct filter_result *out)
{
    char portion[8192];
    uint64_t left = a->length;
    while (left > 0 && out->action != FILTER_FAILED) {
        size_t n = left < sizeof portion ? (size_t)left : sizeof portion;
        if (stream_read_exact(io, portion, n) != IO_OK)
            filter_failed(out, "the message that it gives back is cut off");
        else if (!changes_add_text(changes, slice_of(portion, n)))
            filter_failed(out, "the message that it gives back cannot be kept");
        left -= n;
    }
    changes->message_replaced = true;
}

void spamd_ask(const struct filter_conf *c, const struct filter_facts *facts,
               const struct filter_mail *mail, struct filter_changes *changes,
               struct filter_result *out)
{
    static const char *const verbs[] = {"SYMBOLS", "HEADERS", "PROCESS"};
    struct answer a = {0};
    (void)facts;
    if (c->max_size > 0 && (uint64_t)mail->size > c->max_size) {
        snprintf(out->why, sizeof out->why, "over max-size, not looked at");
        return;
    }
    struct stream *io = filter_connect(c, out);
    if (!io)
        return;
    stream_printf(io, "%s SPAMC/1.5\r\nContent-length: %lld\r\n", verbs[c->spamd_way],
                  (long long)mail->size);
    if (c->spamd_user)
        stream_printf(io, "User: %s\r\n", c->spamd_user);
    stream_puts(io, "\r\n");
    if (filter_send_mail(io, mail, false, out)) {
        stream_flush(io);
        stream_shutdown_write(io);
        if (read_answer(io, &a, out)) {
            if (c->spamd_way != SPAMD_PROCESS)
                remove_forged(mail, changes);
            if (c->spamd_way == SPAMD_SYMBOLS)
                take_symbols(io, &a, changes, out);
            else if (c->spamd_way == SPAMD_HEADERS)
                take_header(io, changes, out);
            else
                take_message(io, &a, changes, out);
        }
    }
    if (out->action != FILTER_FAILED)
        decide(c, &a, out);
    stream_abort(io);
}
