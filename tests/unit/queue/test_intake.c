/* From recipients to destinations, through aliases; and what becomes of those that need none. */
#include "reference/queue/worker.h"
#include "tests/unit/queue/spool_world.h"

TestSuite(intake, .init = world_begin, .fini = world_end);

struct alias_row { const char *name; const char *targets[6]; };

static const struct alias_row aliases[] = {
    {"postmaster", {"jerry"}},
    {"staff", {"tom", "ann@hehuan.test", "eve@magedu.test"}},
    {"bob", {"\\bob", "ann"}},
    {"away", {"jerry@magedu.test"}},
    {"pipe", {"|/usr/bin/procmail"}},
    {"archive", {"/var/archive"}},
    {"odd", {"two words"}},
    {"mixed", {"two words", "tom", "ann"}},
    {"ring", {"gnir", "gnir"}}, {"gnir", {"ring", "ring"}},
    {"deep", {"staff", "tom", "TOM@hehuan.test"}},
    {"unsure", {"tom", "down"}},
};

static int look_ups;

static enum auth_status look_up(void *arg, const char *address, struct account *out)
{
    static const char *const users[] = {"tom", "ann", "jerry", "bob"};
    size_t n = strcspn(address, "@");
    (void)arg;
    look_ups++;
    *out = (struct account){.uid = -1, .gid = -1};
    if (n == 4 && strncmp(address, "down", 4) == 0)
        return AUTH_TEMPFAIL;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (slice_ieq(slice_of(address, n), slice_str(aliases[i].name))) {
            out->user = xstrdup(aliases[i].name);
            out->targets = xcalloc(6, sizeof *out->targets);
            for (; out->target_count < 6 && aliases[i].targets[out->target_count];
                 out->target_count++)
                out->targets[out->target_count] = xstrdup(aliases[i].targets[out->target_count]);
            return AUTH_ALIAS;
        }
    for (size_t i = 0; i < 4; i++)
        if (slice_ieq(slice_of(address, n), slice_str(users[i])))
            return AUTH_OK;
    return AUTH_NO;
}

static atomic_bool removed;

/* The jobs as "destination:address,address ..." sorted by the order of the envelope. */
static char *jobs_of(const char *const *to, struct message *m, struct opened *o)
{
    struct envelope e;
    struct worker w = {.c = &config, .look_up = look_up, .removed = &removed};
    struct buf b = {0};
    put(&e, "jerry@magedu.test", to, "Subject: x\r\n\r\nhello\r\n");
    *m = (struct message){0};
    strcpy(m->id, e.id);
    o->fd = queue_open(&config, "active", e.id, &o->e, NULL);
    cr_assert_geq(o->fd, 0);
    struct job *jobs = intake_jobs(&w, m, o), *next;
    for (struct job *j = jobs; j; j = next) {
        next = j->next;
        buf_printf(&b, "%s:", j->name);
        for (size_t i = 0; i < j->n; i++)
            buf_printf(&b, "%s%s", i ? "," : "",
                       j->r[i].to ? j->r[i].to : o->e.rcpt[j->r[i].index].address);
        buf_add_str(&b, j->only ? "! " : " ");
        job_free(j);
    }
    return buf_take(&b);
}

#define CHECK(want, ...) do { \
    struct message m; struct opened o; \
    char *got = jobs_of((const char *const[]){__VA_ARGS__, NULL}, &m, &o); \
    cr_expect_str_eq(got, want, "%s", got); \
    free(got); opened_close(&o); } while (0)

Test(intake, destinations)
{
    CHECK(":tom@hehuan.test! ", "tom@hehuan.test");
    CHECK(":tom@HEHUAN.test,ann@hehuan.test! ", "tom@HEHUAN.test", "ann@hehuan.test");
    CHECK("magedu.test:a@magedu.test,b@MAGEDU.TEST! ", "a@magedu.test", "b@MAGEDU.TEST");
    CHECK("other.test:c@other.test magedu.test:a@magedu.test ", "a@magedu.test", "c@other.test");
    CHECK("[192.0.2.1]:a@[192.0.2.1]! ", "a@[192.0.2.1]");
    CHECK("x.test:\"odd@part\"@x.test! ", "\"odd@part\"@x.test");
}

Test(intake, an_alias_for_one_account_needs_no_new_file)
{
    CHECK(":jerry@hehuan.test! ", "postmaster");
    CHECK(":jerry@hehuan.test! ", "postmaster@hehuan.test");
}

Test(intake, aliases_are_expanded_into_the_file)
{
    struct message m;
    struct opened o;
    char *got = jobs_of((const char *const[]){"staff@hehuan.test", NULL}, &m, &o);
    cr_expect_str_eq(got, "magedu.test:eve@magedu.test :tom@hehuan.test,ann@hehuan.test ", "%s",
                     got);
    free(got);
    opened_close(&o);
    char *file = file_text("active", m.id);
    cr_expect(strstr(file, "done <staff@hehuan.test>\n"
                     "todo <tom@hehuan.test>\nvia <staff@hehuan.test>\n"
                     "todo <ann@hehuan.test>\nvia <staff@hehuan.test>\n"
                     "todo <eve@magedu.test>\nvia <staff@hehuan.test>\n\n"), "%s", file);
    free(file);
    /* Taken in again, nobody is looked up as an alias a second time. */
    struct worker w = {.c = &config, .look_up = look_up, .removed = &removed};
    o.fd = queue_open(&config, "active", m.id, &o.e, NULL);
    struct job *jobs = intake_jobs(&w, &m, &o);
    cr_expect_eq(o.e.rcpt_count, 4);
    cr_expect_eq(jobs->n + jobs->next->n, 3);
    job_free(jobs->next);
    job_free(jobs);
    opened_close(&o);
}

Test(intake, aliases_of_many_kinds)
{
    CHECK("magedu.test:jerry@magedu.test! ", "away@hehuan.test");
    CHECK(":bob@hehuan.test,ann@hehuan.test! ", "bob@hehuan.test");
    /* Everybody once, however often and through whatever they are named. */
    CHECK("magedu.test:eve@magedu.test :tom@hehuan.test,ann@hehuan.test ",
          "tom@hehuan.test", "deep@hehuan.test");
    CHECK("magedu.test:eve@magedu.test :bob@hehuan.test,ann@hehuan.test,tom@hehuan.test ",
          "bob@hehuan.test", "staff@hehuan.test");
}

static void expect_bounce(const char *status)
{
    struct buf found = {0};
    char *active = queue_path(&config, "active", NULL);
    char *command = xasprintf("cat %s/*b[0-9]", active);
    FILE *f = popen(command, "r");
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0; )
        buf_add(&found, chunk, n);
    pclose(f);
    char *line = xasprintf("\r\nStatus: %s\r\n", status);
    cr_expect_geq(slice_find(buf_slice(&found), slice_str(line)), 0, "%s in %s", status,
                  buf_str(&found));
    cr_expect_geq(slice_find(buf_slice(&found), SLICE("\nfrom <>\ntodo <jerry@magedu.test>\n")), 0);
    free(line);
    free(command);
    free(active);
    buf_free(&found);
}

Test(intake, unknown_users_bounce)
{
    CHECK(":tom@hehuan.test ", "nobody@hehuan.test", "tom@hehuan.test");
    expect_bounce("5.1.1");
}

Test(intake, the_commands_of_an_alias_are_one_delivery)
{
    CHECK(":\"|pipe\"@hehuan.test! ", "pipe@hehuan.test");
    CHECK(":\"|archive\"@hehuan.test! ", "archive@hehuan.test");
}

Test(intake, unsupported_items_bounce_and_the_others_are_served)
{
    CHECK(":tom@hehuan.test,ann@hehuan.test ", "mixed@hehuan.test");
    expect_bounce("5.3.0");
    CHECK("", "odd@hehuan.test");
    expect_bounce("5.3.0");
}

Test(intake, loops_bounce)
{
    CHECK("", "ring@hehuan.test");
    cr_expect_leq(look_ups, 4, "each alias once, not once a road to it");
    expect_bounce("5.4.6");
}

Test(intake, without_accounts_it_waits)
{
    struct message m;
    struct opened o;
    char *got = jobs_of((const char *const[]){"down@hehuan.test", "unsure@hehuan.test",
                                              "tom@hehuan.test", NULL}, &m, &o);
    cr_expect_str_eq(got, ":tom@hehuan.test ", "%s", got);
    cr_expect_eq(m.deferred, 2);
    cr_expect_eq(m.failed, 0);
    free(got);
    opened_close(&o);
}
