/* fetch.h - what a FETCH command asks for, and one message while it is answered. */
#ifndef REFERENCE_IMAPD_FETCH_H
#define REFERENCE_IMAPD_FETCH_H

#include "reference/imapd/session.h"
#include "reference/message/envelope.h"
#include "reference/message/section.h"

enum fetch_item {
    ITEM_UID = 1, ITEM_FLAGS = 2, ITEM_INTERNALDATE = 4, ITEM_SIZE = 8, ITEM_ENVELOPE = 16,
    ITEM_BODY = 32, ITEM_BODYSTRUCTURE = 64, ITEM_MODSEQ = 128, ITEM_EMAILID = 256,
    ITEM_THREADID = 512, ITEM_SAVEDATE = 1024,
};

enum { FETCH_SECTIONS_MAX = 200 };

enum fetch_kind { FETCH_BODY, FETCH_BINARY, FETCH_BINARY_SIZE };

struct fetch_section {
    const char *name;            /* RFC822, RFC822.HEADER, RFC822.TEXT as asked for; NULL: BODY[...] */
    enum fetch_kind kind;
    struct section section;
    bool peek, partial;
    uint64_t offset, count;      /* <offset.count> */
};

struct fetch {
    struct number_set set;
    unsigned items;              /* enum fetch_item */
    struct fetch_section *sections;
    size_t n;
    uint64_t changed_since;      /* RFC 7162 3.1.4.1; 0: all */
    bool vanished;               /* RFC 7162 3.2.6 */
    bool sees;                   /* sets \Seen */
};

/* Everything after "FETCH". False: a->error says what is wrong. */
bool fetch_read(struct args *a, struct fetch *f);
void fetch_free(struct fetch *f);

/* A message whose text is wanted; opened and taken apart as far as needed. */
struct fetch_message {
    struct session *s;
    uint32_t seq;
    struct message_text *text;
    struct mime_message *header;     /* only its header was read */
    struct mime_message *whole;
    bool failed;                     /* another session removed it, or it cannot be read */
};

bool fetch_open(struct fetch_message *m);
/* The message with its root's header, NULL when it cannot be read. */
const struct mime_message *fetch_header(struct fetch_message *m);
/* With all its parts. */
const struct mime_message *fetch_whole(struct fetch_message *m);
void fetch_message_free(struct fetch_message *m);

/* Can the section be answered from what CACHE_HEADER keeps? It is a choice of the message's own fields that
 * clients often want. */
bool fetch_is_common(const struct fetch_section *f);
/* Appends what CACHE_HEADER keeps of a header. */
void fetch_common_fields(struct slice header, struct buf *out);
/* Writes the section out of that. */
void fetch_write_common(const struct fetch_section *f, struct slice common, struct buf *out);

/* Writes a section as "BODY[1.2]<0> {5}\r\n..." behind what is in out; large text goes straight to the
 * stream. False: the stream cannot be used any more. */
bool fetch_write_section(struct fetch_message *m, const struct fetch_section *f, struct buf *out);
/* fetch_binary.c: the same behind the name, for BINARY and BINARY.SIZE. */
bool fetch_write_binary(struct fetch_message *m, const struct fetch_section *f, struct buf *out);
/* Why the part cannot be had so, as the text of a NO; NULL: it can (RFC 3516 4.3, RFC 9051 6.4.5). */
const char *fetch_binary_refusal(struct fetch_message *m, const struct fetch_section *f);

#endif
