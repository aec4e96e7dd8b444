/* args.h - the arguments of one command, pulled off the connection as its handler wants them
 * (RFC 9051 9, RFC 3501 9).
 *
 * A command is a line, or several with literals between them. A literal is taken only when a
 * handler comes to it: then the client is told to go on (or had not waited: RFC 7888), the octets are
 * read, and with them the next piece of the line. So a command that is wrong before its literal is
 * answered without reading it, and APPEND can write a large literal to disk as it comes.
 *
 * Every function takes its piece off the front and gives true; or it gives false, and `error` says
 * what was expected. The handler then answers imap_bad_args() and returns. Slices stay valid until the
 * command is answered. What one command may keep in memory is bounded by ARGS_MAX. */
#ifndef REFERENCE_IMAPD_ARGS_H
#define REFERENCE_IMAPD_ARGS_H

#include "base/buf.h"
#include "base/stream.h"
#include "reference/imapd/set.h"

enum {
    ARGS_LINE_MAX = 64 * 1024,       /* a piece of a command between literals (RFC 2683 3.2.1.5 asks for 8000) */
    ARGS_MAX = 256 * 1024,           /* all of a command but the messages of APPEND */
    ARGS_MAX_STRANGER = 16 * 1024,   /* the same before the log-in */
    ARGS_DEPTH_MAX = 50,             /* parentheses inside each other */
    ARGS_LIST_MAX = 4096,            /* members of a list of flags, names, ... */
    LITERAL_MINUS_MAX = 4096,        /* RFC 7888 5 */
};

enum args_status {
    ARGS_GOOD,
    ARGS_WRONG,       /* not the syntax: BAD */
    ARGS_TOO_LARGE,   /* a bound was passed: NO [LIMIT] or BAD [TOOBIG] */
    ARGS_LOST,        /* the connection ended or timed out; nothing is to be said */
};

struct args_chunk;

struct literal {
    uint64_t size;
    bool waits;       /* the client waits for "+" */
    bool binary;      /* literal8, "~{" */
};

struct args {
    struct stream *io;
    struct slice rest;               /* of the current piece of the line */
    size_t room;                     /* octets that may still be kept */
    bool utf8;                       /* mailbox names and quoted strings are UTF-8 (UTF8=ACCEPT, IMAP4rev2) */
    uint64_t unasked_max;            /* octets of a literal that does not wait (RFC 7888 5); 0: any */
    bool line_is_over;               /* no further piece can follow: the last did not end in a literal */
    enum args_status status;
    const char *error;               /* static text, the first thing that was wrong */
    struct args_chunk *chunks;       /* internal: what the slices point into */
    struct literal literal;          /* internal: that the current piece ends in */
    size_t literal_head;             /* internal: octets of its head; 0: there is none */
};

/* Reads the first piece of a command. IO_OK also for one that is too long or has no CRLF: then status
 * says so already. Other results are the stream's. */
enum io args_begin(struct args *a, struct stream *io, size_t most, bool utf8);
/* Reads over what was not parsed, with literals that the client sends without waiting, and frees. False
 * when the connection was lost or more comes than anybody means (the session then closes). */
bool args_end_command(struct args *a);
/* Marks the command as wrong; false, so that a parser can return it. */
bool args_fail(struct args *a, const char *expected);

/* ---- punctuation ----------------------------------------------------------------------------- */
bool args_space(struct args *a);             /* exactly one SP */
bool args_end(struct args *a);               /* the end of the line; spaces before it are forgiven */
bool args_at_end(const struct args *a);      /* nothing is left; takes nothing */
bool args_char(struct args *a, char c);      /* exactly c */
bool args_next_is(const struct args *a, char c);   /* looks, takes nothing and never fails */
/* Takes the word (atom characters, letters of any case) if it is next and ends there: for keywords
 * that may be there. False is no error here. */
bool args_keyword(struct args *a, const char *word);

/* ---- what stands between --------------------------------------------------------------------- */
bool args_tag(struct args *a, struct slice *out);
bool args_atom(struct args *a, struct slice *out);
/* Letters, digits, dots and hyphens: the names of FETCH items, which a "[" may follow. */
bool args_name(struct args *a, struct slice *out);
/* Up to the next space or "]": the beginning of a section. May be empty. */
bool args_section(struct args *a, struct slice *out);
bool args_string(struct args *a, struct slice *out);       /* quoted or literal */
bool args_astring(struct args *a, struct slice *out);
bool args_nstring(struct args *a, struct slice *out);      /* NIL: out->p is NULL */
/* The pattern of LIST: an astring in which % and * may stand outside quotes as well. */
bool args_pattern(struct args *a, struct slice *out);
bool args_number(struct args *a, uint64_t max, uint64_t *out);
bool args_sequence_set(struct args *a, struct number_set *out);   /* the caller's to free; "$" too */
/* A mailbox name, as UTF-8 whatever the client wrote, appended to *out; INBOX in capitals. */
bool args_mailbox(struct args *a, struct buf *out);
/* The same of text that was taken already: the pattern of LIST. */
bool args_name_text(struct args *a, struct slice name, struct buf *out);
/* date of SEARCH: days since 1970-01-01. */
bool args_date(struct args *a, int32_t *day);
/* date-time of APPEND, quoted: seconds since 1970 and the zone's minutes east. */
bool args_date_time(struct args *a, int64_t *utc, int *zone_minutes);
/* One flag of a list: "\Seen" or a keyword. */
bool args_flag(struct args *a, struct slice *out);

/* A special use, "\Sent" (RFC 6154). */
bool args_use(struct args *a, struct slice *out);

/* Lists in parentheses: if (!args_open(a)) ...; while (args_more(a, &first)) { one member }
 *     bool first = true;
 *     if (!args_open(a)) return false;
 *     while (args_more(a, &first)) if (!args_atom(a, &x)) return false;
 * args_more takes the space between members, and the ")" when it gives false; look at a->status after it. */
bool args_open(struct args *a);
bool args_more(struct args *a, bool *first);

/* ---- literals -------------------------------------------------------------------------------- */
/* Is a literal next? Takes nothing. */
bool args_literal_next(const struct args *a);
/* Takes the head of a literal, nothing of its octets. After that either args_literal_go and exactly
 * size octets read from the stream and args_literal_done; or no more parsing at all. */
bool args_literal_head(struct args *a, struct literal *out);
/* Tells the client to send, if it waits. */
void args_literal_go(struct args *a, const struct literal *l);
/* The octets were read (or kept from being read by *l): the next piece of the line. */
bool args_literal_done(struct args *a);
/* Takes the whole literal into memory (within the bounds), after its head. */
bool args_literal_keep(struct args *a, const struct literal *l, struct slice *out);
/* The head was taken but the octets will not be: lets args_end_command read over them. */
void args_literal_refuse(struct args *a, const struct literal *l);

#endif
