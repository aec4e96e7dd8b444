/* queue_ctl.c - `postroad queue`: the command line, and what changes the queue. */
#include "reference/ctl/queue_ctl.h"

#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static int trouble(const char *id, const char *what)
{
    fprintf(stderr, "postroad: %s: %s\n", id, what);
    return errno == ENOENT ? EX_NOINPUT : EX_OSERR;
}

static int not_there(const char *id)
{
    fprintf(stderr, "postroad: %s is not in the queue; postroad queue list shows what is\n", id);
    return EX_NOINPUT;
}

/* A deferred message becomes due now. */
static int flush(const struct config *c, const char *id)
{
    const char *folder = queue_find(c, id);
    if (!folder)
        return not_there(id);
    if (strcmp(folder, "hold") == 0 || strcmp(folder, "corrupt") == 0) {
        fprintf(stderr, "postroad: %s is in %s; postroad queue release %s lets it go\n", id, folder,
                id);
        return EX_DATAERR;
    }
    if (strcmp(folder, "active") == 0) {
        queue_wake(c, id);
        return EX_OK;
    }
    return queue_retry_now(c, id) == 0 || errno == ENOENT ? EX_OK : trouble(id, strerror(errno));
}

static int hold(const struct config *c, const char *id)
{
    const char *folder = queue_find(c, id);
    if (!folder)
        return not_there(id);
    if (strcmp(folder, "hold") == 0)
        return EX_OK;
    return queue_move(c, id, folder, "hold") == 0 ? EX_OK : trouble(id, strerror(errno));
}

static int release(const struct config *c, const char *id)
{
    const char *folder = queue_find(c, id);
    if (!folder)
        return not_there(id);
    if (strcmp(folder, "hold") != 0 && strcmp(folder, "corrupt") != 0) {
        fprintf(stderr, "postroad: %s is not held; it is in %s\n", id, folder);
        return EX_DATAERR;
    }
    /* As a deferred one: the queue takes it from there whether or not it hears of it now. */
    if (queue_move(c, id, folder, "deferred") != 0)
        return trouble(id, strerror(errno));
    return queue_retry_now(c, id) == 0 || errno == ENOENT ? EX_OK : trouble(id, strerror(errno));
}

/* Its age begins anew. It waits in hold/ while its file is written, so that nobody else has it. */
static int requeue(const struct config *c, const char *id)
{
    struct envelope e = {0};
    const char *why = NULL, *folder = queue_find(c, id);
    if (!folder)
        return not_there(id);
    if (strcmp(folder, "active") == 0) {
        fprintf(stderr, "postroad: %s is being delivered now\n", id);
        return EX_TEMPFAIL;
    }
    if (strcmp(folder, "hold") != 0 && queue_move(c, id, folder, "hold") != 0)
        return trouble(id, strerror(errno));
    int fd = queue_open(c, "hold", id, &e, &why);
    int status = EX_OK;
    if (fd < 0)
        status = trouble(id, why ? why : strerror(errno));
    e.arrived_us = wall_us();
    if (fd >= 0 && queue_rewrite(c, fd, &e) == 0) {
        char *old = queue_path(c, "hold", id);
        unlink(old);             /* active/ has the new one */
        free(old);
        queue_wake(c, id);
    } else if (fd >= 0) {
        status = trouble(id, strerror(errno));
    }
    if (fd >= 0)
        close(fd);
    envelope_free(&e);
    return status;
}

static int delete(const struct config *c, const char *id)
{
    const char *folder = queue_find(c, id);
    if (!folder)
        return not_there(id);
    return queue_remove(c, folder, id) == 0 ? EX_OK : trouble(id, strerror(errno));
}

static const struct action {
    const char *name;
    int (*act)(const struct config *c, const char *id);
    const char *all;      /* without an id: on all of this folder; NULL: an id must be given */
} actions[] = {
    {"flush", flush, "deferred"}, {"hold", hold, NULL}, {"release", release, NULL},
    {"requeue", requeue, NULL}, {"delete", delete, NULL},
};

/* --- instead of ids --------------------------------------------------------------------------- */

struct selection {
    const char *from, *to;       /* an address, a domain, "<>"; NULL: any */
    bool all;
};

static bool is_given(const struct selection *s) { return s->from || s->to || s->all; }

static bool fits(const char *address, const char *wanted)
{
    struct slice a = slice_str(address), w = slice_str(wanted);
    ptrdiff_t at = slice_rindex(a, '@');
    if (slice_eq_str(w, "<>"))
        return a.n == 0;
    if (slice_index(w, '@') >= 0)
        return slice_ieq(a, w);
    return at >= 0 && slice_ieq(slice_sub(a, (size_t)at + 1, a.n), w);
}

static bool is_selected(const struct config *c, const struct selection *s, const char *folder,
                        const char *id)
{
    struct envelope e = {0};
    int fd = s->from || s->to ? queue_open(c, folder, id, &e, NULL) : -1;
    bool to = !s->to;
    for (size_t i = 0; i < e.rcpt_count; i++)
        to = to || (state_is_open(e.rcpt[i].state) && fits(e.rcpt[i].address, s->to));
    bool good = fd < 0 ? s->all : to && (!s->from || fits(e.reverse_path, s->from));
    if (fd >= 0)
        close(fd);
    envelope_free(&e);
    return good;
}

struct selected { const struct config *c; const struct selection *s; const char *folder;
                  struct string_list ids; };

static bool select_one(void *arg, const char *id)
{
    struct selected *x = arg;
    if (is_selected(x->c, x->s, x->folder, id)) {
        x->ids.v = xreallocarray(x->ids.v, x->ids.n + 1, sizeof *x->ids.v);
        x->ids.v[x->ids.n++] = xstrdup(id);
    }
    return true;
}

/* The ids first, then the deeds: what is moved must not be met again. */
static int run_selected(const struct config *c, const struct action *a, const struct selection *s)
{
    static const char *const folders[] = {"active", "deferred", "hold", "corrupt"};
    struct selected x = {.c = c, .s = s};
    bool waiting_only = a->act == flush, held_only = a->act == release;
    int status = EX_OK;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        x.folder = folders[i];
        if ((i < 2 && held_only) || (i >= 2 && waiting_only) || (i != 1 && i != 2 && a->act == requeue))
            continue;
        queue_list(c, x.folder, select_one, &x);
    }
    for (size_t i = 0; i < x.ids.n; i++) {
        int one = a->act(c, x.ids.v[i]);
        status = one != EX_OK && one != EX_NOINPUT ? one : status;   /* gone meanwhile: fine */
        free(x.ids.v[i]);
    }
    printf("%zu message%s\n", x.ids.n, x.ids.n == 1 ? "" : "s");
    free(x.ids.v);
    return status;
}

static int run_action(const struct config *c, const struct action *a, char **ids, int n)
{
    int status = EX_OK;
    if (n == 0)
        return a->all ? queue_ctl_each(c, a->all, a->act) : ctl_usage("queue");
    for (int i = 0; i < n; i++) {
        int one = EX_DATAERR;
        if (queue_id_valid(ids[i]))
            one = a->act(c, ids[i]);
        else
            fprintf(stderr, "postroad: %s is not a queue id; postroad queue list shows them\n",
                    ids[i]);
        status = one != EX_OK ? one : status;
    }
    return status;
}

static int run(const struct config *c, const char *name, char **args, int n, bool json,
               const struct selection *s)
{
    if (strcmp(name, "list") == 0 && n == 0)
        return queue_ctl_list(c, json);
    if (strcmp(name, "show") == 0 && n == 1 && queue_id_valid(args[0]))
        return queue_ctl_show(c, args[0], json);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(name, actions[i].name) == 0)
            return is_given(s) && n == 0 ? run_selected(c, &actions[i], s)
                                         : run_action(c, &actions[i], args, n);
    return ctl_usage("queue");
}

int ctl_queue(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"to", required_argument, NULL, 't'},
                                            {"all", no_argument, NULL, 'a'}, {0}};
    struct selection s = {0};
    const char *path = CTL_DEFAULT_CONFIG;
    bool json = false;
    int o;
    while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (o == 'c')
            path = optarg;
        else if (o == 'j')
            json = true;
        else if (o == 'f')
            s.from = optarg;
        else if (o == 't')
            s.to = optarg;
        else if (o == 'a')
            s.all = true;
        else
            return ctl_usage("queue");
    }
    struct config *c = ctl_config(path);
    ctl_become_queue_user(c);
    const char *name = optind < argc ? argv[optind++] : "list";
    int status = run(c, name, argv + optind, argc - optind, json, &s);
    config_free(c);
    return status;
}
