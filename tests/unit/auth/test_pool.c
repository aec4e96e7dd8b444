/* The pool's promises, with a back end that does as it is told: late answers are no answers, a slow
 * one holds up nobody else, what fails is left alone for a while and comes back by itself. */
#include "reference/auth/pool.h"

#include "base/mem.h"
#include "base/timing.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int delay_ms, asked;
static atomic_bool failing;

static void *open_told(const struct accounts_conf *conf) { return (void *)(uintptr_t)conf; }
static void close_told(void *state) { (void)state; }

static enum auth_status look_up(void *state, const struct account_query *q, struct record *out,
                                struct buf *why)
{
    (void)state;
    asked++;
    sleep_ms(delay_ms);
    if (failing) {
        buf_add_str(why, "told to fail");
        return AUTH_TEMPFAIL;
    }
    if (strcmp(q->local, "nobody") == 0)
        return AUTH_NO;
    out->account.user = xstrdup(q->local);
    out->secret = xstrdup("{PLAIN}pw");
    return AUTH_OK;
}

static enum auth_status verify(void *state, const struct account_query *q, const char *password,
                               struct record *out, struct buf *why)
{
    (void)out, (void)why, (void)state, (void)q;
    asked++;
    return strcmp(password, "right") == 0 ? AUTH_OK : AUTH_NO;
}

static const struct backend_type told = {
    .name = "told", .open = open_told, .close = close_told, .look_up = look_up, .verify = verify};

static enum auth_status ask(struct pool *p, const char *name)
{
    struct account_query q = {.address = name, .local = name, .domain = "", .system = true};
    struct record r;
    enum auth_status status = pool_look_up(p, &q, &r);
    if (status == AUTH_OK)
        cr_expect_str_eq(r.account.user, name);
    record_free(&r);
    return status;
}

Test(pool, answers)
{
    struct accounts_conf conf = {.name = "told", .timeout = 2000};
    struct pool *p = pool_new(&conf, &told);
    cr_expect_eq(ask(p, "tom"), AUTH_OK);
    cr_expect_eq(ask(p, "nobody"), AUTH_NO);
    pool_free(p);
}

Test(pool, a_late_answer_is_none_and_recovery_comes_by_itself)
{
    struct accounts_conf conf = {.name = "told", .timeout = 100, .workers = 2};
    struct pool *p = pool_new(&conf, &told);
    delay_ms = 300;
    int64_t before = mono_ms();
    cr_expect_eq(ask(p, "tom"), AUTH_TEMPFAIL);
    cr_expect_lt(mono_ms() - before, 290);
    delay_ms = 0;
    cr_expect_eq(ask(p, "tom"), AUTH_TEMPFAIL, "it is left alone at first");
    sleep_ms(POOL_PAUSE_MIN_MS + 50);
    cr_expect_eq(ask(p, "tom"), AUTH_OK);
    pool_free(p);
}

Test(pool, a_failing_one_is_asked_seldom)
{
    struct accounts_conf conf = {.name = "told", .timeout = 2000};
    struct pool *p = pool_new(&conf, &told);
    failing = true;
    asked = 0;
    for (int i = 0; i < 100; i++)
        cr_expect_eq(ask(p, "tom"), AUTH_TEMPFAIL);
    cr_expect_eq(asked, 1);
    failing = false;
    sleep_ms(POOL_PAUSE_MIN_MS + 50);
    cr_expect_eq(ask(p, "tom"), AUTH_OK);
    pool_free(p);
}

static void *ask_in_vain(void *pool)
{
    ask(pool, "tom");
    return NULL;
}

Test(pool, a_slow_one_does_not_hold_up_another)
{
    enum { CALLERS = 40 };
    struct accounts_conf slow_conf = {.name = "slow", .timeout = 1000, .workers = 2},
                         quick_conf = {.name = "quick", .timeout = 1000};
    struct pool *slow = pool_new(&slow_conf, &told), *quick = pool_new(&quick_conf, &told);
    pthread_t caller[CALLERS];
    delay_ms = 400;
    for (int i = 0; i < CALLERS; i++)
        pthread_create(&caller[i], NULL, ask_in_vain, slow);
    sleep_ms(100);
    delay_ms = 0;
    int64_t before = mono_ms();
    for (int i = 0; i < 100; i++)
        cr_expect_eq(ask(quick, "tom"), AUTH_OK);
    cr_expect_lt(mono_ms() - before, 200);
    for (int i = 0; i < CALLERS; i++)
        pthread_join(caller[i], NULL);
    pool_free(slow);
    pool_free(quick);
}

Test(pool, the_cache_keeps_for_its_time)
{
    struct accounts_conf conf = {.name = "told", .timeout = 2000, .cache = 200,
                                 .cache_entries = 16};
    struct pool *p = pool_new(&conf, &told);
    struct account_query q = {.address = "tom", .local = "tom", .domain = ""};
    struct record r;
    asked = 0;
    for (int i = 0; i < 10; i++)
        cr_expect_eq(ask(p, "tom"), AUTH_OK);
    cr_expect_eq(asked, 1);
    /* Only the right password is kept, and it is not taken for another. */
    for (int i = 0; i < 3; i++) {
        cr_expect_eq(pool_verify(p, &q, "right", &r), AUTH_OK);
        record_free(&r);
        cr_expect_eq(pool_verify(p, &q, "wrong", &r), AUTH_NO);
        record_free(&r);
    }
    cr_expect_eq(asked, 5);
    sleep_ms(250);
    cr_expect_eq(ask(p, "tom"), AUTH_OK);
    cr_expect_eq(asked, 6);
    /* Many names: bounded, and each gets its own answer. */
    char name[16];
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "u%d", i % 50);
        cr_expect_eq(ask(p, name), AUTH_OK);
    }
    pool_free(p);
}
