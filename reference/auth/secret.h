/* secret.h - what the users file keeps of a password, and what each form is good for
 * (docs/postroad.conf.5.md):
 *
 *   $y$..., {CRYPT}...                             PLAIN, LOGIN, USER/PASS: all of crypt(5)
 *   {ARGON2}$argon2id$...                          the same
 *   {SHA}, {SSHA}, {SSHA256}, ...                  the same (digest.h)
 *   {SCRAM-SHA-256}iterations,salt,stored,server   the same, and SCRAM-SHA-256
 *   {SCRAM-SHA-1}iterations,salt,stored,server     the same, and SCRAM-SHA-1
 *   {PLAIN}password                                all mechanisms
 *
 * salt, stored and server are in Base64. Passwords are compared after SASLprep (RFC 4013). */
#ifndef REFERENCE_AUTH_SECRET_H
#define REFERENCE_AUTH_SECRET_H

#include "base/buf.h"

enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256, SCRAM_HASHES };

enum {
    SCRAM_KEY_MAX = 32,             /* octets of the larger hash */
    SCRAM_SALT_MAX = 64,
    SCRAM_SALT_OURS = 16,           /* of those that we make */
    SCRAM_ITERATIONS = 4096,        /* RFC 7677 4: at least */
    SCRAM_ITERATIONS_MAX = 1000000, /* more would let each log-in occupy us for seconds */
};

struct scram_keys {
    uint32_t iterations;
    unsigned char salt[SCRAM_SALT_MAX];
    size_t salt_len;
    unsigned char stored[SCRAM_KEY_MAX], server[SCRAM_KEY_MAX];
};

size_t scram_key_size(enum scram_hash h);
/* Fills stored and server from a password and the salt and iterations that *k has already. */
void scram_keys_make(enum scram_hash h, const char *password, struct scram_keys *k);

/* NULL when the text is a secret, or what is wrong with it and the remedy (static). */
const char *secret_problem(struct slice text);
/* '!' or '*' in front: mail is taken, nobody can log in. */
bool secret_locked(const char *secret);
/* The password itself, when the secret is in that form (a view); else NULL. */
const char *secret_plain(const char *secret);
/* The keys, when the secret holds them for this hash. */
bool secret_scram(const char *secret, enum scram_hash h, struct scram_keys *out);

/* What a check costs for the accounts of a file, so that the same can be spent where there is no
 * account: a crypt(5) setting, and the iterations of SCRAM. */
struct secret_costs { char *crypt; uint32_t iterations; char *argon2; };
void secret_costs_free(struct secret_costs *c);
/* Takes from this secret what costs do not know yet; NULL is fine. */
void secret_costs_take(struct secret_costs *c, bool *has_scram, const char *secret);
/* The hash of crypt(5) that the secret is (a view); NULL when it is of another form. */
const char *secret_crypt(const char *secret);

/* Is this the password of the secret? secret NULL: of nobody, false. The work is that of one
 * crypt(3), one derivation of SCRAM keys, and one Argon2 where accounts have that, in every case:
 * the time does not tell which. */
bool secret_fits(const char *secret, const char *password, const struct secret_costs *costs);

/* A new secret of this password, malloc'ed; scheme: "crypt", "plain", "scram-sha-1",
 * "scram-sha-256", "ssha", "argon2". NULL with errno: EINVAL for another scheme, EILSEQ for a password that cannot
 * be one. */
char *secret_make(const char *scheme, const char *password);
/* The scheme that a secret was made with (static). */
const char *secret_scheme(const char *secret);

#endif
