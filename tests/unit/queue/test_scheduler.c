/* Whose turn it is. */
#include "reference/queue/scheduler.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/queue/due.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <stdio.h>

static struct config config = {.deliveries = 4, .deliveries_per_destination = 2,
                               .retry_min = 60000, .retry_max = 100000};
static struct scheduler *s;
static int spawned;
static enum priority priority = PRIORITY_NORMAL;   /* of what take_in finds */

static bool count_spawn(void *arg)
{
    (void)arg;
    spawned++;
    return true;
}

static void begin(void) { s = scheduler_new(&config, count_spawn, NULL); }
static void end(void) { scheduler_free(s); }

TestSuite(scheduler, .init = begin, .fini = end);

static struct job *new_job(const char *name)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->name = xstrdup(name);
    return j;
}

/* Finds a message, takes it in, and gives it jobs for these destinations (NULL at the end). */
static struct job *take_in(const char *id, const char *const *names)
{
    struct task t;
    struct job *jobs = NULL, **last = &jobs;
    scheduler_found(s, id, 0, false);
    scheduler_next(s, &t);
    cr_assert_eq(t.kind, TASK_INTAKE);
    cr_assert_str_eq(t.message->id, id);
    for (; *names; names++) {
        *last = new_job(*names);
        last = &(*last)->next;
    }
    t.message->priority = priority;
    return scheduler_dispatch(s, t.message, jobs);
}

static struct job *next_job(void)
{
    struct task t;
    scheduler_next(s, &t);
    return t.kind == TASK_JOB ? t.job : NULL;
}

static void over(struct job *j, enum site site)
{
    struct message *m = j->message;
    if (scheduler_job_over(s, j, site, "no answer", 0, 0))
        scheduler_forget(s, m);
}

Test(due, earliest_first)
{
    struct due d = {0};
    struct due_item item;
    int64_t last = -1;
    srandom(7);
    for (int i = 0; i < 1000; i++) {
        char id[QUEUE_ID_MAX];
        snprintf(id, sizeof id, "m%d", i);
        due_add(&d, random() % 500, id);
    }
    for (int i = 0; i < 1000; i++) {
        cr_assert(due_pop(&d, &item));
        cr_assert_geq(item.due_us, last);
        last = item.due_us;
    }
    cr_assert_not(due_pop(&d, &item));
    due_free(&d);
}

Test(scheduler, the_intake_goes_on_with_its_own_job)
{
    struct job *j = take_in("m1", (const char *const[]){"a.test", NULL});
    cr_assert(j);
    cr_expect_eq(scheduler_count(s), 1);
    over(j, SITE_UP);
    cr_expect_eq(scheduler_count(s), 0);
}

Test(scheduler, destinations_take_turns_and_have_limits)
{
    struct job *running[8];
    int n = 0;
    char id[QUEUE_ID_MAX];
    /* Six messages for a.test, then one for b.test. */
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof id, "a%d", i);
        struct job *mine = take_in(id, (const char *const[]){"a.test", NULL});
        if (mine)
            running[n++] = mine;
    }
    cr_expect_eq(n, 2, "a.test has two at once");
    struct job *b = take_in("b0", (const char *const[]){"b.test", NULL});
    cr_expect(b, "b.test need not wait for a.test");
    over(running[0], SITE_UP);
    struct job *next = next_job();
    cr_expect_str_eq(next->name, "a.test");
    cr_expect_str_eq(next->message->id, "a2");
    over(next, SITE_UP);
    over(running[1], SITE_UP);
    over(b, SITE_UP);
    for (int i = 3; i < 6; i++)
        over(next_job(), SITE_UP);
    cr_expect_eq(scheduler_count(s), 0);
}

Test(scheduler, local_mail_has_places_of_its_own)
{
    struct job *remote[4];
    const char *names[] = {"a.test", "b.test", "c.test", "d.test"};
    char id[QUEUE_ID_MAX];
    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "r%d", i);
        remote[i] = take_in(id, (const char *const[]){names[i], NULL});
        cr_assert(remote[i]);
    }
    cr_expect_null(take_in("r4", (const char *const[]){"e.test", NULL}), "all four are taken");
    struct job *local = take_in("l1", (const char *const[]){LOCAL_DESTINATION, NULL});
    cr_expect(local);
    over(local, SITE_UP);
    for (int i = 0; i < 4; i++)
        over(remote[i], SITE_UP);
    over(next_job(), SITE_UP);
}

Test(scheduler, dead_destinations_leave_room)
{
    const char *dead[] = {"d1.test", "d2.test", "d3.test"};
    struct buf why = {0};
    char id[QUEUE_ID_MAX];
    for (int i = 0; i < 3; i++) {
        snprintf(id, sizeof id, "x%d", i);
        over(take_in(id, (const char *const[]){dead[i], NULL}), SITE_DOWN);
    }
    /* Two more messages for each: half of the deliveries, and one at a time for each. */
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof id, "y%d", i);
        cr_assert_null(take_in(id, (const char *const[]){dead[i % 3], NULL}));
    }
    struct job *a = next_job();
    int before = spawned;
    struct job *b = next_job();
    cr_expect_eq(spawned, before, "two of four are taken: no worker is called for the third");
    cr_expect_str_neq(a->name, b->name);
    cr_expect(scheduler_is_dead(s, a, &why));
    cr_expect_str_eq(buf_str(&why), "no answer");
    struct job *alive = take_in("z", (const char *const[]){"alive.test", NULL});
    cr_assert(alive, "a living destination goes on");
    cr_expect_not(scheduler_is_dead(s, alive, &why));
    over(alive, SITE_UP);
    scheduler_forgive(s);
    cr_expect_not(scheduler_is_dead(s, b, &why), "the operator wants it tried");
    over(a, SITE_UP);
    over(b, SITE_UNTRIED);
    for (int i = 0; i < 4; i++)
        over(next_job(), SITE_UP);
    cr_expect_eq(scheduler_count(s), 0);
    buf_free(&why);
}

Test(scheduler, deferred_ones_come_back_when_due)
{
    struct job *j = take_in("m1", (const char *const[]){"a.test", NULL});
    struct message *m = j->message;
    struct task t;
    cr_assert(scheduler_job_over(s, j, SITE_UP, NULL, 1, 0));
    cr_expect_eq(m->deferred, 1);
    scheduler_defer(s, m, true, wall_us() + 30000);
    int64_t wait = scheduler_tick(s);
    cr_expect(wait > 0 && wait <= 30000, "%ld", (long)wait);
    sleep_ms(31);
    cr_expect_eq(scheduler_tick(s), -1);
    scheduler_next(s, &t);
    cr_assert_eq(t.kind, TASK_INTAKE);
    cr_expect(t.message->in_deferred);
    cr_expect_eq(t.message->deferred, 0, "a new round");
    scheduler_dispatch(s, t.message, NULL);
    scheduler_forget(s, t.message);
}

Test(scheduler, an_earlier_time_counts_and_the_stale_one_does_not)
{
    struct task t;
    scheduler_found(s, "m1", wall_us() + 3600000000, false);
    cr_expect_gt(scheduler_tick(s), 3500000000);
    scheduler_found(s, "m1", wall_us() - 1, true);   /* the operator's flush */
    scheduler_next(s, &t);
    cr_assert_eq(t.kind, TASK_INTAKE);
    cr_expect(t.message->forced);
    scheduler_found(s, "m1", 0, false);              /* a scan meanwhile */
    scheduler_dispatch(s, t.message, NULL);
    scheduler_forget(s, t.message);
    cr_expect_eq(scheduler_count(s), 0);
}

Test(scheduler, a_later_time_counts_and_the_stale_one_does_not)
{
    int64_t now = wall_us();
    scheduler_found(s, "m1", now + 20000, false);
    scheduler_found(s, "m1", now + 3600000000, false);
    sleep_ms(25);
    int before = spawned;
    cr_expect_gt(scheduler_tick(s), 3500000000);
    cr_expect_eq(spawned, before);
}

Test(scheduler, urgent_first_bulk_last_and_nobody_waits_for_ever)
{
    static const char *const busy[] = {"a.test", "b.test", "c.test", "d.test"};
    struct job *running[4];
    char id[16], name[32];
    for (int i = 0; i < 4; i++) {
        snprintf(id, sizeof id, "r%d", i);
        cr_assert(running[i] = take_in(id, (const char *const[]){busy[i], NULL}));
    }
    /* All deliveries are taken: a newsletter to many hosts waits, then others come. */
    priority = PRIORITY_BULK;
    for (int i = 0; i < 12; i++) {
        snprintf(id, sizeof id, "l%d", i);
        snprintf(name, sizeof name, "list%d.test", i);
        cr_assert_null(take_in(id, (const char *const[]){name, NULL}));
    }
    priority = PRIORITY_NORMAL;
    cr_assert_null(take_in("n1", (const char *const[]){"list3.test", NULL}));
    priority = PRIORITY_URGENT;
    for (int i = 0; i < 9; i++) {
        snprintf(id, sizeof id, "u%d", i);
        cr_assert_null(take_in(id, (const char *const[]){"list4.test", NULL}));
    }
    priority = PRIORITY_NORMAL;
    char order[32] = "";
    over(running[0], SITE_UP);
    for (int i = 0; i < 22; i++) {
        struct job *j = next_job();
        order[i] = j->message->id[0];
        over(j, SITE_UP);
    }
    cr_expect_eq(strspn(order, "u"), 7, "%s: the eighth turn is another's", order);
    cr_expect_lt(strchr(order, 'n') - order, 12, "%s", order);
    cr_expect_str_eq(order + 14, "llllllll", "%s", order);
    for (int i = 1; i < 4; i++)
        over(running[i], SITE_UP);
    cr_expect_eq(scheduler_count(s), 0);
}

Test(scheduler, the_last_job_has_the_message)
{
    struct job *first = take_in("m1", (const char *const[]){"a.test", "b.test", NULL});
    struct job *second = next_job();
    struct message *m = first->message;
    cr_expect_not(scheduler_job_over(s, first, SITE_UP, NULL, 1, 0));
    cr_expect(scheduler_job_over(s, second, SITE_UP, NULL, 0, 2));
    cr_expect_eq(m->deferred, 1);
    cr_expect_eq(m->failed, 2);
    scheduler_forget(s, m);
}

Test(scheduler, stop)
{
    struct task t;
    scheduler_found(s, "m1", 0, false);
    scheduler_stop(s);
    scheduler_next(s, &t);
    cr_expect_eq(t.kind, TASK_STOP);
}

Test(scheduler, a_hundred_thousand_wait)
{
    int64_t later = wall_us() + 3600000000;
    char id[QUEUE_ID_MAX];
    for (int i = 0; i < 100000; i++) {
        snprintf(id, sizeof id, "m%d", i);
        scheduler_found(s, id, later + i % 1000, false);
    }
    int64_t start = mono_ms();
    for (int i = 0; i < 100; i++)
        scheduler_tick(s);
    cr_expect_lt(mono_ms() - start, 1000, "a tick does not look at each");
    cr_expect_eq(scheduler_count(s), 100000);
    cr_expect_eq(spawned, 0);
}
