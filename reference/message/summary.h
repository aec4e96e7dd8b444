/* summary.h - what SEARCH, SORT and THREAD want of a header, made once and kept in the index.
 *
 * Text that is searched or sorted by is decoded and folded already (text_fold), so that a search
 * over many messages is a comparison of octets. */
#ifndef REFERENCE_SUMMARY_H
#define REFERENCE_SUMMARY_H

#include "base/buf.h"

enum summary_field {
    SUMMARY_FROM, SUMMARY_TO, SUMMARY_CC, SUMMARY_BCC,   /* all of the field, folded */
    SUMMARY_SUBJECT,
    SUMMARY_BASE_SUBJECT,                                /* RFC 5256 2.1, folded */
    SUMMARY_FIRST_FROM, SUMMARY_FIRST_TO, SUMMARY_FIRST_CC,   /* local part of the first address,
                                                            folded: SORT (RFC 5256 3) */
    SUMMARY_DISPLAY_FROM, SUMMARY_DISPLAY_TO,            /* RFC 5957 3, folded */
    SUMMARY_MESSAGE_ID, SUMMARY_IN_REPLY_TO, SUMMARY_REFERENCES,   /* as written, unfolded */
    SUMMARY_FIELDS
};

struct summary {
    bool has_date;               /* the Date field could be read */
    int64_t sent;                /* seconds since 1970 */
    int32_t sent_day;            /* struct sent_date.local_day */
    bool reply;                  /* the subject is that of a reply or forward (RFC 5256 3) */
    struct slice field[SUMMARY_FIELDS];   /* p NULL: the header has no such field */
};

/* Appends the summary of a header, in a form for summary_read only. */
void summary_make(struct buf *out, struct slice header);
/* The slices point into text. False when it is not of summary_make: another version of it. */
bool summary_read(struct slice text, struct summary *out);
/* The field that holds all of the header fields of that name, folded or not; -1: none does. */
int summary_field_of(struct slice header_name);

#endif
