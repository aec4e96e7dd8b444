/* match.h - replies as they came, and whether they are what was expected. */
#ifndef RUNNER_MATCH_H
#define RUNNER_MATCH_H

#include "base/stream.h"
#include "conformance/runner/ast.h"
#include "conformance/runner/env.h"

enum reply_kind { REPLY_LINES, REPLY_CLOSED, REPLY_NOTHING, REPLY_REFUSED, REPLY_BROKEN };

struct reply {
    enum reply_kind kind;
    struct buf *lines;             /* without line ends; SMTP: with code and separator */
    size_t count;
    char code[4];                  /* SMTP, LMTP */
    const char *fault;             /* why it is no valid reply, NULL when it is; static */
    struct buf raw;
    char *error;                   /* REPLY_BROKEN, REPLY_REFUSED: what the system said */
};

void answer_free(struct reply *r);
/* One reply of the protocol; with `lines`, POP3's multi-line response up to the final dot (dots
 * removed). IMAP: one response with its literals. Deadlines are set on the stream. */
void answer_read(struct stream *s, enum proto proto, bool lines, struct reply *out);

struct judgement {
    bool matched;
    enum verdict verdict;          /* of the alternative that matched */
    struct buf why;                /* not matched: what is missing or wrong */
    struct buf nearest;            /* and what came nearest */
    const struct item *item;       /* that is not met */
};
void judgement_free(struct judgement *j);

/* Judges a reply (SMTP, LMTP, POP3, raw lines). */
void match_reply(const struct expect *e, enum proto proto, const struct reply *r, struct env *env,
                 struct judgement *j);
/* The items of a response among lines (without line ends). `imap`: as parsed data. */
void match_items(const struct expect *e, const struct buf *lines, size_t n, bool imap,
                 struct env *env, struct judgement *j);
/* A single IMAP response against an alternative. */
bool match_imap(const struct alt *alt, struct slice response, struct env *env, const char **why);

/* Two messages, header fields left out by name (all occurrences), and those that the target adds
 * where they were not sent. Equal, or the first difference in *why. */
bool messages_equal(struct slice want, struct slice got, const struct ids *except,
                    const struct ids *added, struct buf *why);
/* Calls back each header field (name without colon, value unfolded as it stands). */
struct header_field { struct slice name, value, whole; };
bool message_header_next(struct slice *rest, struct header_field *f);

#endif
