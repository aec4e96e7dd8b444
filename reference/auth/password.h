/* password.h - passwords, and their hashes of crypt(5). */
#ifndef REFERENCE_AUTH_PASSWORD_H
#define REFERENCE_AUTH_PASSWORD_H

#include <stdbool.h>

enum { PASSWORD_MAX = 512 };   /* octets; what crypt(3) takes */

/* The password as it is compared and hashed: SASLprep (RFC 4013, RFC 4616 2), malloc'ed. NULL when
 * it is not UTF-8 or has control characters; nobody's password is such. */
char *password_prepare(const char *password);
void password_wipe(char *password);   /* overwrites and frees; NULL is fine */

/* Is this the password of the hash? Constant in time over the comparison. */
bool password_fits(const char *hash, const char *password);
/* A new hash with the strongest method of the system's libcrypt, malloc'ed; NULL with errno
 * (EILSEQ: password_prepare refuses the password). */
char *password_hash(const char *password);

#endif
