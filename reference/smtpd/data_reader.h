/* data_reader.h - the byte automaton that finds the end of a message (RFC 5321 4.1.1.4, 4.5.2).
 *
 *                  '.'          CR         LF         NUL        other
 *   LINE_START     DOT          CR         TEXT, lf   TEXT, nul  TEXT
 *   DOT            TEXT         DOT_CR     TEXT, lf   TEXT, nul  TEXT        the dot is dropped
 *   DOT_CR         TEXT, cr     CR, cr     END        TEXT, cr   TEXT, cr
 *   TEXT           TEXT         CR         TEXT, lf   TEXT, nul  TEXT
 *   CR             TEXT, cr     CR, cr     LINE_START TEXT, cr   TEXT, cr
 *
 * lf, cr, nul: the message is marked as broken. A broken message is refused, but only after its
 * real end, which is CRLF.CRLF and nothing else: what follows a look-alike stays message text and
 * never becomes a command (the smuggling attacks of 2023). */
#ifndef REFERENCE_SMTPD_DATA_READER_H
#define REFERENCE_SMTPD_DATA_READER_H

#include "base/slice.h"

enum data_state { DATA_LINE_START, DATA_DOT, DATA_DOT_CR, DATA_TEXT, DATA_CR, DATA_END };

/* RFC 5321 4.5.3.1.6 lets text lines have 1000 octets with CRLF, and 4.5.3.1 asks for no limits
 * where they can be done without. Longer ones are common, so they are taken; the bound is what
 * the parts that read a stored message line by line must hold. */
enum { DATA_LINE_MAX = 65536 };

struct data_reader {
    enum data_state state;      /* zeroed: DATA_LINE_START, right after the DATA command */
    size_t line_octets;         /* of the current line so far */
    bool bare_cr, bare_lf, nul; /* broken: see above */
    bool line_too_long;         /* over DATA_LINE_MAX with its CRLF */
};

/* Reads some of `in` and returns how many octets it took (at least one unless in is empty or the
 * state is DATA_END). *out is what these octets contribute to the message: a view into `in`,
 * without the dots of transparency and without the final line; maybe empty. */
size_t data_reader_feed(struct data_reader *r, struct slice in, struct slice *out);

#endif
