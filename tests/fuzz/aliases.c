/* aliases(5) files over arbitrary bytes: no item is empty or has a NUL, every alias is found again,
 * and whatever is refused says so. The users file, of the same kind, is parsed beside it. */
#include "reference/auth/aliases.h"
#include "reference/auth/users.h"

#include <stdlib.h>

static void check_aliases(struct slice text)
{
    struct aliases a;
    struct buf errors = {0};
    bool good = aliases_parse(&a, text, "aliases", &errors);
    if (good != (errors.len == 0) || (!good && a.n))
        abort();
    for (size_t i = 0; i < a.n; i++) {
        if (a.v[i].items.n == 0 || aliases_find(&a, slice_str(a.v[i].name)) != &a.v[i])
            abort();
        for (size_t j = 0; j < a.v[i].items.n; j++)
            if (a.v[i].items.v[j][0] == 0)
                abort();
    }
    aliases_free(&a);
    buf_free(&errors);
}

static void check_users(struct slice text)
{
    struct users u;
    struct buf errors = {0};
    bool good = users_parse(&u, text, "users", &errors);
    if (good != (errors.len == 0))
        abort();
    for (size_t i = 0; i < u.n; i++)
        if (!user_name_valid(slice_str(u.v[i].name)) ||
            users_find(&u, slice_str(u.v[i].name)) != &u.v[i])
            abort();
    users_free(&u);
    buf_free(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_aliases(slice_of(data, size));
    check_users(slice_of(data, size));
    char *local = local_part_unquote(slice_of(data, size));
    free(local);
    return 0;
}
