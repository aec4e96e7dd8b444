/* queue.c - the role: one thread that looks (wake-ups, scan, clock), and delivery threads. */
#include "reference/queue/queue.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/queue/forward.h"
#include "reference/queue/worker.h"
#include "reference/roles.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define INTAKE_WORKERS 4         /* beside those for deliveries */
#define STACK_SIZE (256 * 1024)
#define TICK_MS 500              /* connections are tidied, removals made durable */
#define REMOVALS_MS 100
#define WAKE_MAX 260             /* an id, or "@" and a domain */
#define WAKE_BATCH 512           /* datagrams read before anything else is done */
#define WAKE_QUEUE 8             /* a longer burst may not have fitted the socket's queue */
#define LOOK_MS 100              /* between looks through active/ because of that */

struct worker_slot {
    struct role *role;
    pthread_t thread;
    bool started;
    struct relay *relay;         /* NULL once the thread is about to end */
};

struct role {
    const struct config *c;
    struct scheduler *s;
    int wake_fd;
    pthread_mutex_t lock;        /* of the slots */
    struct worker_slot *slot;
    size_t slots, used;
    atomic_bool removed;
    int64_t next_scan_ms, next_sync_ms, next_look_ms;
    bool missed;                 /* wake-ups may have been lost */
};

static enum auth_status look_up(void *arg, const char *address, struct account *out)
{
    return auth_lookup(arg, address, out);
}

static enum auth_status domain(void *arg, struct slice name) { return auth_domain(arg, name); }

static void *worker_thread(void *arg)
{
    struct worker_slot *slot = arg;
    struct role *role = slot->role;
    struct auth_client *auth = auth_client_new(role->c);
    struct forward_client *forward = forward_client_new(role->c);
    struct worker w = {.c = role->c, .s = role->s, .relay = slot->relay, .look_up = look_up,
                       .look_up_arg = auth, .domain = domain, .forward = forward_ask,
                       .forward_arg = forward, .removed = &role->removed};
    worker_run(&w);
    forward_client_free(forward);
    auth_client_free(auth);
    pthread_mutex_lock(&role->lock);
    relay_free(slot->relay);
    slot->relay = NULL;
    pthread_mutex_unlock(&role->lock);
    return NULL;
}

/* Signals are the main thread's: workers start with all of them blocked. */
static bool start_thread(struct worker_slot *slot)
{
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    slot->started = pthread_create(&slot->thread, &attr, worker_thread, slot) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return slot->started;
}

static bool spawn_worker(void *arg)
{
    struct role *role = arg;
    bool good = false;
    pthread_mutex_lock(&role->lock);
    if (role->used < role->slots) {
        struct worker_slot *slot = &role->slot[role->used];
        *slot = (struct worker_slot){.role = role, .relay = relay_new(role->c)};
        good = start_thread(slot);
        role->used += good;
        if (!good) {
            event("queue.trouble", EV_STR("what", "no more threads"));
            relay_free(slot->relay);
        }
    }
    pthread_mutex_unlock(&role->lock);
    return good;
}

/* --- finding messages ----------------------------------------------------------------------- */

static bool found_active(void *arg, const char *id)
{
    struct role *role = arg;
    scheduler_found(role->s, id, 0, false);
    return !roles_stopping();
}

static bool found_deferred(void *arg, const char *id)
{
    struct role *role = arg;
    int64_t due = queue_next_try(role->c, id);
    if (due >= 0)
        scheduler_found(role->s, id, due ? due : 1, false);
    return !roles_stopping();
}

static void scan(struct role *role)
{
    int swept = queue_sweep(role->c);
    if (swept > 0)
        event("queue.swept", EV_INT("files", swept));
    queue_list(role->c, "active", found_active, role);
    queue_list(role->c, "deferred", found_deferred, role);
    role->next_scan_ms = mono_ms() + role->c->queue_scan;
}

/* "Look at this one": it is new, was released, or is to be tried now. */
static void look_at(struct role *role, const char *id)
{
    int64_t due = queue_next_try(role->c, id);
    if (due >= 0) {
        scheduler_found(role->s, id, due ? due : 1, true);
        return;
    }
    char *path = queue_path(role->c, "active", id);
    if (access(path, F_OK) == 0)
        scheduler_found(role->s, id, 0, false);
    free(path);
}

/* ETRN (RFC 1985): what waits for a domain is due now, and the domain is not dead any more. */
struct wanted { struct role *role; struct slice name; bool below; };

static bool look_for_one(void *arg, const char *id)
{
    const struct wanted *x = arg;
    struct envelope e;
    int fd = queue_open(x->role->c, "deferred", id, &e, NULL);
    bool hit = false;
    if (fd < 0)
        return true;
    for (size_t i = 0; i < e.rcpt_count && !hit; i++) {
        struct slice domain = address_domain(e.rcpt[i].address);
        size_t at = domain.n > x->name.n ? domain.n - x->name.n : 0;
        hit = state_is_open(e.rcpt[i].state) &&
              (slice_ieq(domain, x->name) || (x->below && at > 0 && domain.p[at - 1] == '.' &&
                                              slice_ieq(slice_sub(domain, at, domain.n), x->name)));
    }
    envelope_free(&e);
    close(fd);
    if (hit)
        queue_retry_now(x->role->c, id);
    return !roles_stopping();
}

static void look_for_domain(struct role *role, const char *name)
{
    struct wanted x = {.role = role, .below = name[0] == '.', .name = slice_str(name + (name[0] == '.'))};
    queue_list(role->c, "deferred", look_for_one, &x);
}

/* Reads what wake-ups there are. */
static void read_wakes(struct role *role)
{
    char id[WAKE_MAX];
    int n = 0;
    for (ssize_t got; n < WAKE_BATCH; n++) {
        got = recv(role->wake_fd, id, sizeof id - 1, MSG_DONTWAIT);
        if (got < 0)
            break;
        id[got] = 0;
        if (got == 0) {
            scheduler_forgive(role->s);
            scan(role);
        } else if (id[0] == '@') {
            look_for_domain(role, id + 1);
        } else if (queue_id_valid(id)) {
            look_at(role, id);
        }
    }
    role->missed |= n >= WAKE_QUEUE;
}

/* After a burst, whatever is in active/ is looked for. */
static void look_for_missed(struct role *role)
{
    if (!role->missed || mono_ms() < role->next_look_ms)
        return;
    role->missed = false;
    queue_list(role->c, "active", found_active, role);
    role->next_look_ms = mono_ms() + LOOK_MS;
}

/* --- the loop ------------------------------------------------------------------------------- */

/* Removed files are durable soon, all together: until then a power cut would bring them back, and
 * they would be delivered again. */
static void sync_removals(struct role *role)
{
    if (mono_ms() < role->next_sync_ms || !atomic_exchange(&role->removed, false))
        return;
    role->next_sync_ms = mono_ms() + REMOVALS_MS;
    queue_spare_count(role->c);
    char *path = queue_path(role->c, "active", NULL);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0 && role->c->fsync)
        fsync(fd);
    if (fd >= 0)
        close(fd);
    free(path);
}

static void turn(struct role *role)
{
    struct pollfd p[3] = {{.fd = role->wake_fd, .events = POLLIN},
                          {.fd = scheduler_alarm(role->s), .events = POLLIN},
                          {.fd = roles_stop_fd(), .events = POLLIN}};
    int64_t due_us = scheduler_tick(role->s);
    int64_t wait = role->next_scan_ms - mono_ms();
    if (wait > TICK_MS)
        wait = TICK_MS;
    if (role->missed && wait > LOOK_MS)
        wait = LOOK_MS;
    if (atomic_load(&role->removed) && wait > REMOVALS_MS)
        wait = REMOVALS_MS;
    if (due_us >= 0 && (due_us + 999) / 1000 < wait)
        wait = (due_us + 999) / 1000;
    poll(p, 3, wait > 0 ? (int)wait : 0);
    uint64_t rung;
    if (p[1].revents && read(p[1].fd, &rung, sizeof rung) < 0) {
        /* Somebody else's read would do as well. */
    }
    if (p[0].revents)
        read_wakes(role);
    look_for_missed(role);
    if (mono_ms() >= role->next_scan_ms)
        scan(role);
    sync_removals(role);
}

/* Waits for the workers to end, for ms at most. True when all have. */
static bool join_workers(struct role *role, int64_t ms)
{
    int64_t until_us = wall_us() + ms * 1000;
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    bool all = true;
    for (size_t i = 0; i < role->used; i++) {
        struct worker_slot *slot = &role->slot[i];
        if (slot->started && pthread_timedjoin_np(slot->thread, NULL, &until) == 0)
            slot->started = false;
        all &= !slot->started;
    }
    return all;
}

/* What is under way may end; then connections are cut, which every state on disk stands. False
 * when somebody still waits for a connection that does not come. */
static bool stop_workers(struct role *role)
{
    scheduler_stop(role->s);
    bool all = join_workers(role, role->c->timeout_stop * 3 / 4);
    pthread_mutex_lock(&role->lock);
    for (size_t i = 0; i < role->used; i++)
        if (role->slot[i].relay)
            relay_interrupt(role->slot[i].relay);
    pthread_mutex_unlock(&role->lock);
    all = all || join_workers(role, role->c->timeout_stop / 8);
    role->next_sync_ms = 0;
    sync_removals(role);
    return all;
}

int queue_main(const struct config *c, const struct role_listener *l, size_t n)
{
    struct role role = {.c = c, .wake_fd = n > 0 ? l[0].fd : -1};
    if (queue_prepare(c) < 0)
        die(73, "queue: %s: %s; make it writable for user %s", c->spool, strerror(errno),
            c->user ? c->user : "of the queue");
    pthread_mutex_init(&role.lock, NULL);
    role.slots = (size_t)(c->deliveries + c->deliveries_per_destination + INTAKE_WORKERS);
    role.slot = xcalloc(role.slots, sizeof *role.slot);
    role.s = scheduler_new(c, spawn_worker, &role);
    queue_spare_count(c);
    scan(&role);
    event("queue.started", EV_INT("messages", (int64_t)scheduler_count(role.s)));
    while (!roles_stopping())
        turn(&role);
    if (!stop_workers(&role))
        _exit(0);                /* all is on disk */
    scheduler_free(role.s);
    free(role.slot);
    pthread_mutex_destroy(&role.lock);
    return 0;
}
