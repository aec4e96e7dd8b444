/* world.c - the world file: which hosts there are, where they live, what the DNS says. */
#include "conformance/lab/lab.h"

#include "base/conf.h"
#include "base/mem.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Of networks that are set apart for documentation (RFC 5737, RFC 3849). */
#define DEFAULT_SOURCE_V4 "198.51.100.1"
#define DEFAULT_SOURCE_V6 "2001:db8:ffff::1"

#define NAME_MAX_OCTETS 64
#define HOSTS_MAX 1024

struct world *world_new(void)
{
    struct world *w = xcalloc(1, sizeof *w);
    netaddr_parse(&w->source_v4, SLICE(DEFAULT_SOURCE_V4), 0);
    netaddr_parse(&w->source_v6, SLICE(DEFAULT_SOURCE_V6), 0);
    return w;
}

void world_free(struct world *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->host_count; i++) {
        free(w->hosts[i].name);
        free(w->hosts[i].addrs);
    }
    for (size_t i = 0; i < w->zone_count; i++)
        free(w->zones[i]);
    free(w->hosts);
    free(w->zones);
    free(w);
}

void world_add_zone(struct world *w, const char *path)
{
    w->zones = xreallocarray(w->zones, w->zone_count + 1, sizeof *w->zones);
    w->zones[w->zone_count++] = xstrdup(path);
}

struct world_host *world_find(const struct world *w, const char *name_or_address)
{
    struct netaddr a;
    bool by_address = netaddr_parse(&a, slice_str(name_or_address), 0);
    for (size_t i = 0; i < w->host_count; i++) {
        struct world_host *h = &w->hosts[i];
        if (strcmp(h->name, name_or_address) == 0)
            return h;
        for (size_t j = 0; by_address && j < h->addr_count; j++)
            if (netaddr_same_host(&h->addrs[j], &a))
                return h;
    }
    return NULL;
}

bool world_add_address(struct world *w, const char *name, const struct netaddr *a)
{
    char text[64];
    netaddr_host(a, text);
    if (world_find(w, text))
        return false;
    struct world_host *h = world_find(w, name);
    if (!h) {
        w->hosts = xreallocarray(w->hosts, w->host_count + 1, sizeof *w->hosts);
        h = &w->hosts[w->host_count++];
        *h = (struct world_host){.name = xstrdup(name)};
    }
    h->addrs = xreallocarray(h->addrs, h->addr_count + 1, sizeof *h->addrs);
    h->addrs[h->addr_count++] = *a;
    return true;
}

void world_write(const struct world *w, struct buf *text)
{
    char a[64], b[64];
    netaddr_host(&w->source_v4, a);
    netaddr_host(&w->source_v6, b);
    buf_printf(text, "source = {\"%s\", \"%s\"}\nzones = {", a, b);
    for (size_t i = 0; i < w->zone_count; i++)
        buf_printf(text, "%s\"%s\"", i ? ", " : "", w->zones[i]);
    buf_add_str(text, "}\n");
    for (size_t i = 0; i < w->host_count; i++) {
        buf_printf(text, "host %s { addresses = {", w->hosts[i].name);
        for (size_t j = 0; j < w->hosts[i].addr_count; j++) {
            netaddr_host(&w->hosts[i].addrs[j], a);
            buf_printf(text, "%s\"%s\"", j ? ", " : "", a);
        }
        buf_add_str(text, "} }\n");
    }
}

/* --- reading ------------------------------------------------------------------------------ */

/* The value just read: libconfuse calls validators after each one of a list. */
static const char *last_value(cfg_opt_t *opt)
{
    unsigned n = cfg_opt_size(opt);
    return n ? cfg_opt_getnstr(opt, n - 1) : "";
}

static int check_ip(cfg_t *cfg, cfg_opt_t *opt)
{
    struct netaddr a;
    const char *v = last_value(opt);
    if (netaddr_parse(&a, slice_str(v), 0) && a.sa.sa_family != AF_UNIX)
        return 0;
    cfg_error(cfg, "\"%s\" is not an address; write it like \"192.0.2.25\" or \"2001:db8::25\"", v);
    return -1;
}

/* A path of the world file, which is relative to the file. */
static char *beside(const char *world_path, const char *path)
{
    const char *slash = strrchr(world_path, '/');
    if (path[0] == '/' || !slash)
        return xstrdup(path);
    return xasprintf("%.*s/%s", (int)(slash - world_path), world_path, path);
}

static int check_zone(cfg_t *cfg, cfg_opt_t *opt)
{
    char *path = beside(cfg->filename, last_value(opt));
    int bad = access(path, R_OK);
    if (bad)
        cfg_error(cfg, "zone file %s: %m; zone files are looked for beside the world file", path);
    free(path);
    return bad;
}

static int check_host(cfg_t *cfg, cfg_opt_t *opt)
{
    cfg_t *host = cfg_opt_getnsec(opt, cfg_opt_size(opt) - 1);
    const char *name = cfg_title(host);
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
    if (!name[0] || name[good] || good > NAME_MAX_OCTETS) {
        cfg_error(cfg, "host \"%s\": a name is 1 to %d letters, digits, '-', '.' or '_'", name,
                  NAME_MAX_OCTETS);
        return -1;
    }
    if (cfg_size(host, "addresses") == 0) {
        cfg_error(cfg, "host %s has no address; add: addresses = {\"192.0.2.25\"}", name);
        return -1;
    }
    if (cfg_opt_size(opt) > HOSTS_MAX) {
        cfg_error(cfg, "more than %d hosts; split the world", HOSTS_MAX);
        return -1;
    }
    return 0;
}

static bool take_hosts(struct world *w, cfg_t *cfg, const char *path, struct buf *errors)
{
    for (unsigned i = 0; i < cfg_size(cfg, "host"); i++) {
        cfg_t *host = cfg_getnsec(cfg, "host", i);
        for (unsigned j = 0; j < cfg_size(host, "addresses"); j++) {
            const char *text = cfg_getnstr(host, "addresses", j);
            struct netaddr a;
            netaddr_parse(&a, slice_str(text), 0);
            if (!world_add_address(w, cfg_title(host), &a)) {
                buf_printf(errors, "%s:%d: host %s: %s is an address of host %s already; "
                           "give each its own\n", path, host->line, cfg_title(host), text,
                           world_find(w, text)->name);
                return false;
            }
        }
    }
    return true;
}

struct world *world_load(const char *path, struct buf *errors)
{
    cfg_opt_t host_opts[] = {CFG_STR_LIST("addresses", "{}", CFGF_NONE), CFG_END()};
    cfg_opt_t opts[] = {
        CFG_STR_LIST("source", "{}", CFGF_NONE),
        CFG_STR_LIST("zones", "{}", CFGF_NONE),
        CFG_SEC("host", host_opts, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
        CFG_END(),
    };
    host_opts[0].validcb = check_ip;
    opts[0].validcb = check_ip;
    opts[1].validcb = check_zone;
    opts[2].validcb = check_host;
    cfg_t *cfg = conf_load(opts, path, errors);
    if (!cfg)
        return NULL;
    struct world *w = world_new();
    for (unsigned i = 0; i < cfg_size(cfg, "source"); i++) {
        struct netaddr a;
        netaddr_parse(&a, slice_str(cfg_getnstr(cfg, "source", i)), 0);
        *(a.sa.sa_family == AF_INET6 ? &w->source_v6 : &w->source_v4) = a;
    }
    for (unsigned i = 0; i < cfg_size(cfg, "zones"); i++) {
        char *near = beside(path, cfg_getnstr(cfg, "zones", i));
        char *absolute = realpath(near, NULL);
        world_add_zone(w, absolute ? absolute : near);
        free(absolute);
        free(near);
    }
    bool good = take_hosts(w, cfg, path, errors);
    cfg_free(cfg);
    if (good)
        return w;
    world_free(w);
    return NULL;
}
