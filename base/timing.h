/* timing.h - the clocks. Deadlines are monotonic milliseconds; dates are wall-clock microseconds. */
#ifndef BASE_TIMING_H
#define BASE_TIMING_H

#include "base/buf.h"

#include <stdint.h>

int64_t mono_ms(void);            /* CLOCK_MONOTONIC in ms */
int64_t mono_us(void);            /* CLOCK_MONOTONIC in us */
int64_t wall_us(void);            /* microseconds since 1970, UTC */
void sleep_ms(int64_t ms);        /* sleeps through signals */

/* Appends the date-time of RFC 5322 3.3 in local time: "Tue, 24 Nov 2026 08:07:54 +0000". */
void buf_add_rfc5322_date(struct buf *b, int64_t us);

/* A duration with a unit: "250ms", "30s", "5m", "2h", "5d"; a bare number is seconds.
 * False on anything else or on overflow. */
bool parse_duration_ms(struct slice s, int64_t *ms);
/* A size in octets: "4096", "64K", "50M", "2G" (powers of 1024). False on anything else. */
bool parse_size(struct slice s, uint64_t *octets);

#endif
