/* stats.c - `postroad stats`: what happened since the server's start, and what is in the queue now,
 * in the text format of Prometheus. */
#include "reference/ctl/ctl.h"

#include "base/event_count.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/queue/queue.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>

struct total { char *name; uint64_t count; };
struct totals { struct total *v; size_t n; };

static void add(void *arg, const char *name, uint64_t count)
{
    struct totals *t = arg;
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->v[i].name, name) == 0) {
            t->v[i].count += count;
            return;
        }
    t->v = xreallocarray(t->v, t->n + 1, sizeof *t->v);
    t->v[t->n++] = (struct total){xstrdup(name), count};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct total *)a)->name, ((const struct total *)b)->name);
}

static uint64_t count_of(const struct totals *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->v[i].name, name) == 0)
            return t->v[i].count;
    return 0;
}

static void print_events(const struct totals *t)
{
    printf("# HELP postroad_events_total Events since the server's start, by name.\n"
           "# TYPE postroad_events_total counter\n");
    for (size_t i = 0; i < t->n; i++)
        printf("postroad_events_total{event=\"%s\"} %llu\n", t->v[i].name,
               (unsigned long long)t->v[i].count);
}

/* Sessions under way are those that began and did not end. */
static void print_sessions(const struct totals *t)
{
    static const char *const roles[] = {"smtpd", "pop3d", "imapd"};
    printf("# HELP postroad_sessions Sessions now, by role.\n# TYPE postroad_sessions gauge\n");
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        char *begun = xasprintf("%s.connect", roles[i]), *over = xasprintf("%s.close", roles[i]);
        uint64_t a = count_of(t, begun), b = count_of(t, over);
        printf("postroad_sessions{role=\"%s\"} %llu\n", roles[i],
               (unsigned long long)(a > b ? a - b : 0));
        free(begun);
        free(over);
    }
}

struct folder { const struct config *c; const char *name; uint64_t messages, octets; int64_t oldest_us; };

static bool look_at(void *arg, const char *id)
{
    struct folder *f = arg;
    char *path = queue_path(f->c, f->name, id);
    struct stat st;
    if (stat(path, &st) == 0) {
        f->messages++;
        f->octets += (uint64_t)st.st_size;
        int64_t made = st.st_ctim.tv_sec * 1000000LL;
        if (f->oldest_us == 0 || made < f->oldest_us)
            f->oldest_us = made;
    }
    free(path);
    return true;
}

static bool print_queue(const struct config *c)
{
    static const char *const names[] = {"active", "deferred", "hold", "corrupt"};
    enum { FOLDERS = sizeof names / sizeof *names };
    struct folder f[FOLDERS];
    bool good = true;
    for (size_t i = 0; i < FOLDERS; i++) {
        f[i] = (struct folder){.c = c, .name = names[i]};
        good = queue_list(c, names[i], look_at, &f[i]) == 0 && good;
    }
    printf("# HELP postroad_queue_messages Messages in the queue, by state.\n"
           "# TYPE postroad_queue_messages gauge\n");
    for (size_t i = 0; i < FOLDERS; i++)
        printf("postroad_queue_messages{state=\"%s\"} %llu\n", names[i],
               (unsigned long long)f[i].messages);
    printf("# HELP postroad_queue_octets Size of the queue's files, by state.\n"
           "# TYPE postroad_queue_octets gauge\n");
    for (size_t i = 0; i < FOLDERS; i++)
        printf("postroad_queue_octets{state=\"%s\"} %llu\n", names[i],
               (unsigned long long)f[i].octets);
    printf("# HELP postroad_queue_unchanged_seconds Since the longest untouched message was touched.\n"
           "# TYPE postroad_queue_unchanged_seconds gauge\n");
    for (size_t i = 0; i < FOLDERS; i++)
        printf("postroad_queue_unchanged_seconds{state=\"%s\"} %lld\n", names[i],
               f[i].oldest_us ? (long long)(wall_us() - f[i].oldest_us) / 1000000 : 0);
    return good;
}

int ctl_stats(int argc, char **argv)
{
    const char *path = CTL_DEFAULT_CONFIG;
    struct totals totals = {0};
    int o;
    while ((o = getopt(argc, argv, "c:")) != -1) {
        if (o != 'c')
            return ctl_usage("stats");
        path = optarg;
    }
    if (optind < argc)
        return ctl_usage("stats");
    struct config *c = ctl_config(path);
    char *file = xasprintf("%s/counts", c->run_dir);
    bool running = event_count_read(file, add, &totals);
    if (!running)
        fprintf(stderr, "postroad: %s: %s; is the server running?\n", file, strerror(errno));
    if (totals.n)
        qsort(totals.v, totals.n, sizeof *totals.v, by_name);
    print_events(&totals);
    print_sessions(&totals);
    ctl_become_queue_user(c);
    bool readable = print_queue(c);
    if (!readable)
        fprintf(stderr, "postroad: %s cannot be read: %s\n", c->spool, strerror(errno));
    for (size_t i = 0; i < totals.n; i++)
        free(totals.v[i].name);
    free(totals.v);
    free(file);
    config_free(c);
    return !running ? EX_UNAVAILABLE : readable ? EX_OK : EX_NOPERM;
}
