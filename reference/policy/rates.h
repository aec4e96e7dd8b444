/* rates.h - how often a client did something lately: counts in two windows, the earlier one by the
 * share that still lies inside the window's length, so that there is no edge to hide behind. */
#ifndef REFERENCE_POLICY_RATES_H
#define REFERENCE_POLICY_RATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rates;

/* Room for that many clients; beyond it those that were not seen for longest are forgotten. */
struct rates *rates_new(size_t clients);
void rates_free(struct rates *r);
/* Counts one for `key` at `now` (ms) and gives the number within the window, this one included.
 * Thread-safe. */
int64_t rates_count(struct rates *r, const char *key, int64_t window_ms, int64_t now);

#endif
