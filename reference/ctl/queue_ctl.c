/* queue_ctl.c - `postroad queue`: the command line, and what changes the queue. */
#include "reference/ctl/queue_ctl.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

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
    if (queue_move(c, id, folder, "active") != 0)
        return trouble(id, strerror(errno));
    queue_wake(c, id);
    return EX_OK;
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
    {"delete", delete, NULL},
};

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

static int run(const struct config *c, const char *name, char **args, int n, bool json)
{
    if (strcmp(name, "list") == 0 && n == 0)
        return queue_ctl_list(c, json);
    if (strcmp(name, "show") == 0 && n == 1 && queue_id_valid(args[0]))
        return queue_ctl_show(c, args[0], json);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (strcmp(name, actions[i].name) == 0)
            return run_action(c, &actions[i], args, n);
    return ctl_usage("queue");
}

int ctl_queue(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    const char *path = CTL_DEFAULT_CONFIG;
    bool json = false;
    int o;
    while ((o = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (o == 'c')
            path = optarg;
        else if (o == 'j')
            json = true;
        else
            return ctl_usage("queue");
    }
    struct config *c = ctl_config(path);
    ctl_become_queue_user(c);
    const char *name = optind < argc ? argv[optind++] : "list";
    int status = run(c, name, argv + optind, argc - optind, json);
    config_free(c);
    return status;
}
