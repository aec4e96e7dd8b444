/* date.h - reads the date-time of header fields (RFC 5322 3.3; obsolete forms of 4.3 and worse). */
#ifndef REFERENCE_DATE_H
#define REFERENCE_DATE_H

#include "base/slice.h"

struct sent_date {
    int64_t utc;             /* seconds since 1970 */
    int zone_minutes;        /* east of UTC; 0 for "-0000" and unknown letters (4.3) */
    int32_t local_day;       /* the day as written, from 1970-01-01, whatever the zone:
                                SENTBEFORE, SENTON, SENTSINCE (RFC 9051 6.4.4) */
};

/* True when day, month and year could be made out; a missing or wrong time is 00:00:00 and a
 * missing or unknown zone is +0000 (RFC 5256 2.2). */
bool date_parse(struct slice value, struct sent_date *out);

/* Days since 1970-01-01 of a date of the Gregorian calendar; month 1..12, day 1.. */
int32_t date_days(int year, int month, int day);

#endif
