#include "conformance/runner/replay.h"

#include "base/mem.h"
#include "base/stream.h"
#include "base/timing.h"
#include "conformance/runner/files.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DNS_MS = 5000, DNS_LINE_MAX = 1 << 20 };

int world_connect(struct world_up *w, const struct netaddr *to, const struct netaddr *from,
                  int64_t timeout_ms)
{
    if (w->replay)
        return replay_connect(w->replay, to);
    if (!w->lab)
        return net_connect(to, from, timeout_ms);
    int fd = lab_socket(w->lab, to->sa.sa_family, SOCK_STREAM), one = 1, error = 0;
    socklen_t size = sizeof error;
    if (fd < 0)
        return -1;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if ((from && bind(fd, &from->sa, from->len) < 0) ||
        (connect(fd, &to->sa, to->len) < 0 && errno != EINPROGRESS)) {
        error = errno;
    } else {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int n = poll(&p, 1, (int)timeout_ms);
        if (n == 0)
            error = ETIMEDOUT;
        else if (n < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
            error = errno;
    }
    if (error) {
        close(fd);
        errno = error;
        return -1;
    }
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    return fd;
}

int world_listen(struct world_up *w, const struct netaddr *at)
{
    if (w->replay)
        return replay_listen(w->replay, at);
    if (!w->lab) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = lab_socket(w->lab, at->sa.sa_family, SOCK_STREAM), one = 1;
    if (fd < 0)
        return -1;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (at->sa.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, &at->sa, at->len) < 0 || listen(fd, 128) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* ---- the simulated DNS -------------------------------------------------------------------- */

/* One command on the control connection, which is kept open; the data lines of the answer. */
static bool ask(struct world_up *w, const char *command, struct buf *answer, struct buf *error)
{
    if (!w->lab) {
        buf_add_str(error, "the simulated DNS needs the lab");
        return false;
    }
    struct netaddr at;
    if (!w->dns) {
        char *path = xasprintf("unix:%s", lab_dns_control(w->lab));
        int fd = netaddr_parse(&at, slice_str(path), 0) ? net_connect(&at, NULL, DNS_MS) : -1;
        free(path);
        if (fd < 0) {
            buf_printf(error, "the simulated DNS cannot be reached: %s", strerror(errno));
            return false;
        }
        w->dns = stream_new_fd(fd);
        stream_set_timeout(w->dns, DNS_MS);
    }
    struct buf line = {0};
    enum line_end end;
    uint64_t lines = 0;
    stream_printf(w->dns, "%s\n", command);
    bool heard = stream_read_line(w->dns, &line, DNS_LINE_MAX, &end) == IO_OK;
    bool ok = heard && slice_starts(buf_slice(&line), SLICE("ok ")) &&
              slice_number(slice_sub(buf_slice(&line), 3, line.len), 1u << 20, &lines);
    if (!ok)
        buf_printf(error, "the simulated DNS says: %s", heard ? buf_str(&line) : "nothing");
    for (uint64_t i = 0; i < lines && heard; i++) {
        buf_clear(&line);
        heard = stream_read_line(w->dns, &line, DNS_LINE_MAX, &end) == IO_OK;
        buf_add_slice(answer, buf_slice(&line));
        buf_add_byte(answer, '\n');
    }
    if (!heard) {
        stream_close(w->dns);
        w->dns = NULL;
    }
    buf_free(&line);
    return ok && heard;
}

static bool load_zone(struct world_up *w, const char *origin, struct slice text, struct buf *error)
{
    struct buf command = {0}, answer = {0};
    buf_printf(&command, "load %s\n", origin);
    buf_add_slice(&command, text);
    if (!slice_ends(text, SLICE("\n")))
        buf_add_byte(&command, '\n');
    buf_add_byte(&command, '.');
    bool ok = ask(w, buf_str(&command), &answer, error);
    buf_free(&command);
    buf_free(&answer);
    return ok;
}

bool world_zone(struct world_up *w, const struct zone *z, struct buf *error)
{
    struct buf text = {0};
    size_t n = strlen(z->name);
    bool soa = false, ns = false;
    for (size_t i = 0; i < z->row_count; i++) {
        soa |= strstr(z->rows[i].rest, "SOA ") != NULL;
        ns |= strcmp(z->rows[i].owner, "@") == 0 && strncmp(z->rows[i].rest, "NS ", 3) == 0;
    }
    /* TTL 0: what the target keeps for later would show in the next scenario. */
    buf_printf(&text, "$ORIGIN %s%s\n$TTL 0\n", z->name, n && z->name[n - 1] == '.' ? "" : ".");
    if (!soa)
        buf_add_str(&text, "@ SOA ns.lab.test. hostmaster.lab.test. 1 3600 600 86400 0\n");
    if (!ns)
        buf_add_str(&text, "@ NS ns.lab.test.\n");
    for (size_t i = 0; i < z->row_count; i++)
        buf_printf(&text, "%s %s\n", z->rows[i].owner, z->rows[i].rest);
    bool ok = load_zone(w, z->name, buf_slice(&text), error);
    buf_free(&text);
    return ok;
}

bool world_dns(struct world_up *w, const struct dns_change *c, struct buf *error)
{
    struct buf command = {0}, answer = {0};
    if (c->action == DNS_CLEAR)
        buf_add_str(&command, "clear faults");
    else if (c->action == DNS_ADD)
        buf_printf(&command, "add %s 0 %s %s", c->name, c->type, c->rest);
    else if (c->action == DNS_REMOVE)
        buf_printf(&command, "remove %s %s %s", c->name, strcmp(c->type, "*") ? c->type : "",
                   c->rest);
    else {
        buf_printf(&command, "fault %s %s %s", c->name, strcmp(c->type, "*") ? c->type : "ANY",
                   c->rest);
        if (c->times)
            buf_printf(&command, " times %lld", (long long)c->times);
    }
    bool ok = ask(w, buf_str(&command), &answer, error);
    buf_free(&command);
    buf_free(&answer);
    return ok;
}

static char *base_zone(const struct world_up *w, const char *name)
{
    return xasprintf("%s/world/zones/%s.zone", w->target->root, name);
}

static bool load_base_zone(struct world_up *w, const char *path, struct buf *error)
{
    struct buf text = {0};
    const char *slash = strrchr(path, '/') + 1;
    char *origin = xasprintf("%.*s", (int)(strlen(slash) - strlen(".zone")), slash);
    bool ok = buf_read_file(&text, path, 1 << 20) == 0 &&
              load_zone(w, origin, buf_slice(&text), error);
    free(origin);
    buf_free(&text);
    return ok;
}

void world_clean_dns(struct world_up *w, const struct scenario *s)
{
    struct buf ignored = {0};
    if (!w->lab)
        return;
    ask(w, "clear faults", &ignored, &ignored);
    for (size_t i = 0; i < s->part_count; i++) {
        const struct part *p = &s->parts[i];
        const char *name = p->kind == PART_ZONE ? p->zone->name : NULL;
        if (!name)
            continue;
        char *base = base_zone(w, name), *drop = xasprintf("drop zone %s", name);
        if (access(base, R_OK) == 0)
            load_base_zone(w, base, &ignored);
        else
            ask(w, drop, &ignored, &ignored);
        free(base);
        free(drop);
    }
    buf_free(&ignored);
}

uint64_t world_last_query(struct world_up *w)
{
    struct buf answer = {0}, error = {0};
    uint64_t n = 0;
    if (ask(w, "last", &answer, &error)) {
        slice_number(slice_trim(buf_slice(&answer)), UINT64_MAX, &n);
    }
    buf_free(&answer);
    buf_free(&error);
    return n;
}

static void free_query(struct dns_query *q)
{
    free(q->client);
    free(q->name);
    free(q->type);
    free(q->rcode);
    free(q->answer);
}

static char *text_of(json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? xstrdup(s) : NULL;
}

void world_queries(struct world_up *w, uint64_t since, struct dns_query **v, size_t *n)
{
    struct buf answer = {0}, error = {0};
    char command[64];
    if (w->replay) {
        replay_queries(w->replay, since, v, n);
        return;
    }
    snprintf(command, sizeof command, "queries since %llu", (unsigned long long)since);
    struct slice rest = {0}, line;
    if (ask(w, command, &answer, &error))
        rest = buf_slice(&answer);
    while (slice_next(&rest, '\n', &line)) {
        json_t *o = line.n ? json_loadb(line.p, line.n, 0, NULL) : NULL;
        if (!o)
            continue;
        *v = xreallocarray(*v, *n + 1, sizeof **v);
        struct dns_query q = {
            .number = (uint64_t)json_integer_value(json_object_get(o, "n")),
            .wall_us = (int64_t)(json_number_value(json_object_get(o, "time")) * 1e6),
            .client = text_of(o, "client"), .name = text_of(o, "name"), .type = text_of(o, "type"),
            .rcode = text_of(o, "rcode"), .answer = text_of(o, "answer")};
        json_decref(o);
        if (q.name && q.type)
            (*v)[(*n)++] = q;
        else
            free_query(&q);
    }
    buf_free(&answer);
    buf_free(&error);
}

void queries_free(struct dns_query *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free_query(&v[i]);
    free(v);
}

/* ---- up and down -------------------------------------------------------------------------- */

static bool start_lab(struct world_up *w, const struct ids *addresses, struct buf *error)
{
    struct world *world = world_new();
    for (size_t i = 0; i < addresses->n; i++) {
        struct netaddr a;
        char name[32];
        snprintf(name, sizeof name, "host%zu", i);
        if (netaddr_parse(&a, slice_str(addresses->v[i]), 0))
            world_add_address(world, name, &a);
    }
    w->lab = lab_create(world, NULL, error);
    world_free(world);
    if (!w->lab)
        return false;
    chmod(lab_dir(w->lab), 0755);          /* the target runs as other users */
    char *zones = xasprintf("%s/world/zones", w->target->root);
    struct file_list files = {0};
    list_files(&files, zones, ".zone");
    bool ok = true;
    for (size_t i = 0; i < files.n && ok; i++)
        ok = load_base_zone(w, files.v[i], error);
    file_list_free(&files);
    free(zones);
    return ok;
}

/* The user's own server must be there at all before anything is said about it. */
static bool services_there(struct world_up *w, struct buf *error)
{
    for (size_t i = 0; i < w->target->service_count; i++) {
        const struct target_service *s = &w->target->services[i];
        const char *address = s->address ? s->address : w->target->address;
        struct netaddr to;
        if (!netaddr_parse(&to, slice_str(address), (uint16_t)s->port)) {
            buf_printf(error, "service %s: %s is no address", s->name, address);
            return false;
        }
        int fd = world_connect(w, &to, NULL, DNS_MS);
        if (fd < 0) {
            buf_printf(error, "service %s: nobody answers at %s, port %d: %s", s->name, address,
                       s->port, strerror(errno));
            return false;
        }
        close(fd);
    }
    return true;
}

bool world_start(struct world_up *w, const struct target *t, const char *profile,
                 const struct ids *addresses, struct buf *error)
{
    *w = (struct world_up){.target = t, .profile = profile};
    if (!t->lab) {
        w->version = xstrdup(t->version ? t->version : "");
        bool ok = services_there(w, error) && mailboxes_empty(w, false, error);
        if (ok)
            own_mailboxes(w, false);
        return ok;
    }
    if (!start_lab(w, addresses, error)) {
        world_stop(w);
        return false;
    }
    w->state = xasprintf("%s/target", lab_dir(w->lab));
    if (make_folders(w->state) < 0) {
        buf_printf(error, "%s: %s", w->state, strerror(errno));
    } else if (target_start(w, error)) {
        struct buf version = {0};
        if (target_script(w, "version", 10000, &version) == 0)
            w->version = slice_dup(slice_trim(buf_slice(&version)));
        buf_free(&version);
        return true;
    }
    world_stop(w);
    return false;
}

void world_stop(struct world_up *w)
{
    if (w->pid)
        target_stop(w, false);
    stream_close(w->dns);
    if (w->lab)
        lab_destroy(w->lab);
    free(w->state);
    free(w->version);
    free(w->not_target);
    for (size_t i = 0; i < w->own_folder_count; i++)
        free(w->own_folders[i]);
    free(w->own_folders);
    *w = (struct world_up){0};
}

bool world_reset(struct world_up *w, struct buf *error)
{
    if (!w->target->lab) {
        own_mailboxes(w, true);
        return mailboxes_empty(w, true, error);
    }
    if (w->pid && world_target_running(w) && target_has_script(w->target, "reset")) {
        struct buf out = {0};
        int status = target_script(w, "reset", 30000, &out);
        if (status != 0)
            buf_printf(error, "the target's reset failed (%d): %s", status, buf_str(&out));
        buf_free(&out);
        return status == 0;
    }
    target_stop(w, false);
    remove_tree(w->state);
    make_folders(w->state);
    return target_start(w, error);
}

bool world_action(struct world_up *w, enum target_action action, const char *script, struct buf *error)
{
    if (!w->target->lab) {
        buf_add_str(error, "a server of your own is not started or stopped by scenarios");
        return false;
    }
    if (action == TARGET_RELOAD || action == TARGET_FLUSH || action == TARGET_RUNS) {
        struct buf out = {0};
        const char *name = action == TARGET_RELOAD ? "reload" : action == TARGET_FLUSH ? "flush" : script;
        int status = target_script(w, name, 30000, &out);
        if (status != 0)
            buf_printf(error, "the script %s ended with %d: %s", name, status,
                       buf_str(&out));
        buf_free(&out);
        return status == 0;
    }
    if (action != TARGET_START && w->pid)
        target_stop(w, action == TARGET_KILL);
    w->stopped = action == TARGET_STOP || action == TARGET_KILL;
    return w->stopped || target_start(w, error);
}
