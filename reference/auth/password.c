/* password.c - SASLprep and crypt(3), with their memory wiped afterwards. */
#include "reference/auth/password.h"

#include "base/mem.h"

#include <crypt.h>
#include <errno.h>
#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

char *password_prepare(const char *password)
{
    char *prepared = NULL;
    return gsasl_saslprep(password, GSASL_ALLOW_UNASSIGNED, &prepared, NULL) == GSASL_OK ? prepared
                                                                                        : NULL;
}

void password_wipe(char *password)
{
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
}

/* No early exit, so that the time does not say how much was right. */
static bool same_text(const char *a, const char *b)
{
    size_t n = strlen(a);
    unsigned char difference = 0;
    if (strlen(b) != n)               /* the length of a hash is no secret */
        return false;
    for (size_t i = 0; i < n; i++)
        difference |= (unsigned char)(a[i] ^ b[i]);
    return difference == 0;
}

/* crypt_r of libxcrypt wants 32 KiB, too much for the stack of a session. */
static char *hash_with(const char *password, const char *setting)
{
    struct crypt_data *data = xcalloc(1, sizeof *data);
    const char *hash = crypt_r(password, setting, data);
    char *copy = hash && hash[0] != '*' ? xstrdup(hash) : NULL;
    int saved = errno;
    explicit_bzero(data, sizeof *data);
    free(data);
    errno = saved;
    return copy;
}

bool password_fits(const char *hash, const char *password)
{
    char *prepared = password_prepare(password);
    char *made = hash_with(prepared ? prepared : "", hash);
    bool same = prepared && made && same_text(made, hash);
    password_wipe(prepared);
    free(made);
    return same;
}

char *password_hash(const char *password)
{
    if (strlen(password) >= PASSWORD_MAX) {
        errno = ERANGE;
        return NULL;
    }
    char *prepared = password_prepare(password);
    if (!prepared) {
        errno = EILSEQ;
        return NULL;
    }
    char *setting = crypt_gensalt_ra(NULL, 0, NULL, 0);
    char *hash = setting ? hash_with(prepared, setting) : NULL;
    int saved = errno;
    free(setting);
    password_wipe(prepared);
    errno = saved;
    return hash;
}
