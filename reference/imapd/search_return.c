/* search_return.c - what SEARCH and SORT answer: "* SEARCH 1 2 3" or ESEARCH (RFC 9051 6.4.4,
 * 7.3.4; RFC 4731, RFC 5182, RFC 5267 3). */
#include "reference/imapd/search.h"

#include "base/mem.h"

#include <stdlib.h>

static const struct { const char *name; unsigned option; } OPTIONS[] = {
    {"MIN", RETURN_MIN}, {"MAX", RETURN_MAX}, {"ALL", RETURN_ALL},
    {"COUNT", RETURN_COUNT}, {"SAVE", RETURN_SAVE},
};

bool search_return_parse(struct args *a, unsigned *options)
{
    *options = 0;
    if (!args_keyword(a, "RETURN"))
        return true;
    bool first = true;
    if (!args_space(a) || !args_open(a))
        return false;
    while (args_more(a, &first)) {
        struct slice word;
        unsigned option = 0;
        if (!args_atom(a, &word))
            return false;
        for (size_t i = 0; i < sizeof OPTIONS / sizeof OPTIONS[0]; i++)
            if (slice_ieq_str(word, OPTIONS[i].name))
                option = OPTIONS[i].option;
        if (option == 0)
            return args_fail(a, "MIN, MAX, ALL, COUNT or SAVE");
        *options |= option;
    }
    if (*options == 0)
        *options = RETURN_ALL;                       /* RFC 4731 3.1: an empty list is ALL */
    *options |= RETURN_GIVEN;
    return a->status == ARGS_GOOD && args_space(a);
}

/* ---- results ------------------------------------------------------------------------------- */

void search_result_add(struct search_result *r, uint32_t number, uint32_t uid, uint64_t modseq)
{
    if (r->count == r->room) {
        r->room = r->room ? 2 * r->room : 64;
        r->numbers = xreallocarray(r->numbers, r->room, sizeof *r->numbers);
        r->uids = xreallocarray(r->uids, r->room, sizeof *r->uids);
        if (r->with_modseq)
            r->modseqs = xreallocarray(r->modseqs, r->room, sizeof *r->modseqs);
    }
    r->numbers[r->count] = number;
    r->uids[r->count] = uid;
    if (r->with_modseq)
        r->modseqs[r->count] = modseq;
    r->count++;
}

void search_result_free(struct search_result *r)
{
    free(r->numbers);
    free(r->uids);
    free(r->modseqs);
    *r = (struct search_result){0};
}

/* ---- the answer ---------------------------------------------------------------------------- */

/* Decimal, without the detour of printf: an answer may have a hundred thousand of them. */
static void add_number(struct buf *out, uint32_t n)
{
    char digits[10];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    buf_add(out, digits + at, sizeof digits - at);
}

/* Which of the results MIN and MAX are: of SEARCH the first and last, of SORT too (RFC 5267 3.1:
 * the lowest and the highest sorted message). */
static uint64_t highest_modseq(const struct search_result *r, unsigned options)
{
    size_t last = r->count - 1;
    uint64_t highest = 0;
    /* RFC 4731 3.2: of those told, when these are MIN and MAX only. */
    if (!(options & (RETURN_ALL | RETURN_COUNT)) && options & (RETURN_MIN | RETURN_MAX)) {
        if (options & RETURN_MIN)
            highest = r->modseqs[0];
        if (options & RETURN_MAX && r->modseqs[last] > highest)
            highest = r->modseqs[last];
        return highest;
    }
    for (size_t i = 0; i < r->count; i++)
        if (r->modseqs[i] > highest)
            highest = r->modseqs[i];
    return highest;
}

/* A sequence-set in the order of the results; a range where they count up (RFC 5267 3.2). */
static void add_set(struct buf *out, const uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && numbers[end] == numbers[end - 1] + 1)
            end++;
        if (i > 0)
            buf_add_byte(out, ',');
        add_number(out, numbers[i]);
        if (end - i > 1) {
            buf_add_byte(out, ':');
            add_number(out, numbers[end - 1]);
        }
        i = end;
    }
}

static void add_extended(struct session *s, struct buf *out, unsigned options,
                         const struct search_result *r)
{
    buf_add_str(out, "* ESEARCH (TAG ");
    imap_string(out, s->tag, false);
    buf_add_str(out, s->uid ? ") UID" : ")");
    if (r->count > 0 && options & RETURN_MIN) {
        buf_add_str(out, " MIN ");
        add_number(out, r->numbers[0]);
    }
    if (r->count > 0 && options & RETURN_MAX) {
        buf_add_str(out, " MAX ");
        add_number(out, r->numbers[r->count - 1]);
    }
    if (options & RETURN_COUNT)
        buf_printf(out, " COUNT %zu", r->count);
    if (r->count > 0 && r->with_modseq)
        buf_printf(out, " MODSEQ %llu", (unsigned long long)highest_modseq(r, options));
    if (r->count > 0 && options & RETURN_ALL) {
        buf_add_str(out, " ALL ");
        add_set(out, r->numbers, r->count);
    }
    buf_add_str(out, "\r\n");
}

static void add_plain(struct buf *out, const char *word, const struct search_result *r)
{
    buf_printf(out, "* %s", word);
    for (size_t i = 0; i < r->count; i++) {
        buf_add_byte(out, ' ');
        add_number(out, r->numbers[i]);
    }
    if (r->count > 0 && r->with_modseq)              /* RFC 7162 3.1.5 */
        buf_printf(out, " (MODSEQ %llu)", (unsigned long long)highest_modseq(r, RETURN_ALL));
    buf_add_str(out, "\r\n");
}

/* RFC 9051 6.4.4.1: all that was found, or MIN and MAX when nothing else is told. */
static void save(struct session *s, unsigned options, const struct search_result *r)
{
    bool ends = !(options & (RETURN_ALL | RETURN_COUNT)) && options & (RETURN_MIN | RETURN_MAX);
    uid_set_clear(&s->saved);
    for (size_t i = 0; i < r->count; i++)
        if (!ends || (i == 0 && options & RETURN_MIN) ||
            (i == r->count - 1 && options & RETURN_MAX))
            uid_set_add(&s->saved, r->uids[i], r->uids[i]);
}

void search_answer(struct session *s, const char *word, unsigned options, struct search_result *r)
{
    struct buf out = {0};
    if (options & RETURN_SAVE)
        save(s, options, r);
    unsigned told = options & ~(unsigned)(RETURN_SAVE | RETURN_GIVEN);
    if (options & RETURN_GIVEN) {
        if (told)                                    /* SAVE alone: nothing is told */
            add_extended(s, &out, told, r);
    } else if (s->rev2 && strcmp(word, "SEARCH") == 0) {
        add_extended(s, &out, RETURN_ALL, r);        /* RFC 9051 7.3.4: IMAP4rev2 has no other */
    } else {
        add_plain(&out, word, r);
    }
    imap_send(s, &out);
    buf_free(&out);
}
