/* target.h - a server under test: a folder with target.conf and scripts, or a host.conf that
 * tells where a server of the user's own is. docs/targets.md. */
#ifndef RUNNER_TARGET_H
#define RUNNER_TARGET_H

#include "conformance/runner/ast.h"

struct target_service { const char *name; const char *address; int port; };
struct target_account { const char *name, *password; };

struct target_profile {            /* a way in which it can be configured */
    const char *name;              /* "default" is always there */
    const char *mailbox;
    struct ids provides, unsupported;      /* beside, or against, those of the target */
};

struct target {
    struct arena arena;
    const char *name;
    const char *option;            /* what --target said */
    const char *folder;            /* absolute; NULL for the user's own server */
    const char *build;             /* absolute: build folder, whose bin/ has our programs */
    const char *root;              /* absolute: conformance/ */
    const char *address, *address6;
    const char *hostname;
    const char *mailbox;           /* "pop3", "maildir:PATH/%u", "mbox:...", "mh:..." */
    bool lab;                      /* false: the user's own server */
    struct target_service *services;
    size_t service_count;
    struct target_account *accounts;
    size_t account_count;
    struct target_profile *profiles;
    size_t profile_count;
    struct ids provides, unsupported, packages;
    const char *version;           /* given in host.conf; else asked of the script */
    int64_t start_ms;              /* how long a start may take */
    struct ids quiet_dns;          /* names that it asks whatever the scenario does */
    struct ids adds;               /* header fields of its own, on top of what it delivers */
};

/* `name` is the name of a folder of conformance/targets, or the path of a host.conf. NULL with
 * complaints in *errors. */
struct target *target_load(const char *name, const char *root, const char *build,
                           struct buf *errors);
void target_free(struct target *t);
const struct target_service *target_service(const struct target *t, const char *name);
const struct target_account *target_account(const struct target *t, const char *name);
const struct target_profile *target_profile(const struct target *t, const char *name);
/* Declared as not supported in this profile. */
bool target_lacks(const struct target *t, const char *profile, const char *need);
/* The capability or profile that the scenario needs and the target does not give: V_PASS when it
 * may run, else V_UNSUPPORTED (declared so) or V_SKIP, with the reason. */
enum verdict target_may_run(const struct target *t, const struct scenario *s, struct buf *reason);

#endif
