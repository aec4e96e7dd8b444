#include "conformance/runner/target.h"

#include "base/conf.h"
#include "base/mem.h"
#include "conformance/runner/files.h"
#include "conformance/runner/probe.h"
#include "conformance/runner/version.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static cfg_opt_t service_opts[] = {
    CFG_INT("port", 0, CFGF_NONE), CFG_STR("address", "", CFGF_NONE), CFG_END()};
static cfg_opt_t profile_opts[] = {
    CFG_STR("mailbox", "", CFGF_NONE), CFG_STR_LIST("provides", "{}", CFGF_NONE),
    CFG_STR_LIST("unsupported", "{}", CFGF_NONE), CFG_END()};
static cfg_opt_t account_opts[] = {CFG_STR("password", "", CFGF_NONE), CFG_END()};
static cfg_opt_t target_opts[] = {
    CFG_STR("name", "", CFGF_NONE),
    CFG_STR("address", "192.0.2.1", CFGF_NONE),
    CFG_STR("address6", "2001:db8::1", CFGF_NONE),
    CFG_STR("hostname", "mx.magedu.test", CFGF_NONE),
    CFG_STR("mailbox", "", CFGF_NONE),
    CFG_STR("version", "", CFGF_NONE),
    CFG_STR("start-within", "10s", CFGF_NONE),
    CFG_STR_LIST("provides", "{}", CFGF_NONE),
    CFG_STR_LIST("unsupported", "{}", CFGF_NONE),
    CFG_STR_LIST("packages", "{}", CFGF_NONE),
    CFG_STR_LIST("asks", "{}", CFGF_NONE),
    CFG_STR_LIST("adds", "{}", CFGF_NONE),
    CFG_SEC("service", service_opts, CFGF_MULTI | CFGF_TITLE),
    CFG_SEC("profile", profile_opts, CFGF_MULTI | CFGF_TITLE),
    CFG_SEC("account", account_opts, CFGF_MULTI | CFGF_TITLE),
    CFG_END()};

static void list(struct arena *a, cfg_t *cfg, const char *key, struct ids *out)
{
    for (unsigned i = 0; i < cfg_size(cfg, key); i++)
        ids_add(a, out, arena_strdup(a, cfg_getnstr(cfg, key, i)));
}

static const char *text(struct arena *a, cfg_t *cfg, const char *key)
{
    const char *s = cfg_getstr(cfg, key);
    return s && *s ? arena_strdup(a, s) : NULL;
}

/* The accounts of the world, unless target.conf gives its own. */
static void read_accounts(struct target *t)
{
    struct buf file = {0};
    char *path = xasprintf("%s/world/accounts", t->root);
    if (buf_read_file(&file, path, 1 << 20) == 0) {
        struct slice rest = buf_slice(&file), line;
        while (slice_next(&rest, '\n', &line)) {
            ptrdiff_t colon = slice_index(line, ':');
            if (colon <= 0 || line.p[0] == '#')
                continue;
            *arena_push(&t->arena, t->accounts, t->account_count) = (struct target_account){
                arena_slice(&t->arena, slice_sub(line, 0, (size_t)colon)).p,
                arena_slice(&t->arena, slice_trim(slice_sub(line, (size_t)colon + 1, line.n))).p};
        }
    }
    free(path);
    buf_free(&file);
}

static void fill(struct target *t, cfg_t *cfg)
{
    struct arena *a = &t->arena;
    if (text(a, cfg, "name"))
        t->name = text(a, cfg, "name");
    t->address = text(a, cfg, "address");
    t->address6 = text(a, cfg, "address6");
    t->hostname = text(a, cfg, "hostname");
    t->mailbox = text(a, cfg, "mailbox");
    t->version = text(a, cfg, "version");
    t->start_ms = conf_duration_ms(cfg, "start-within");
    list(a, cfg, "provides", &t->provides);
    list(a, cfg, "unsupported", &t->unsupported);
    list(a, cfg, "packages", &t->packages);
    list(a, cfg, "asks", &t->quiet_dns);
    list(a, cfg, "adds", &t->adds);
    for (unsigned i = 0; i < cfg_size(cfg, "service"); i++) {
        cfg_t *s = cfg_getnsec(cfg, "service", i);
        *arena_push(a, t->services, t->service_count) = (struct target_service){
            arena_strdup(a, cfg_title(s)), text(a, s, "address"), (int)cfg_getint(s, "port")};
    }
    *arena_push(a, t->profiles, t->profile_count) = (struct target_profile){
        .name = "default", .mailbox = t->mailbox};
    for (unsigned i = 0; i < cfg_size(cfg, "profile"); i++) {
        cfg_t *s = cfg_getnsec(cfg, "profile", i);
        struct target_profile *p = arena_push(a, t->profiles, t->profile_count);
        p->name = arena_strdup(a, cfg_title(s));
        p->mailbox = text(a, s, "mailbox") ? text(a, s, "mailbox") : t->mailbox;
        list(a, s, "provides", &p->provides);
        list(a, s, "unsupported", &p->unsupported);
    }
    for (unsigned i = 0; i < cfg_size(cfg, "account"); i++) {
        cfg_t *s = cfg_getnsec(cfg, "account", i);
        *arena_push(a, t->accounts, t->account_count) = (struct target_account){
            arena_strdup(a, cfg_title(s)), arena_strdup(a, cfg_getstr(s, "password"))};
    }
    if (!t->account_count)
        read_accounts(t);
}

/* Mailboxes are read in one of the ways that mailbox.c knows. */
static bool mailbox_known(const char *mailbox, const char *path, struct buf *errors)
{
    static const char *const ways[] = {"maildir:", "mbox:", "mh:"};
    bool known = !mailbox || strcmp(mailbox, "pop3") == 0;
    for (size_t i = 0; i < 3; i++)
        known |= mailbox && slice_starts(slice_str(mailbox), slice_str(ways[i]));
    if (!known)
        buf_printf(errors, "%s: mailbox = \"%s\": give maildir:PATH, mbox:PATH, mh:PATH or pop3\n", path, mailbox);
    return known;
}

static bool mailboxes_known(const struct target *t, const char *path, struct buf *errors)
{
    bool known = true;
    for (size_t i = 0; i < t->profile_count; i++)
        known &= mailbox_known(t->profiles[i].mailbox, path, errors);
    return known;
}

static void known_targets(const char *root, struct buf *errors)
{
    char *folder = xasprintf("%s/targets", root);
    struct file_list files = {0};
    list_files(&files, folder, "target.conf");
    buf_add_str(errors, "known targets:");
    for (size_t i = 0; i < files.n; i++) {
        char *end = strrchr(files.v[i], '/');
        *end = 0;
        buf_printf(errors, " %s", strrchr(files.v[i], '/') + 1);
    }
    buf_add_str(errors, "; or give the path of a host.conf (docs/test-your-own-server.md)\n");
    file_list_free(&files);
    free(folder);
}

struct target *target_load(const char *name, const char *root, const char *build,
                           struct buf *errors)
{
    struct arena arena = {0};
    struct target *t = arena_alloc(&arena, sizeof *t);
    t->arena = arena;
    bool own = slice_ends(slice_str(name), SLICE(".conf"));
    char real[PATH_MAX];
    t->root = arena_strdup(&t->arena, realpath(root, real) ? real : root);
    t->build = arena_strdup(&t->arena, realpath(build, real) ? real : build);
    t->name = t->option = arena_strdup(&t->arena, name);
    t->lab = !own;
    const char *path = name;
    if (!own) {
        t->folder = arena_printf(&t->arena, "%s/targets/%s", t->root, name);
        path = arena_printf(&t->arena, "%s/target.conf", t->folder);
    }
    cfg_t *cfg = NULL;
    if (access(path, R_OK) != 0) {
        buf_printf(errors, "there is no target %s (%s); ", name, path);
        known_targets(root, errors);
    } else {
        cfg = conf_load(target_opts, path, errors);
    }
    if (!cfg) {
        target_free(t);
        return NULL;
    }
    fill(t, cfg);
    cfg_free(cfg);
    if (!mailboxes_known(t, path, errors)) {
        target_free(t);
        return NULL;
    }
    return t;
}

void target_free(struct target *t)
{
    if (t) {
        struct arena a = t->arena;
        arena_free(&a);
    }
}

const struct target_service *target_service(const struct target *t, const char *name)
{
    for (size_t i = 0; i < t->service_count; i++)
        if (strcmp(t->services[i].name, name) == 0)
            return &t->services[i];
    return NULL;
}

const struct target_account *target_account(const struct target *t, const char *name)
{
    for (size_t i = 0; i < t->account_count; i++)
        if (strcmp(t->accounts[i].name, name) == 0)
            return &t->accounts[i];
    return NULL;
}

const struct target_profile *target_profile(const struct target *t, const char *name)
{
    for (size_t i = 0; i < t->profile_count; i++)
        if (strcmp(t->profiles[i].name, name) == 0)
            return &t->profiles[i];
    return NULL;
}

bool target_lacks(const struct target *t, const char *profile, const char *need)
{
    const struct target_profile *p = target_profile(t, profile);
    return (p && ids_have(&p->unsupported, need)) ||
           (ids_have(&t->unsupported, need) && !(p && ids_have(&p->provides, need)));
}

/* Scripted servers, zones, hosts, the target's life and addresses of one's choice are only to be had
 * in the lab. */
static bool needs_lab(const struct scenario *s)
{
    for (size_t i = 0; i < s->part_count; i++) {
        const struct part *p = &s->parts[i];
        if (p->kind == PART_CLIENT && (p->client->from || p->client->address))
            return true;
        if (p->kind != PART_CLIENT && p->kind != PART_JOIN && p->kind != PART_DELIVER &&
            !(p->kind == PART_CHECK && (p->check->kind == CHECK_MAILBOX ||
              p->check->kind == CHECK_VALUES || p->check->in_mailbox)))
            return true;
    }
    return false;
}

static bool provides(const struct target *t, const struct target_profile *profile, const char *need)
{
    return !target_lacks(t, profile->name, need) &&
           (ids_have(&t->provides, need) || ids_have(&profile->provides, need));
}

enum verdict target_may_run(const struct target *t, const struct scenario *s, struct buf *reason)
{
    const struct target_profile *profile = target_profile(t, s->profile);
    if (!profile) {
        buf_printf(reason, "%s has no profile %s", t->name, s->profile);
        return V_SKIP;
    }
    if (!t->lab && needs_lab(s)) {
        buf_add_str(reason, "this scenario needs the lab, and the target runs outside of it");
        return V_SKIP;
    }
    for (size_t i = 0; i < s->needs.n; i++) {
        const char *need = s->needs.v[i];
        if (need_is_probed(need))
            continue;
        if (*need == '!') {
            if (!provides(t, profile, need + 1))
                continue;
            buf_printf(reason, "%s provides %s, and this scenario is for servers without", t->name,
                       need + 1);
            return V_SKIP;
        }
        bool lacks = target_lacks(t, s->profile, need);
        if (provides(t, profile, need) || (strcmp(need, "root") == 0 && geteuid() == 0) ||
            (strcmp(need, "lab") == 0 && t->lab) || version_is_need(need))
            continue;
        buf_printf(reason, lacks ? "%s declares that it does not support %s"
                                 : "%s does not say that it provides %s", t->name, need);
        return lacks ? V_UNSUPPORTED : V_SKIP;
    }
    return V_PASS;
}
