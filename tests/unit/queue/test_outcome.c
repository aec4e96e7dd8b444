/* Verdicts written down, and the bounce. */
#include "base/timing.h"
#include "reference/queue/notice.h"
#include "reference/queue/worker.h"
#include "tests/unit/queue/spool_world.h"

#include <sys/stat.h>

TestSuite(outcome, .init = world_begin, .fini = world_end);

static atomic_bool removed;
static const char *const three[] = {"tom@hehuan.test", "ann@magedu.test", "eve@magedu.test", NULL};

struct scene {
    struct worker w;
    struct opened o;
    struct message *m;
    struct relay_recipient *r;
    size_t deferred, failed;
};

static bool no_spawn(void *arg)
{
    (void)arg;
    return true;
}

/* NOTIFY of the recipients of the next scene; a folder to be taken away before its verdicts. */
static struct { unsigned notify[3]; size_t n; } asked;
static const char *without_incoming;

static void write_asked(struct envelope *e)
{
    for (size_t i = 0; i < asked.n; i++)
        e->rcpt[i].notify = asked.notify[i];
}

/* A message taken in, with three recipients and these verdicts ("dtf", "?" for not in this job). */
static struct scene scene(const char *from, const char *text, const char *verdicts)
{
    static const char *const replies[] = {"", "250 2.0.0 ok", "450 4.2.0 full\tnow",
                                          "550 5.1.1 no"};
    static const char *const statuses[] = {"", "2.0.0", "4.2.0", "5.1.1"};
    struct scene s = {.w = {.c = &config, .removed = &removed}, .o = {.fd = -1}};
    struct envelope e;
    struct task t;
    put_with(&e, from, three, text, write_asked);
    s.w.s = scheduler_new(&config, no_spawn, NULL);
    scheduler_found(s.w.s, e.id, 0, false);
    scheduler_next(s.w.s, &t);
    s.m = t.message;
    scheduler_dispatch(s.w.s, s.m, NULL);
    s.o.fd = queue_open(&config, "active", e.id, &s.o.e, NULL);
    s.r = xcalloc(3, sizeof *s.r);
    size_t n = 0;
    if (without_incoming)
        cr_assert_eq(rmdir(without_incoming), 0);
    for (size_t i = 0; i < 3; i++) {
        const char *known = "?dtf", *v = strchr(known, verdicts[i]);
        if (v == known)
            continue;
        s.r[n].index = i;
        recipient_settle(&s.r[n], &(struct relay_message){.settled = outcome_mark,
                                                          .settled_arg = &s.o},
                         (enum verdict)(v - known), statuses[v - known], replies[v - known], NULL);
        s.r[n].host[0] = 0;
        free(s.r[n].host);
        s.r[n].host = xstrdup("mail.hehuan.test");
        strcpy(s.r[n].address, "192.0.2.25");
        n++;
    }
    outcome_settle(&s.w, &s.o, s.r, n, n == 3, &s.deferred, &s.failed);
    s.m->deferred = s.deferred;
    s.m->failed = s.failed;
    return s;
}

static void scene_free(struct scene *s)
{
    recipients_free(s->r, 3);
    opened_close(&s->o);
    scheduler_free(s->w.s);
}

Test(outcome, all_delivered_means_removed)
{
    struct scene s = scene("jerry@magedu.test", "x\r\n", "ddd");
    char *id = xstrdup(s.m->id);
    cr_expect_not(exists("log", id), "no log for a file that goes");
    outcome_finish(&s.w, s.m, &s.o);
    cr_expect_null(queue_find(&config, id));
    cr_expect(removed);
    cr_expect_eq(scheduler_count(s.w.s), 0);
    free(id);
    scene_free(&s);
}

Test(outcome, marks_log_bounce_and_the_next_try)
{
    struct scene s = scene("jerry@magedu.test", "Subject: x\r\n\r\nbody\r\n", "dtf");
    char *id = xstrdup(s.m->id);
    cr_expect_eq(s.deferred, 1);
    cr_expect_eq(s.failed, 1);
    char *file = file_text("active", id), *log = file_text("log", id);
    cr_expect(strstr(file, "done <tom@hehuan.test>\ntodo <ann@magedu.test>\n"
                     "fail <eve@magedu.test>"));
    cr_expect(strstr(log, "tom@hehuan.test delivered mail.hehuan.test[192.0.2.25] 250 2.0.0 ok\n"));
    cr_expect(strstr(log, "ann@magedu.test deferred mail.hehuan.test[192.0.2.25] 450 4.2.0 full"));
    cr_expect(strstr(log, "eve@magedu.test failed mail.hehuan.test[192.0.2.25] 550 5.1.1 no\n"));
    outcome_finish(&s.w, s.m, &s.o);
    int64_t next = queue_next_try(&config, id) - wall_us();
    cr_expect(next > 900000 && next <= 1000000, "%ld", (long)next);
    char *bounce = xasprintf("%sb2", id);
    cr_expect(exists("active", bounce));
    free(file);
    free(log);
    free(bounce);
    free(id);
    scene_free(&s);
}

Test(outcome, the_bounce_is_a_report)
{
    struct scene s = scene("jerry@magedu.test", "Subject: x\r\n\r\n.body\xc3\xa9\r\n", "?ff");
    char *id = xasprintf("%sb1", s.m->id), *file = file_text("active", id);
    const char *parts[] = {
        "\noctets 8\nbody 8BITMIME\n", "\nfrom <>\ntodo <jerry@magedu.test>\n\n",
        "From: Mail Delivery System <MAILER-DAEMON@mail.hehuan.test>\r\n"
        "To: <jerry@magedu.test>\r\n",
        "Auto-Submitted: auto-replied\r\n",
        "Content-Type: multipart/report; report-type=delivery-status;\r\n",
        "Content-Type: text/plain; charset=us-ascii\r\n\r\nThis is the mail server of",
        "  <ann@magedu.test>\r\n    mail.hehuan.test[192.0.2.25] said:\r\n    550 5.1.1 no\r\n",
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mail.hehuan.test\r\n",
        "\r\n\r\nFinal-Recipient: rfc822; ann@magedu.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Remote-MTA: dns; mail.hehuan.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no\r\n",
        "\r\n\r\nFinal-Recipient: rfc822; eve@magedu.test\r\n",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "Subject: x\r\n\r\n.body\xc3\xa9\r\n\r\n--",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_expect(strstr(file, parts[i]), "no %s in %s", parts[i], file);
    /* A crash between bounce and marks: the same recipients fail again, no second bounce. */
    char *before = xstrdup(file);
    struct relay_recipient *again[2] = {&s.r[0], &s.r[1]};
    cr_expect_eq(notice_write(&s.w, &s.o, NOTICE_FAILED, again, 2), 0);
    char *after = file_text("active", id);
    cr_expect_str_eq(before, after);
    free(before);
    free(after);
    free(file);
    free(id);
    scene_free(&s);
}

Test(outcome, a_long_message_comes_back_as_its_header)
{
    struct buf text = {0};
    buf_add_str(&text, "Subject: long\r\nX-Last: yes\r\n\r\n");
    while (text.len < 100000)
        buf_add_str(&text, "some text of the body\r\n");
    struct scene s = scene("jerry@magedu.test", buf_str(&text), "?f?");
    char *id = xasprintf("%sb1", s.m->id), *file = file_text("active", id);
    cr_expect(strstr(file, "Content-Type: text/rfc822-headers\r\n\r\nSubject: long\r\n"
                     "X-Last: yes\r\n\r\n--"), "%s", file);
    cr_expect_null(strstr(file, "text of the body"));
    free(file);
    free(id);
    buf_free(&text);
    scene_free(&s);
}

Test(outcome, nothing_is_sent_about_a_bounce_it_is_held)
{
    struct scene s = scene("", "x\r\n", "ddf");
    char *id = xstrdup(s.m->id), *bounce = xasprintf("%sb2", id);
    cr_expect_null(queue_find(&config, bounce));
    outcome_finish(&s.w, s.m, &s.o);
    cr_expect_str_eq(queue_find(&config, id), "hold");
    cr_expect(exists("log", id));
    free(bounce);
    free(id);
    scene_free(&s);
}

Test(outcome, after_its_time_it_is_given_up)
{
    config.expire = 0;
    struct scene s = scene("jerry@magedu.test", "x\r\n", "dtd");
    cr_expect_eq(s.deferred, 0);
    cr_expect_eq(s.failed, 1);
    char *id = xasprintf("%sb1", s.m->id), *file = file_text("active", id);
    cr_expect(strstr(file, "Status: 4.4.7\r\n"));
    cr_expect(strstr(file, "Diagnostic-Code: smtp; 450 4.2.0 full?now\r\n"), "%s", file);
    free(file);
    free(id);
    scene_free(&s);
}

Test(outcome, the_last_try_is_at_expiry)
{
    config.expire = 500;         /* before retry_min is over */
    struct scene s = scene("jerry@magedu.test", "x\r\n", "dtd");
    char *id = xstrdup(s.m->id);
    int64_t arrived = s.o.e.arrived_us;
    outcome_finish(&s.w, s.m, &s.o);
    int64_t next = queue_next_try(&config, id) - arrived;
    cr_expect_eq(next, 500000, "%ld", (long)next);
    free(id);
    scene_free(&s);
}

Test(outcome, without_room_for_the_bounce_the_failure_waits)
{
    char *incoming = queue_path(&config, "incoming", NULL);
    struct scene s = scene("jerry@magedu.test", "x\r\n", "ddd");
    struct relay_recipient *r = &s.r[1];
    cr_assert_eq(rmdir(incoming), 0);
    r->verdict = VERDICT_FAIL;
    s.o.e.rcpt[1].state = RCPT_TODO;
    s.deferred = s.failed = 0;
    outcome_settle(&s.w, &s.o, r, 1, false, &s.deferred, &s.failed);
    cr_expect_eq(s.deferred, 1);
    cr_expect_eq(s.failed, 0);
    cr_expect_eq(s.o.e.rcpt[1].state, RCPT_TODO);
    scheduler_forget(s.w.s, s.m);
    free(incoming);
    scene_free(&s);
}

/* --- notices that were asked for (RFC 3461) -------------------------------------------------- */

static char *notice_text(const struct scene *s, char letter, size_t first)
{
    char *id = xasprintf("%s%c%zu", s->m->id, letter, first);
    char *text = exists("active", id) ? file_text("active", id) : NULL;
    free(id);
    return text;
}

static void ask(const char *words, size_t n)
{
    asked.n = n;
    for (size_t i = 0; i < n; i++)
        asked.notify[i] = 0;
    struct slice rest = slice_str(words), word;
    for (size_t i = 0; i < n && slice_word(&rest, &word); i++)
        if (!slice_eq_str(word, "-"))
            cr_assert(notify_parse(word, &asked.notify[i]));
}

Test(outcome, success_is_told_where_it_was_asked_for)
{
    ask("SUCCESS SUCCESS,FAILURE -", 3);
    struct scene s = scene("jerry@magedu.test", "Subject: x\r\n\r\nbody\r\n", "ddd");
    char *notice = notice_text(&s, 's', 0);
    cr_assert(notice);
    const char *parts[] = {
        "\nSubject: Your message was delivered\r\n",
        "Final-Recipient: rfc822; tom@hehuan.test\r\nAction: delivered\r\nStatus: 2.0.0\r\n",
        "Final-Recipient: rfc822; ann@magedu.test\r\nAction: relayed\r\nStatus: 2.0.0\r\n",
        "Content-Type: text/rfc822-headers\r\n\r\nSubject: x\r\n\r\n--",
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        cr_expect(strstr(notice, parts[i]), "no %s in %s", parts[i], notice);
    cr_expect_null(strstr(notice, "eve@magedu.test"));
    cr_expect_eq(s.o.e.rcpt[0].state, RCPT_DONE);
    cr_expect_eq(s.deferred, 0);
    free(notice);
    scene_free(&s);
}

Test(outcome, a_notice_of_success_that_is_owed_is_paid_later)
{
    ask("SUCCESS", 1);
    char *incoming = queue_path(&config, "incoming", NULL);
    without_incoming = incoming;
    struct scene s = scene("jerry@magedu.test", "x\r\n", "d??");
    cr_expect_eq(s.deferred, 1);
    cr_expect_eq(s.o.e.rcpt[0].state, RCPT_SENT);
    char *file = file_text("active", s.m->id);
    cr_expect(strstr(file, "\nsent <tom@hehuan.test>\nnotify SUCCESS\n"), "%s", file);
    free(file);
    cr_assert_eq(mkdir(incoming, 0700), 0);
    size_t deferred = 0;
    outcome_pay(&s.w, &s.o, &deferred);
    cr_expect_eq(deferred, 0);
    cr_expect_eq(s.o.e.rcpt[0].state, RCPT_DONE);
    char *notice = notice_text(&s, 's', 0);
    cr_expect(notice);
    free(notice);
    free(incoming);
    scene_free(&s);
}

Test(outcome, failure_is_told_as_notify_says)
{
    ask("NEVER SUCCESS,DELAY FAILURE", 3);
    struct scene s = scene("jerry@magedu.test", "x\r\n", "fff");
    char *none = notice_text(&s, 'b', 0), *one = notice_text(&s, 'b', 2);
    cr_expect_null(none);
    cr_assert(one);
    cr_expect_null(strstr(one, "tom@hehuan.test"));
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(s.o.e.rcpt[i].state, RCPT_FAIL);
    free(one);
    scene_free(&s);
}

Test(outcome, a_delay_is_told_once)
{
    config.warn = 1;
    ask("- DELAY FAILURE", 3);
    usleep(2000);
    struct scene s = scene("jerry@magedu.test", "x\r\n", "ttt");
    usleep(2000);
    outcome_settle(&s.w, &s.o, s.r, 3, true, &s.deferred, &s.failed);
    char *notice = notice_text(&s, 'd', 0);
    cr_assert(notice);
    cr_expect(strstr(notice, "Action: delayed\r\nStatus: 4.2.0\r\n"));
    cr_expect(strstr(notice, "Will-Retry-Until: "));
    cr_expect(strstr(notice, "ann@magedu.test"));
    cr_expect_null(strstr(notice, "eve@magedu.test"));
    cr_expect_eq(s.o.e.rcpt[0].state, RCPT_LATE);
    char *again = notice_text(&s, 'd', 1);
    cr_expect_null(again);
    free(notice);
    scene_free(&s);
}

Test(outcome, the_postmaster_hears_of_a_notice_that_nobody_takes)
{
    struct scene s = scene("", "Subject: notice\r\n\r\nx\r\n", "dfd");
    char *id = xstrdup(s.m->id);
    outcome_finish(&s.w, s.m, &s.o);
    cr_expect_str_eq(queue_find(&config, id), "hold");
    char *told = xasprintf("%sp", id), *text = file_text("active", told);
    cr_expect(strstr(text, "\nfrom <>\ntodo <postmaster@hehuan.test>\n"));
    cr_expect(strstr(text, "Final-Recipient: rfc822; ann@magedu.test\r\nAction: failed\r\n"));
    free(text);
    free(told);
    free(id);
    scene_free(&s);
}

Test(outcome, a_bounce_of_ascii_headers_is_not_called_8bit)
{
    struct buf text = {0};
    buf_add_str(&text, "Subject: long\r\n\r\n\xc3\xa9");
    while (text.len < 100000)
        buf_add_str(&text, "some text of the body\r\n");
    struct scene s = scene("jerry@magedu.test", buf_str(&text), "?f?");
    char *bounce = notice_text(&s, 'b', 1);
    cr_assert(bounce);
    cr_expect(strstr(bounce, "\noctets 7\nbody 7BIT\n"), "%s", bounce);
    cr_expect_null(strstr(bounce, "8bit"));
    free(bounce);
    buf_free(&text);
    scene_free(&s);
}
