/* throttle.h - wrong guesses cost time, by address and by user, over all protocols. After some that are
 * free each further log-in of that address, or for that user, waits before it is looked at: twice
 * as long with each, and the right password as long as a wrong one, so that waiting tells nothing.
 * A quarter of an hour without a wrong guess clears the account. Thread-safe; the table is bounded,
 * and who makes two names collide is slowed like the other. */
#ifndef REFERENCE_AUTH_THROTTLE_H
#define REFERENCE_AUTH_THROTTLE_H

#include <stdint.h>

enum {
    THROTTLE_SLOTS = 4096,
    THROTTLE_STEP_MS = 500,        /* the first wait over the free guesses */
    THROTTLE_MAX_MS = 8000,
    THROTTLE_FORGET_MS = 15 * 60 * 1000,
    THROTTLE_USER_FREE = 3,        /* times as many as for an address: users share no address */
};

/* free: wrong guesses of one address that cost nothing; 0: nothing is ever slowed. */
void throttle_init(int free);
/* How long a log-in of this address (as text; IPv6 counts by its /64) as this user is to wait, ms. */
int64_t throttle_delay(const char *peer, const char *user, int64_t now_ms);
void throttle_refused(const char *peer, const char *user, int64_t now_ms);

#endif
