/* login_delay.h - the least time between two log-ins of a user (RFC 2449 6.5). */
#ifndef REFERENCE_POP3D_LOGIN_DELAY_H
#define REFERENCE_POP3D_LOGIN_DELAY_H

#include <stdbool.h>
#include <stdint.h>

struct login_delay;

struct login_delay *login_delay_new(int64_t delay_ms);
void login_delay_free(struct login_delay *d);
/* May the user, whose password was right, log in now? If so this is the log-in that the next one
 * is measured from. Any thread; NULL: always. */
bool login_delay_passed(struct login_delay *d, const char *user);

#endif
