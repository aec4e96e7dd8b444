/* secret.c - the forms of secrets. */
#include "reference/auth/secret.h"

#include "base/base64.h"
#include "base/mem.h"
#include "reference/auth/digest.h"
#include "reference/auth/password.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

static const struct { const char *scheme; size_t size; } scram[SCRAM_HASHES] = {
    [SCRAM_SHA_1] = {"{SCRAM-SHA-1}", 20},
    [SCRAM_SHA_256] = {"{SCRAM-SHA-256}", 32},
};
enum { PLAIN_SCHEME = sizeof "{PLAIN}" - 1, CRYPT_SCHEME = sizeof "{CRYPT}" - 1 };

size_t scram_key_size(enum scram_hash h) { return scram[h].size; }

static const EVP_MD *digest_of(enum scram_hash h)
{
    return h == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
}

/* RFC 5802 3: SaltedPassword = Hi(password, salt, i)
 *             StoredKey = H(HMAC(SaltedPassword, "Client Key"))
 *             ServerKey = HMAC(SaltedPassword, "Server Key") */
void scram_keys_make(enum scram_hash h, const char *password, struct scram_keys *k)
{
    const EVP_MD *md = digest_of(h);
    unsigned char salted[SCRAM_KEY_MAX], client[SCRAM_KEY_MAX];
    int size = (int)scram[h].size;
    char *prepared = password_prepare(password);
    const char *text = prepared ? prepared : "";
    bool good = PKCS5_PBKDF2_HMAC(text, (int)strlen(text), k->salt, (int)k->salt_len,
                                  (int)k->iterations, md, size, salted) == 1 &&
                HMAC(md, salted, size, (const unsigned char *)"Client Key", 10, client, NULL) &&
                EVP_Digest(client, (size_t)size, k->stored, NULL, md, NULL) == 1 &&
                HMAC(md, salted, size, (const unsigned char *)"Server Key", 10, k->server, NULL);
    if (!good || !prepared)    /* no password has these keys */
        RAND_bytes(k->stored, sizeof k->stored);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client, sizeof client);
    password_wipe(prepared);
}

/* ---- reading them ---------------------------------------------------------------------------- */

static bool fill_from_base64(struct slice text, unsigned char *out, size_t max, size_t *n)
{
    struct buf octets = {0};
    bool good = buf_add_unbase64(&octets, text) && octets.len > 0 && octets.len <= max;
    if (good)
        memcpy(out, octets.data, octets.len);
    *n = octets.len;
    if (octets.cap)
        explicit_bzero(octets.data, octets.cap);
    buf_free(&octets);
    return good;
}

/* "iterations,salt,stored,server" */
static bool read_keys(struct slice text, enum scram_hash h, struct scram_keys *k)
{
    struct slice field[4] = {{0}}, f;
    size_t n = 0, stored, server;
    uint64_t iterations;
    while (slice_next(&text, ',', &f)) {
        if (n == 4)
            return false;
        field[n++] = f;
    }
    if (n != 4 || !slice_number(field[0], SCRAM_ITERATIONS_MAX, &iterations) ||
        iterations < SCRAM_ITERATIONS)
        return false;
    k->iterations = (uint32_t)iterations;
    return fill_from_base64(field[1], k->salt, SCRAM_SALT_MAX, &k->salt_len) &&
           fill_from_base64(field[2], k->stored, SCRAM_KEY_MAX, &stored) &&
           fill_from_base64(field[3], k->server, SCRAM_KEY_MAX, &server) &&
           stored == scram[h].size && server == scram[h].size;
}

static struct slice without_lock(struct slice s)
{
    return s.n && s.p[0] == '!' ? slice_sub(s, 1, s.n) : s;
}

bool secret_scram(const char *secret, enum scram_hash h, struct scram_keys *out)
{
    struct slice s = slice_str(secret), scheme = slice_str(scram[h].scheme);
    return slice_istarts(s, scheme) && read_keys(slice_sub(s, scheme.n, s.n), h, out);
}

const char *secret_plain(const char *secret)
{
    bool plain = secret && slice_istarts(slice_str(secret), SLICE("{PLAIN}"));
    return plain ? secret + PLAIN_SCHEME : NULL;
}

const char *secret_crypt(const char *secret)
{
    if (!secret || secret_locked(secret))
        return NULL;
    if (slice_istarts(slice_str(secret), SLICE("{CRYPT}")))
        return secret + CRYPT_SCHEME;
    return secret[0] != '{' ? secret : NULL;
}

bool secret_locked(const char *secret) { return secret[0] == '!' || secret[0] == '*'; }

const char *secret_problem(struct slice text)
{
    struct scram_keys keys;
    struct slice s = without_lock(text);
    if (s.n == 0 || s.p[0] != '{')
        return NULL;       /* a crypt hash: crypt(3) alone knows its methods */
    if (slice_istarts(s, SLICE("{PLAIN}"))) {
        char *password = slice_dup(slice_sub(s, PLAIN_SCHEME, s.n));
        char *prepared = password_prepare(password);
        bool good = prepared && *prepared;
        password_wipe(password);
        password_wipe(prepared);
        return good ? NULL
                    : "{PLAIN} must be followed by a password in UTF-8 without control characters";
    }
    if (slice_istarts(s, SLICE("{CRYPT}")))
        return s.n > CRYPT_SCHEME ? NULL : "{CRYPT} must be followed by a hash of crypt(5)";
    if (slice_istarts(s, SLICE("{ARGON2")))
        return slice_find(s, SLICE("}$argon2")) > 0
                   ? NULL : "{ARGON2} must be followed by $argon2id$ and so on";
    if (digest_is(s))
        return digest_well_formed(s)
                   ? NULL : "behind the scheme stands digest and salt in Base64 (RFC 2307 5.3)";
    for (int h = 0; h < SCRAM_HASHES; h++) {
        struct slice scheme = slice_str(scram[h].scheme);
        if (!slice_istarts(s, scheme))
            continue;
        bool good = read_keys(slice_sub(s, scheme.n, s.n), (enum scram_hash)h, &keys);
        explicit_bzero(&keys, sizeof keys);
        return good ? NULL
                    : "SCRAM keys are iterations,salt,stored,server: 4096 to 1000000, and Base64; "
                      "postroad user passwd makes them";
    }
    return "no such scheme; write {PLAIN}, {SCRAM-SHA-256}, {SCRAM-SHA-1}, {ARGON2}, {SSHA}, or a "
           "hash of crypt(5)";
}

/* ---- comparing them -------------------------------------------------------------------------- */

/* Do the keys stand for the password? With no keys: false after the same work. */
static bool keys_fit(const struct scram_keys *keys, enum scram_hash h, const char *password,
                     uint32_t iterations)
{
    struct scram_keys made = {.iterations = iterations, .salt_len = SCRAM_SALT_OURS};
    if (keys)
        made = *keys;
    memset(made.stored, 0, sizeof made.stored);
    scram_keys_make(h, password, &made);
    bool fits = keys && CRYPTO_memcmp(made.stored, keys->stored, scram[h].size) == 0;
    explicit_bzero(&made, sizeof made);
    return fits;
}

static bool plain_fits(const char *plain, const char *password)
{
    char *a = password_prepare(plain ? plain : ""), *b = password_prepare(password);
    size_t n = a ? strlen(a) : 0;
    bool fits = plain && n && b && strlen(b) == n && CRYPTO_memcmp(a, b, n) == 0;
    password_wipe(a);
    password_wipe(b);
    return fits;
}

bool secret_fits(const char *secret, const char *password, const struct secret_costs *costs)
{
    struct scram_keys keys;
    enum scram_hash h = SCRAM_SHA_256;
    bool by_keys = secret && secret_scram(secret, SCRAM_SHA_256, &keys);
    if (secret && !by_keys && secret_scram(secret, SCRAM_SHA_1, &keys)) {
        by_keys = true;
        h = SCRAM_SHA_1;
    }
    const char *plain = secret_plain(secret), *crypt = secret_crypt(secret),
               *argon2 = argon2_encoded(secret);
    bool crypt_fits = password_fits(crypt ? crypt : costs->crypt, password);
    bool scram_fits = keys_fit(by_keys ? &keys : NULL, h, password, costs->iterations);
    bool hard_fits = (argon2 || costs->argon2) &&
                     argon2_fits(argon2 ? argon2 : costs->argon2, password);
    bool same = plain_fits(plain, password);
    bool digest = secret && digest_fits(secret, password);
    explicit_bzero(&keys, sizeof keys);
    return crypt ? crypt_fits : by_keys ? scram_fits : argon2 ? hard_fits : plain ? same : digest;
}

void secret_costs_take(struct secret_costs *c, bool *has_scram, const char *secret)
{
    struct scram_keys keys;
    const char *crypt = secret_crypt(secret), *argon2 = argon2_encoded(secret);
    if (crypt && crypt[0] == '$' && !c->crypt)
        c->crypt = xstrdup(crypt);
    if (argon2 && !c->argon2)
        c->argon2 = xstrdup(argon2);
    if (!*has_scram && secret && (secret_scram(secret, SCRAM_SHA_256, &keys) ||
                                  secret_scram(secret, SCRAM_SHA_1, &keys))) {
        c->iterations = keys.iterations;
        *has_scram = true;
    }
    explicit_bzero(&keys, sizeof keys);
}

void secret_costs_free(struct secret_costs *c)
{
    password_wipe(c->crypt);
    password_wipe(c->argon2);
    *c = (struct secret_costs){0};
}

static char *make_scram(enum scram_hash h, const char *password)
{
    struct scram_keys k = {.iterations = SCRAM_ITERATIONS, .salt_len = SCRAM_SALT_OURS};
    struct buf text = {0};
    if (RAND_bytes(k.salt, SCRAM_SALT_OURS) != 1)
        die(70, "no random numbers from the system");
    scram_keys_make(h, password, &k);
    buf_printf(&text, "%s%u,", scram[h].scheme, (unsigned)k.iterations);
    buf_add_base64(&text, slice_of(k.salt, k.salt_len));
    buf_add_byte(&text, ',');
    buf_add_base64(&text, slice_of(k.stored, scram[h].size));
    buf_add_byte(&text, ',');
    buf_add_base64(&text, slice_of(k.server, scram[h].size));
    explicit_bzero(&k, sizeof k);
    return buf_take(&text);
}

const char *secret_scheme(const char *secret)
{
    struct slice s = without_lock(slice_str(secret));
    return slice_istarts(s, SLICE("{PLAIN}"))           ? "plain"
           : slice_istarts(s, SLICE("{SCRAM-SHA-256}")) ? "scram-sha-256"
           : slice_istarts(s, SLICE("{SCRAM-SHA-1}"))   ? "scram-sha-1"
           : slice_istarts(s, SLICE("{ARGON2"))         ? "argon2"
           : digest_is(s)                               ? "ssha"
                                                        : "crypt";
}

char *secret_make(const char *scheme, const char *password)
{
    struct slice name = slice_str(scheme);
    char *prepared = password_prepare(password);
    bool usable = prepared && *prepared;
    password_wipe(prepared);
    errno = usable ? EINVAL : EILSEQ;
    if (!usable)
        return NULL;
    if (slice_ieq_str(name, "crypt"))
        return password_hash(password);
    if (slice_ieq_str(name, "scram-sha-256"))
        return make_scram(SCRAM_SHA_256, password);
    if (slice_ieq_str(name, "scram-sha-1"))
        return make_scram(SCRAM_SHA_1, password);
    if (slice_ieq_str(name, "ssha"))
        return digest_make_ssha(password);
    if (slice_ieq_str(name, "argon2"))
        return argon2_make(password);
    /* The fields of a line are separated by colons. */
    bool fits = slice_ieq_str(name, "plain") && !strpbrk(password, ":\r\n");
    return fits ? xasprintf("{PLAIN}%s", password) : NULL;
}
