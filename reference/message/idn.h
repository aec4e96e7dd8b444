/* idn.h - names of domains in other scripts (RFC 5890, RFC 5891). */
#ifndef REFERENCE_MESSAGE_IDN_H
#define REFERENCE_MESSAGE_IDN_H

#include "base/buf.h"

/* Appends the domain with its U-labels as A-labels ("xn--..."), as DNS has them; ASCII ones stay as
 * they are. False, with nothing appended, when it is no such name. */
bool buf_add_ascii_domain(struct buf *b, struct slice domain);

#endif
