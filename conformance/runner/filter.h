/* filter.h - what mail filters speak: milter, spamd, clamd. Requests of the target become lines of
 * text ("RCPT <tom@magedu.test>"), and lines of text ("550 5.7.1 no", "spam 15.0/5.0") become
 * answers, so that rules and dialogues can be written and read. */
#ifndef RUNNER_FILTER_H
#define RUNNER_FILTER_H

#include "base/stream.h"
#include "conformance/runner/ast.h"

struct filter {
    enum proto proto;
    struct stream *stream;
    /* The request read last. */
    const char *event;             /* of rules: "MAIL", "message", ...; NULL: needs no answer */
    struct buf line;               /* the request as text */
    bool ends;                     /* the target has said that it is done */
    bool has_message;              /* it completes a message: content, from, to */
    struct buf content;
    char *from;
    char **to;
    size_t to_count;
    /* Between requests. */
    uint32_t version, actions;     /* milter: as negotiated */
    char end;                      /* clamd: what ends a command and so its answer */
    bool session;                  /* clamd: IDSESSION */
    unsigned number;
};

/* One request. IO_OK, or how the connection ended. */
enum io filter_read(struct filter *f);
/* Answers it. `text` is what filter_text_ok takes, or NULL for the usual answer: milter goes on,
 * spamd finds nothing bad, clamd finds nothing. */
void filter_answer(struct filter *f, struct slice text);
/* Is this an answer of the protocol? NULL, or what could be written. */
const char *filter_text_ok(enum proto proto, struct slice text);
/* Does it end the connection after one answer, as spamd and clamd do? */
bool filter_once(const struct filter *f);
/* The message just completed is forgotten. */
void filter_forget(struct filter *f);
void filter_free(struct filter *f);

/* filter_milter.c, filter_scan.c: the same, by protocol. */
enum io milter_request(struct filter *f);
void milter_answer(struct filter *f, struct slice text);
bool milter_text_ok(struct slice text);
enum io spamd_read(struct filter *f);
void spamd_answer(struct filter *f, struct slice text);
enum io clamd_read(struct filter *f);
void clamd_answer(struct filter *f, struct slice text);
bool scan_text_ok(enum proto proto, struct slice text);

#endif
