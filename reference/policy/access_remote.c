/* access_remote.c - which kinds of remote lists this build has. */
#include "reference/policy/access_remote.h"

#include "reference/auth/optional.h"

const struct access_remote *access_remote_find(const char *type)
{
    static const struct access_remote *const types[] = {
#ifdef WITH_MYSQL
        &access_mysql,
#endif
#ifdef WITH_LDAP
        &access_ldap,
#endif
        NULL,
    };
    for (size_t i = 0; types[i]; i++)
        if (strcmp(types[i]->type, type) == 0)
            return types[i];
    return NULL;
}
