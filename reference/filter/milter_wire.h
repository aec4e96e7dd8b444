/* milter_wire.h - packets of the milter protocol, and the numbers in them. */
#ifndef REFERENCE_FILTER_MILTER_WIRE_H
#define REFERENCE_FILTER_MILTER_WIRE_H

#include "base/stream.h"
#include "reference/filter/filter.h"

enum { MILTER_VERSION = 6, MILTER_PACKET_MAX = 1024 * 1024 + 1, MILTER_BODY_MAX = 65535 };

/* Commands, from the MTA. */
enum milter_command {
    SMFIC_ABORT = 'A', SMFIC_BODY = 'B', SMFIC_CONNECT = 'C', SMFIC_MACRO = 'D', SMFIC_BODYEOB = 'E',
    SMFIC_HELO = 'H', SMFIC_HEADER = 'L', SMFIC_MAIL = 'M', SMFIC_EOH = 'N', SMFIC_OPTNEG = 'O',
    SMFIC_QUIT = 'Q', SMFIC_RCPT = 'R', SMFIC_DATA = 'T',
};

/* Answers, from the milter. */
enum milter_answer {
    SMFIR_ADDRCPT = '+', SMFIR_DELRCPT = '-', SMFIR_ADDRCPT_PAR = '2', SMFIR_SHUTDOWN = '4',
    SMFIR_ACCEPT = 'a', SMFIR_REPLBODY = 'b', SMFIR_CONTINUE = 'c', SMFIR_DISCARD = 'd',
    SMFIR_CHGFROM = 'e', SMFIR_CONN_FAIL = 'f', SMFIR_ADDHEADER = 'h', SMFIR_INSHEADER = 'i',
    SMFIR_CHGHEADER = 'm', SMFIR_PROGRESS = 'p', SMFIR_QUARANTINE = 'q', SMFIR_REJECT = 'r',
    SMFIR_SKIP = 's', SMFIR_TEMPFAIL = 't', SMFIR_REPLYCODE = 'y',
};

/* What a milter may do: all of it is offered. */
enum {
    SMFIF_ADDHDRS = 0x1, SMFIF_CHGBODY = 0x2, SMFIF_ADDRCPT = 0x4, SMFIF_DELRCPT = 0x8,
    SMFIF_CHGHDRS = 0x10, SMFIF_QUARANTINE = 0x20, SMFIF_CHGFROM = 0x40, SMFIF_ADDRCPT_PAR = 0x80,
    SMFIF_SETSYMLIST = 0x100,
    SMFIF_ALL = 0x1ff,
};

/* Steps that it does not want to hear of, steps that it does not answer, and ways of speaking. */
enum {
    SMFIP_NOCONNECT = 0x1, SMFIP_NOHELO = 0x2, SMFIP_NOMAIL = 0x4, SMFIP_NORCPT = 0x8,
    SMFIP_NOBODY = 0x10, SMFIP_NOHDRS = 0x20, SMFIP_NOEOH = 0x40, SMFIP_NR_HDR = 0x80,
    SMFIP_NOUNKNOWN = 0x100, SMFIP_NODATA = 0x200, SMFIP_SKIP = 0x400, SMFIP_RCPT_REJ = 0x800,
    SMFIP_NR_CONN = 0x1000, SMFIP_NR_HELO = 0x2000, SMFIP_NR_MAIL = 0x4000, SMFIP_NR_RCPT = 0x8000,
    SMFIP_NR_DATA = 0x10000, SMFIP_NR_UNKN = 0x20000, SMFIP_NR_EOH = 0x40000,
    SMFIP_NR_BODY = 0x80000, SMFIP_HDR_LEADSPC = 0x100000,
    SMFIP_OFFERED = 0x1fffff & ~SMFIP_RCPT_REJ,
};

/* Sends one packet; text parts end in NUL each, as the protocol has them. */
void milter_send(struct stream *io, enum milter_command command, struct slice data);
/* Reads one packet: its command octet into *answer, its data into *data. IO_OK, or what happened;
 * IO_TOO_LONG: it is over MILTER_PACKET_MAX or empty. */
enum io milter_read(struct stream *io, unsigned char *answer, struct buf *data);

void milter_add_text(struct buf *b, const char *text);       /* with its NUL; NULL is "" */
/* Cuts the next text off *rest. False: no NUL ends it. */
bool milter_next_text(struct slice *rest, struct slice *text);
bool milter_next_number(struct slice *rest, uint32_t *number);

/* The macros of a step (those that Sendmail sends by default), as the packet's data: the octet of
 * the command that they belong to, then names and values. `mail` and the texts may be NULL. */
struct milter_macros {
    const struct filter_facts *facts;
    const char *id, *from, *to;
};
void milter_add_macros(struct buf *b, enum milter_command step, const struct milter_macros *m);

/* Adds one answer's change (ADDHEADER and the like). False: its data makes no sense, or the milter
 * has not said that it does such things (`actions`). */
bool milter_take_change(unsigned char answer, struct slice data, uint32_t actions,
                        struct filter_changes *changes);
/* REJECT, TEMPFAIL, REPLYCODE as a refusal. False: the reply makes no sense. */
bool milter_take_refusal(const char *filter, unsigned char answer, struct slice data,
                         struct filter_result *out);

#endif
