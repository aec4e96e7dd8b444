#include "dns-sim/fault.h"

#include "base/mem.h"
#include "base/timing.h"
#include "dns-sim/message.h"

#include <stdlib.h>

enum { RAW_MAX = 65535, FAULTS_MAX = 10000 };

enum name_match { MATCH_EXACT, MATCH_BELOW, MATCH_ALL };

struct fault {
    struct fault *next;
    enum name_match match;
    uint8_t name[NAME_MAX_LEN];
    uint16_t type;              /* TYPE_ANY: whatever was asked */
    bool only_udp, only_tcp;
    struct fault_plan does;     /* kind and what belongs to it */
    uint64_t times;             /* still to come; 0: for ever */
    uint64_t hits;
    char *name_text;            /* owned, as are these */
    char *words;
    char *action;
};

enum argument { ARG_NONE, ARG_DURATION, ARG_HEX };

static const struct action {
    const char *word;
    enum fault_kind kind;
    enum argument argument;
} actions[] = {
    {"nxdomain", FAULT_NXDOMAIN, ARG_NONE},
    {"nodata", FAULT_NODATA, ARG_NONE},
    {"silence", FAULT_SILENCE, ARG_NONE},
    {"close", FAULT_CLOSE, ARG_NONE},
    {"truncate", FAULT_TRUNCATE, ARG_NONE},
    {"lame", FAULT_LAME, ARG_NONE},
    {"wrong-id", FAULT_WRONG_ID, ARG_NONE},
    {"wrong-question", FAULT_WRONG_QUESTION, ARG_NONE},
    {"short-rdata", FAULT_SHORT_RDATA, ARG_NONE},
    {"cut", FAULT_CUT, ARG_NONE},
    {"loop", FAULT_LOOP, ARG_NONE},
    {"garbage", FAULT_GARBAGE, ARG_NONE},
    {"raw", FAULT_RAW, ARG_HEX},
    {"raw-exact", FAULT_RAW_EXACT, ARG_HEX},
    {"delay", FAULT_DELAY, ARG_DURATION},
    {"authentic", FAULT_AUTHENTIC, ARG_NONE},
};

void faults_init(struct faults *f)
{
    pthread_mutex_init(&f->lock, NULL);
    f->first = NULL;
    atomic_init(&f->count, 0);
}

void fault_plan_free(struct fault_plan *plan)
{
    buf_free(&plan->raw);
    buf_free(&plan->words);
}

static void fault_free(struct fault *x)
{
    fault_plan_free(&x->does);
    free(x->name_text);
    free(x->words);
    free(x->action);
    free(x);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_hex(struct slice hex, struct buf *out)
{
    if (hex.n % 2 != 0 || hex.n / 2 > RAW_MAX || hex.n == 0)
        return false;
    for (size_t i = 0; i < hex.n; i += 2) {
        int high = hex_digit(hex.p[i]), low = hex_digit(hex.p[i + 1]);
        if (high < 0 || low < 0)
            return false;
        buf_add_byte(out, (char)(high << 4 | low));
    }
    return true;
}

static bool parse_name(struct fault *x, struct slice word)
{
    if (slice_eq_str(word, "*")) {
        x->match = MATCH_ALL;
        return true;
    }
    if (slice_starts(word, SLICE("*."))) {
        x->match = MATCH_BELOW;
        word = slice_sub(word, 2, word.n);
    }
    return name_parse(word, NULL, x->name);
}

static bool parse_action(struct fault *x, struct slice word, struct slice *rest, struct buf *error)
{
    struct slice argument = {0};
    buf_add_slice(&x->does.words, word);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        const struct action *a = &actions[i];
        if (!slice_ieq_str(word, a->word))
            continue;
        x->does.kind = a->kind;
        x->only_udp = a->kind == FAULT_TRUNCATE;
        if (a->argument == ARG_NONE)
            return true;
        bool ok = slice_word(rest, &argument);
        if (a->argument == ARG_DURATION)
            ok = ok && parse_duration_ms(argument, &x->does.delay_ms);
        else
            ok = ok && parse_hex(argument, &x->does.raw);
        if (a->argument == ARG_DURATION)
            buf_printf(&x->does.words, " %.*s", SLICE_ARG(argument));
        if (!ok)
            buf_printf(error, "\"%s\" needs %s", a->word, a->argument == ARG_HEX
                       ? "bytes in hex, such as 0000818000010000" : "a duration, such as 500ms");
        return ok;
    }
    x->does.kind = FAULT_RCODE;
    x->does.rcode = rcode_parse(word);
    /* An extended rcode needs EDNS in the query, so it is not on offer. */
    if (x->does.rcode >= 0 && x->does.rcode < 16)
        return true;
    buf_printf(error, "unknown fault \"%.*s\"; one of: servfail refused formerr notimp",
               SLICE_ARG(word));
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        buf_printf(error, " %s", actions[i].word);
    return false;
}

/* What may follow the action: "times N", "over udp|tcp". */
static bool parse_options(struct fault *x, struct slice rest, struct buf *error)
{
    struct slice word, value;
    while (slice_word(&rest, &word)) {
        bool ok = slice_word(&rest, &value);
        if (ok && slice_eq_str(word, "times"))
            ok = slice_number(value, UINT32_MAX, &x->times) && x->times > 0;
        else if (ok && slice_eq_str(word, "over") && slice_eq_str(value, "udp"))
            x->only_udp = true;
        else if (ok && slice_eq_str(word, "over") && slice_eq_str(value, "tcp"))
            x->only_tcp = true;
        else
            ok = false;
        if (!ok) {
            buf_printf(error, "\"%.*s\" is not understood here; \"times N\" (1 or more), "
                       "\"over udp\" or \"over tcp\" may follow", SLICE_ARG(word));
            return false;
        }
    }
    return true;
}

bool faults_add(struct faults *f, struct slice words, struct buf *error)
{
    struct slice rest = words, name = {0}, type = {0}, action = {0};
    struct fault *x = xcalloc(1, sizeof *x);
    bool ok = slice_word(&rest, &name) && slice_word(&rest, &type) && slice_word(&rest, &action);
    if (!ok)
        buf_add_str(error, "fault NAME|*|*.SUFFIX TYPE|ANY ACTION [times N] [over udp|tcp]");
    else if (!(ok = parse_name(x, name)))
        buf_printf(error, "\"%.*s\" is no domain name", SLICE_ARG(name));
    else if (!(ok = type_parse(type, &x->type)))
        buf_printf(error, "\"%.*s\" is no RR type", SLICE_ARG(type));
    else
        ok = parse_action(x, action, &rest, error) && parse_options(x, rest, error);
    if (ok && atomic_load(&f->count) >= FAULTS_MAX) {
        buf_printf(error, "there are %d faults already; use \"clear faults\"", FAULTS_MAX);
        ok = false;
    }
    if (!ok) {
        fault_free(x);
        return false;
    }
    x->name_text = slice_dup(name);
    x->words = slice_dup(slice_trim(words));
    x->action = buf_take(&x->does.words);
    pthread_mutex_lock(&f->lock);
    struct fault **link = &f->first;
    while (*link)
        link = &(*link)->next;
    *link = x;
    atomic_fetch_add(&f->count, 1);
    pthread_mutex_unlock(&f->lock);
    return true;
}

static void unlink_fault(struct faults *f, struct fault **link)
{
    struct fault *x = *link;
    *link = x->next;
    fault_free(x);
    atomic_fetch_sub(&f->count, 1);
}

size_t faults_clear(struct faults *f, struct slice name)
{
    size_t gone = 0;
    pthread_mutex_lock(&f->lock);
    for (struct fault **link = &f->first; *link;) {
        if (name.n == 0 || slice_ieq_str(name, (*link)->name_text)) {
            unlink_fault(f, link);
            gone++;
        } else {
            link = &(*link)->next;
        }
    }
    pthread_mutex_unlock(&f->lock);
    return gone;
}

size_t faults_list(struct faults *f, struct buf *out)
{
    size_t count = 0;
    pthread_mutex_lock(&f->lock);
    for (struct fault *x = f->first; x; x = x->next, count++)
        buf_printf(out, "%s (hits %llu)\n", x->words, (unsigned long long)x->hits);
    pthread_mutex_unlock(&f->lock);
    return count;
}

static bool applies(const struct fault *x, const uint8_t *name, uint16_t type,
                    enum transport transport)
{
    if ((x->only_udp && transport != OVER_UDP) || (x->only_tcp && transport != OVER_TCP)
        || (x->type != TYPE_ANY && x->type != type))
        return false;
    switch (x->match) {
    case MATCH_ALL:
        return true;
    case MATCH_BELOW:
        return name_is_under(name, x->name) && !name_equal(name, x->name);
    default:
        return name_equal(name, x->name);
    }
}

/* Adds what x does to the plan; false when the plan has such a thing already. */
static bool plan_add(struct fault_plan *plan, const struct fault *x)
{
    switch (x->does.kind) {
    case FAULT_DELAY:
        if (plan->delay_ms)
            return false;
        plan->delay_ms = x->does.delay_ms;
        break;
    case FAULT_AUTHENTIC:
        if (plan->authentic)
            return false;
        plan->authentic = true;
        break;
    default:
        if (plan->kind != FAULT_NONE)
            return false;
        plan->kind = x->does.kind;
        plan->rcode = x->does.rcode;
        buf_add_slice(&plan->raw, buf_slice(&x->does.raw));
    }
    buf_printf(&plan->words, "%s%s", plan->words.len ? ", " : "", x->action);
    return true;
}

void faults_take(struct faults *f, const uint8_t *name, uint16_t type, enum transport transport,
                 struct fault_plan *plan)
{
    *plan = (struct fault_plan){0};
    if (atomic_load(&f->count) == 0)
        return;
    pthread_mutex_lock(&f->lock);
    for (struct fault **link = &f->first; *link;) {
        struct fault *x = *link;
        if (applies(x, name, type, transport) && plan_add(plan, x)) {
            x->hits++;
            if (x->times > 0 && --x->times == 0) {
                unlink_fault(f, link);
                continue;
            }
        }
        link = &x->next;
    }
    pthread_mutex_unlock(&f->lock);
}
