/* sort.c - SORT and UID SORT (RFC 5256 3), DISPLAYFROM and DISPLAYTO (RFC 5957), and their extended
 * results (RFC 5267 3). */
#include "reference/imapd/search.h"

#include "base/mem.h"

#include <stdlib.h>

enum { CRITERIA_MAX = 32 };

enum criterion_kind { BY_ARRIVAL, BY_DATE, BY_SIZE, BY_TEXT };

struct criterion {
    enum criterion_kind kind;
    enum summary_field field;        /* BY_TEXT */
    bool reverse;
};

static const struct {
    const char *name;
    enum criterion_kind kind;
    enum summary_field field;
} NAMES[] = {
    {"ARRIVAL", BY_ARRIVAL, 0},
    {"DATE", BY_DATE, 0},
    {"SIZE", BY_SIZE, 0},
    {"SUBJECT", BY_TEXT, SUMMARY_BASE_SUBJECT},
    {"FROM", BY_TEXT, SUMMARY_FIRST_FROM},
    {"TO", BY_TEXT, SUMMARY_FIRST_TO},
    {"CC", BY_TEXT, SUMMARY_FIRST_CC},
    {"DISPLAYFROM", BY_TEXT, SUMMARY_DISPLAY_FROM},
    {"DISPLAYTO", BY_TEXT, SUMMARY_DISPLAY_TO},
};

/* What a message is sorted by under one criterion. */
struct value {
    uint64_t prefix;                 /* a number, or the first eight octets of a text */
    struct slice text;               /* the rest of the text */
};

struct sorter {
    struct session *s;
    struct criterion by[CRITERIA_MAX];
    size_t criteria;
    struct search_result found;      /* in the order of the mailbox */
    struct value *values;            /* criteria of them a message */
    size_t values_room;
    struct arena arena;             /* of the texts */
    bool summaries;
};

/* ---- criteria ------------------------------------------------------------------------------ */

static bool parse_criteria(struct sorter *t, struct args *a)
{
    bool first = true, reverse = false;
    if (!args_open(a))
        return false;
    while (args_more(a, &first)) {
        struct slice word;
        size_t i = 0, count = sizeof NAMES / sizeof NAMES[0];
        if (!args_atom(a, &word))
            return false;
        if (!reverse && slice_ieq_str(word, "REVERSE")) {
            reverse = true;
            continue;
        }
        while (i < count && !slice_ieq_str(word, NAMES[i].name))
            i++;
        if (i == count)
            return args_fail(a, "a sort criterion");
        if (t->criteria == CRITERIA_MAX)
            return args_fail(a, "fewer sort criteria");
        t->by[t->criteria++] = (struct criterion){NAMES[i].kind, NAMES[i].field, reverse};
        t->summaries = t->summaries || NAMES[i].kind == BY_TEXT || NAMES[i].kind == BY_DATE;
        reverse = false;
    }
    if (a->status == ARGS_GOOD && (t->criteria == 0 || reverse))
        return args_fail(a, "a sort criterion");
    return a->status == ARGS_GOOD && args_space(a);
}

/* ---- values -------------------------------------------------------------------------------- */

/* Signed numbers in the order of unsigned ones. */
static uint64_t ordered(int64_t n) { return (uint64_t)n ^ (uint64_t)1 << 63; }

static uint64_t prefix_of(struct slice s)
{
    uint64_t prefix = 0;
    for (size_t i = 0; i < 8; i++)
        prefix = prefix << 8 | (i < s.n ? (unsigned char)s.p[i] : 0);
    return prefix;
}

static struct value value_of(struct sorter *t, const struct criterion *by,
                             const struct search_hit *hit)
{
    struct value v = {0};
    switch (by->kind) {
    case BY_ARRIVAL:
        v.prefix = ordered(hit->message->internal_date);
        break;
    case BY_DATE:                                    /* RFC 5256 2.2 */
        v.prefix = ordered(hit->summary->has_date ? hit->summary->sent
                                                  : hit->message->internal_date);
        break;
    case BY_SIZE:
        v.prefix = hit->message->size;
        break;
    case BY_TEXT:
        v.text = hit->summary->field[by->field];
        v.prefix = prefix_of(v.text);
        v.text = v.text.n > 8 ? arena_slice(&t->arena, slice_sub(v.text, 8, v.text.n))
                              : slice_of(NULL, 0);
        break;
    }
    return v;
}

static void collect(void *arg, const struct search_hit *hit)
{
    struct sorter *t = arg;
    if ((t->found.count + 1) * t->criteria > t->values_room) {
        t->values_room = t->values_room ? 2 * t->values_room : 64 * t->criteria;
        t->values = xreallocarray(t->values, t->values_room, sizeof *t->values);
    }
    for (size_t i = 0; i < t->criteria; i++)
        t->values[t->found.count * t->criteria + i] = value_of(t, &t->by[i], hit);
    search_result_add(&t->found, t->s->uid ? hit->message->uid : hit->seq, hit->message->uid,
                      hit->message->modseq);
}

/* ---- sorting ------------------------------------------------------------------------------- */

static int compare_text(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

/* What is moved about: most comparisons need no more than the first prefix. */
struct item { uint64_t prefix; size_t index; };

/* RFC 5256 3: message numbers decide where nothing else does, REVERSE or not. */
static int compare(const void *left, const void *right, void *arg)
{
    const struct sorter *t = arg;
    const struct item *x = left, *y = right;
    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
    size_t i = x->index, k = y->index;
    const struct value *a = &t->values[i * t->criteria], *b = &t->values[k * t->criteria];
    for (size_t c = 0; c < t->criteria; c++) {
        int order = (a[c].prefix > b[c].prefix) - (a[c].prefix < b[c].prefix);
        if (order == 0)
            order = compare_text(a[c].text, b[c].text);
        if (order != 0)
            return t->by[c].reverse ? -order : order;
    }
    return (i > k) - (i < k);
}

/* The results in their order. */
static void sort(struct sorter *t, struct search_result *out)
{
    struct item *items = xreallocarray(NULL, t->found.count + 1, sizeof *items);
    for (size_t i = 0; i < t->found.count; i++) {
        uint64_t prefix = t->values[i * t->criteria].prefix;
        items[i] = (struct item){t->by[0].reverse ? ~prefix : prefix, i};
    }
    qsort_r(items, t->found.count, sizeof *items, compare, t);
    out->with_modseq = t->found.with_modseq;
    for (size_t i = 0; i < t->found.count; i++) {
        size_t k = items[i].index;
        search_result_add(out, t->found.numbers[k], t->found.uids[k],
                          t->found.with_modseq ? t->found.modseqs[k] : 0);
    }
    free(items);
}

void imap_sort(struct session *s, struct args *a)
{
    struct sorter t = {.s = s};
    struct search_program program = {0};
    struct search_result sorted = {0};
    const char *no = NULL;
    unsigned options = 0;
    if (!args_space(a) || !search_return_parse(a, &options) || !parse_criteria(&t, a) ||
        !search_parse_with_charset(s, a, &program, &no)) {
        if (no && options & RETURN_SAVE)
            uid_set_clear(&s->saved);
        if (no)
            imap_no(s, "%s", no);
        else
            imap_bad_args(s, a);
    } else {
        if (program.modseq)
            imap_enable_condstore(s);
        t.found.with_modseq = program.modseq;
        if (search_run(s, &program, t.summaries, collect, &t)) {
            sort(&t, &sorted);
            search_answer(s, "SORT", options, &sorted);
            imap_ok(s, "SORT completed");
        } else {
            imap_no(s, "[UNAVAILABLE] the server is stopping");
        }
    }
    search_result_free(&sorted);
    search_result_free(&t.found);
    search_free(&program);
    arena_free(&t.arena);
    free(t.values);
}
