/* mbox_line.h - the lines that mean something in an mbox. */
#ifndef REFERENCE_STORE_MBOX_LINE_H
#define REFERENCE_STORE_MBOX_LINE_H

#include "base/buf.h"
#include "reference/store/lines.h"

/* ">From ", ">>From " and so on: a line that was quoted. */
bool mbox_is_quoted(struct slice line);
/* "From ", anything, then "Tue Nov 24 08:07", as asctime writes it, and anything. The first line of
 * a file need not have the date. */
bool mbox_is_from_line(const struct line_piece *p, bool first);
/* Appends "From sender date" in UTC (RFC 4155 appendix A); INT64_MIN: now. White space and
 * controls of a quoted local part, which would make another line or another date, become "_". */
void mbox_add_from_line(struct buf *out, const char *sender, int64_t date);
/* The date of a From_ line, as seconds since 1970; -1: none. */
int64_t mbox_from_date(struct slice line);
/* A header field that mail programs change when a message was looked at. */
bool mbox_is_volatile(struct slice line);

#endif
