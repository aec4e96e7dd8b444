/* check.c - "within 10s mail has 1 message ...": looking at the world until it is so. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/runner/checks.h"

#include <stdlib.h>
#include <time.h>

bool count_holds(const struct count *c, size_t n)
{
    int64_t have = (int64_t)n;
    return c->kind == COUNT_EXACTLY ? have == c->n : c->kind == COUNT_AT_LEAST ? have >= c->n
                                                                              : have <= c->n;
}

void count_text(const struct count *c, struct buf *out)
{
    static const char *const words[] = {"exactly ", "at least ", "at most "};
    if (c->kind == COUNT_EXACTLY && c->n == 0)
        buf_add_str(out, "no");
    else
        buf_printf(out, "%s%lld", words[c->kind], (long long)c->n);
}

void run_read_queries(struct run *r)
{
    if (!r->world->lab && !r->world->replay)
        return;
    uint64_t since = r->query_count ? r->queries[r->query_count - 1].number : r->dns_since;
    world_queries(r->world, since, &r->queries, &r->query_count);
}

static bool same_name(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    n -= n && a[n - 1] == '.';
    m -= m && b[m - 1] == '.';
    return slice_ieq(slice_of(a, n), slice_of(b, m));
}

static bool asked(const struct dns_query *q, const char *name, const char *type)
{
    return same_name(q->name, name) && slice_ieq_str(slice_str(q->type), type);
}

static bool check_dns(struct run *r, const struct check *k, struct buf *came)
{
    run_read_queries(r);
    size_t n = 0, first = r->query_count, second = r->query_count;
    for (size_t i = 0; i < r->query_count; i++) {
        if (asked(&r->queries[i], k->dns_name, k->dns_type)) {
            n++;
            if (first > i)
                first = i;
        }
        if (k->dns_name2 && asked(&r->queries[i], k->dns_name2, k->dns_type2) && second > i)
            second = i;
    }
    if (k->kind == CHECK_DNS_BEFORE) {
        bool ok = n && second < r->query_count && first < second;
        if (!ok)
            buf_printf(came, "%s %s was %s, %s %s was %s", k->dns_name, k->dns_type,
                       n ? "asked" : "never asked", k->dns_name2, k->dns_type2,
                       second >= r->query_count ? "never asked" : n ? "asked before it" : "asked");
        return ok;
    }
    if (count_holds(&k->count, n))
        return true;
    buf_printf(came, "%s %s was asked %zu times", k->dns_name, k->dns_type, n);
    return false;
}

/* Every query must be one that the scenario speaks of in a check, or allows. */
static bool check_dns_only(struct run *r, struct buf *came)
{
    const struct scenario *s = r->scenario;
    run_read_queries(r);
    for (size_t i = 0; i < r->query_count; i++) {
        const struct dns_query *q = &r->queries[i];
        bool known = ids_have(&s->allowed_dns, q->name);
        for (size_t p = 0; p < s->part_count && !known; p++) {
            const struct check *k = s->parts[p].check;
            known = k && ((k->kind == CHECK_DNS || k->kind == CHECK_DNS_BEFORE) &&
                          (asked(q, k->dns_name, k->dns_type) ||
                           (k->dns_name2 && asked(q, k->dns_name2, k->dns_type2))));
        }
        if (!known) {
            buf_printf(came, "%s %s was asked too", q->name, q->type);
            return false;
        }
    }
    return true;
}

static bool compare(struct run *r, const struct part *part, struct buf *came)
{
    const struct check *k = part->check;
    struct buf left = {0}, right = {0};
    const char *missing = NULL;
    bool ok = text_bytes(&k->left, &r->env, &left, &missing) &&
              text_bytes(&k->right, &r->env, &right, &missing), result = false;
    uint64_t a = 0, b = 0;
    if (!ok) {
        buf_printf(came, "$%s has no value", missing);
    } else if (k->op[0] == '=' || k->op[0] == '!') {
        result = slice_eq(buf_slice(&left), buf_slice(&right)) == (k->op[0] == '=');
    } else if (slice_number(buf_slice(&left), UINT64_MAX, &a) &&
               slice_number(buf_slice(&right), UINT64_MAX, &b)) {
        bool or_equal = k->op[1] == '=';
        result = k->op[0] == '<' ? (or_equal ? a <= b : a < b) : (or_equal ? a >= b : a > b);
    } else {
        buf_add_str(came, "not numbers: ");
    }
    if (ok && !result) {
        buf_add_escaped(came, buf_slice(&left));
        buf_printf(came, " %s ", k->op);
        buf_add_escaped(came, buf_slice(&right));
        buf_add_str(came, " does not hold");
    }
    buf_free(&left);
    buf_free(&right);
    return result;
}

/* Does it hold now? If not, what is the case instead goes to *came. Called with the lock. */
static bool holds(struct run *r, const struct part *part, struct buf *came)
{
    const struct check *k = part->check;
    switch (k->kind) {
    case CHECK_MESSAGES:
        return check_messages(r, k, came);
    case CHECK_CONNECTIONS:
    case CHECK_COMMANDS:
    case CHECK_BARE:
    case CHECK_BEFORE:
    case CHECK_APART:
        return check_wire(r, k, came);
    case CHECK_MAILBOX:
        return check_mailbox(r, part, came);
    case CHECK_MESSAGE_EQUALS:
    case CHECK_MESSAGE_HEADER:
    case CHECK_MESSAGE_CONTAINS:
    case CHECK_MESSAGE_FIRST:
        return check_message(r, part, came);
    case CHECK_DNS:
    case CHECK_DNS_BEFORE:
        return check_dns(r, k, came);
    case CHECK_DNS_ONLY:
        return check_dns_only(r, came);
    case CHECK_TARGET_RUNNING:
        buf_add_str(came, "the target's process is gone");
        return world_target_running(r->world);
    case CHECK_VALUES:
        return compare(r, part, came);
    case CHECK_FILE:
        /* A replay has no files: it takes them as they were. */
        return r->world->replay || check_file(r, part, came);
    }
    return false;
}

/* Waits for something to happen, at most 20 ms. Called with the lock. */
static void wait_a_little(struct run *r)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 20000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&r->changed, &r->lock, &t);
}

void check_part(struct run *r, const struct part *part)
{
    int64_t limit = part->within_ms ? part->within_ms : part->for_ms;
    int64_t until = mono_ms() + (limit ? run_patience(r, limit) : 0);
    struct buf came = {0};
    bool ok;
    run_lock(r);
    for (;;) {
        buf_clear(&came);
        ok = holds(r, part, &came);
        bool decided = part->for_ms ? !ok : ok;
        if (decided || r->error || (r->stop && !part->within_ms) || mono_ms() >= until)
            break;
        wait_a_little(r);
    }
    bool broken = r->error != NULL;
    run_unlock(r);
    if (broken) {
        buf_free(&came);
        return;
    }
    /* By POP3 a mailbox cannot be read while a session of the scenario has it: that says nothing. */
    if (!ok && r->blind && !r->world->target->lab) {
        run_error(r, part->at, "%s", buf_str(&came));
        buf_free(&came);
        return;
    }
    r->late |= !ok && part->within_ms;
    if (!ok && part->within_ms)
        buf_printf(&came, " (after %lld ms)", (long long)part->within_ms);
    run_finding(r, part->at, part->source, &part->ids, ok ? V_PASS : run_severity(r, &part->ids),
                ok ? NULL : xstrdup(part->source), ok ? NULL : buf_take(&came), NULL);
    buf_free(&came);
}
