/* digest.h - secrets of other programs: {SHA} and its relatives as directories keep them (RFC 2307
 * 5.3: the digest of password and salt, then the salt, in Base64), and {ARGON2} (RFC 9106). */
#ifndef REFERENCE_AUTH_DIGEST_H
#define REFERENCE_AUTH_DIGEST_H

#include "base/buf.h"

/* Is it of {MD5}, {SMD5}, {SHA}, {SSHA}, {SHA256}, {SSHA256}, {SHA512}, {SSHA512}? */
bool digest_is(struct slice secret);
bool digest_well_formed(struct slice secret);
bool digest_fits(const char *secret, const char *password);
char *digest_make_ssha(const char *password);               /* malloc'ed */

/* The encoded hash behind {ARGON2}, or {ARGON2ID} and the like (a view); NULL when it is none. */
const char *argon2_encoded(const char *secret);
bool argon2_fits(const char *encoded, const char *password);
/* malloc'ed, with the scheme; NULL with errno ENOTSUP when the build has no Argon2. */
char *argon2_make(const char *password);

#endif
