/* system_user.h - users of the operating system, for back ends that can check a password and know
 * nothing else. */
#ifndef REFERENCE_AUTH_SYSTEM_USER_H
#define REFERENCE_AUTH_SYSTEM_USER_H

#include "reference/auth/backend.h"

/* As look_up of backend.h, by getpwnam(3), without a secret. For a log-in (account_only) with the day
 * on which the account expires, where shadow(5) can be read. */
enum auth_status system_user(const struct account_query *q, struct record *out, struct buf *why);

struct passwd;
void system_user_fill(const struct passwd *pw, struct record *out);

#endif
