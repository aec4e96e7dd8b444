/* digest.c - salted digests, and Argon2. */
#include "reference/auth/digest.h"

#include "base/base64.h"
#include "base/mem.h"
#include "reference/auth/optional.h"
#include "reference/auth/password.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>

enum { SALT_MAX = 64, SALT_OURS = 16 };

static const struct digest {
    const char *scheme;
    const EVP_MD *(*md)(void);
    size_t size;
    bool salted;
} digests[] = {
    {"{MD5}", EVP_md5, 16, false},       {"{SMD5}", EVP_md5, 16, true},
    {"{SHA}", EVP_sha1, 20, false},      {"{SSHA}", EVP_sha1, 20, true},
    {"{SHA256}", EVP_sha256, 32, false}, {"{SSHA256}", EVP_sha256, 32, true},
    {"{SHA512}", EVP_sha512, 64, false}, {"{SSHA512}", EVP_sha512, 64, true},
};

static const struct digest *find(struct slice secret)
{
    for (size_t i = 0; i < sizeof digests / sizeof *digests; i++)
        if (slice_istarts(secret, slice_str(digests[i].scheme)))
            return &digests[i];
    return NULL;
}

bool digest_is(struct slice secret) { return find(secret) != NULL; }

/* Digest and salt into *out. */
static bool decode(const struct digest *d, struct slice secret, struct buf *out)
{
    return buf_add_unbase64(out, slice_sub(secret, strlen(d->scheme), secret.n)) &&
           out->len >= d->size && out->len <= d->size + (d->salted ? SALT_MAX : 0);
}

bool digest_well_formed(struct slice secret)
{
    const struct digest *d = find(secret);
    struct buf octets = {0};
    bool good = d && decode(d, secret, &octets);
    buf_free(&octets);
    return good;
}

static bool digest(const struct digest *d, const char *password, const void *salt, size_t n,
                   unsigned char *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, d->md(), NULL) == 1 &&
                EVP_DigestUpdate(ctx, password, strlen(password)) == 1 &&
                EVP_DigestUpdate(ctx, salt, n) == 1 && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

bool digest_fits(const char *secret, const char *password)
{
    const struct digest *d = find(slice_str(secret));
    unsigned char made[EVP_MAX_MD_SIZE];
    struct buf kept = {0};
    char *prepared = password_prepare(password);
    bool fits = d && prepared && decode(d, slice_str(secret), &kept) &&
                digest(d, prepared, kept.data + d->size, kept.len - d->size, made) &&
                CRYPTO_memcmp(made, kept.data, d->size) == 0;
    explicit_bzero(made, sizeof made);
    password_wipe(prepared);
    buf_free(&kept);
    return fits;
}

char *digest_make_ssha(const char *password)
{
    const struct digest *d = find(SLICE("{SSHA}"));
    unsigned char octets[EVP_MAX_MD_SIZE + SALT_OURS];
    struct buf text = {0};
    char *prepared = password_prepare(password);
    if (RAND_bytes(octets + d->size, SALT_OURS) != 1 || !prepared ||
        !digest(d, prepared, octets + d->size, SALT_OURS, octets))
        die(70, "no digest from the system");
    buf_add_str(&text, d->scheme);
    buf_add_base64(&text, slice_of(octets, d->size + SALT_OURS));
    password_wipe(prepared);
    return buf_take(&text);
}

/* ---- Argon2 ---------------------------------------------------------------------------------- */

const char *argon2_encoded(const char *secret)
{
    struct slice s = slice_str(secret);
    const char *end = secret ? strchr(secret, '}') : NULL;
    return slice_istarts(s, SLICE("{ARGON2")) && end && slice_starts(slice_str(end + 1),
                                                                     SLICE("$argon2")) ? end + 1
                                                                                       : NULL;
}

#ifdef WITH_ARGON2
#include <argon2.h>

/* RFC 9106 4 recommends 64 MiB; that many log-ins at once would cost more than there is. */
enum { PASSES = 3, KIBIBYTES = 16 * 1024, LANES = 1, HASH = 32 };

/* Somebody else's parameters may ask for all memory there is. */
static bool affordable(const char *encoded)
{
    enum { KIBIBYTES_MAX = 256 * 1024 };
    const char *m = strstr(encoded, "$m="), *t = strstr(encoded, ",t=");
    return m && t && strtoul(m + 3, NULL, 10) <= KIBIBYTES_MAX && strtoul(t + 3, NULL, 10) <= 20;
}

bool argon2_fits(const char *encoded, const char *password)
{
    argon2_type type = strncmp(encoded, "$argon2id", 9) == 0  ? Argon2_id
                       : strncmp(encoded, "$argon2i$", 9) == 0 ? Argon2_i
                                                               : Argon2_d;
    char *prepared = password_prepare(password);
    bool fits = prepared && affordable(encoded) &&
                argon2_verify(encoded, prepared, strlen(prepared), type) == ARGON2_OK;
    password_wipe(prepared);
    return fits;
}

char *argon2_make(const char *password)
{
    unsigned char salt[SALT_OURS];
    char encoded[256] = "";
    char *prepared = password_prepare(password);
    if (RAND_bytes(salt, sizeof salt) != 1 || !prepared ||
        argon2id_hash_encoded(PASSES, KIBIBYTES, LANES, prepared, strlen(prepared), salt,
                              sizeof salt, HASH, encoded, sizeof encoded) != ARGON2_OK)
        die(70, "no Argon2 hash from the system");
    password_wipe(prepared);
    return xasprintf("{ARGON2}%s", encoded);
}
#else
bool argon2_fits(const char *encoded, const char *password)
{
    (void)encoded, (void)password;
    return false;
}

char *argon2_make(const char *password)
{
    (void)password;
    errno = ENOTSUP;
    return NULL;
}
#endif
