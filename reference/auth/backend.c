/* backend.c - the table of back ends, and records. */
#include "reference/auth/backend.h"

#include "base/mem.h"
#include "reference/auth/optional.h"
#include "reference/auth/password.h"

#include <stdlib.h>

static const struct backend_type *const types[] = {
    &backend_file, &backend_sqlite, &backend_passwd,
#ifdef WITH_PAM
    &backend_pam,
#endif
#ifdef WITH_MYSQL
    &backend_mysql,
#endif
#ifdef WITH_LDAP
    &backend_ldap,
#endif
    &backend_saslauthd, &backend_authdaemon,
};
enum { TYPES = sizeof types / sizeof *types };

const struct backend_type *backend_find(const char *name)
{
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(types[i]->name, name) == 0)
            return types[i];
    return NULL;
}

void backend_names(struct buf *out)
{
    for (size_t i = 0; i < TYPES; i++)
        buf_printf(out, "%s%s", i ? ", " : "", types[i]->name);
}

void account_free(struct account *a)
{
    free(a->user);
    free(a->home);
    free(a->groups);
    for (size_t i = 0; i < a->target_count; i++)
        free(a->targets[i]);
    free(a->targets);
    *a = (struct account){0};
}

static char *copy(const char *text) { return text ? xstrdup(text) : NULL; }

void account_copy(struct account *to, const struct account *from)
{
    *to = *from;
    to->user = copy(from->user);
    to->home = copy(from->home);
    to->groups = copy(from->groups);
    to->targets = xcalloc(from->target_count + 1, sizeof *to->targets);
    for (size_t i = 0; i < from->target_count; i++)
        to->targets[i] = xstrdup(from->targets[i]);
}

void record_free(struct record *r)
{
    account_free(&r->account);
    password_wipe(r->secret);
    *r = (struct record){0};
}

void record_copy(struct record *to, const struct record *from)
{
    *to = *from;
    account_copy(&to->account, &from->account);
    to->secret = copy(from->secret);
}
