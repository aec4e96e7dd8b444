/* milter.h - the MTA's side of the milter protocol, version 6, as Sendmail 8.14 and later and every
 * program on libmilter speak it.
 *
 * There is no RFC. A packet is a length (32 bits, network order), a command octet and its data; both
 * sides first agree on the actions that the milter may take and the steps that it wants to hear of.
 * A milter has one connection for a whole SMTP session; several messages may pass through it. */
#ifndef REFERENCE_FILTER_MILTER_H
#define REFERENCE_FILTER_MILTER_H

#include "reference/filter/filter.h"

enum milter_step_kind { MILTER_CONNECT, MILTER_HELO, MILTER_MAIL, MILTER_RCPT, MILTER_DATA };

struct milter_step {
    enum milter_step_kind kind;
    const char *id;                /* MAIL: the queue id */
    const char *address;           /* MAIL and RCPT, without <> */
    struct slice parameters;       /* MAIL and RCPT */
};

const char *milter_step_name(enum milter_step_kind kind);

struct milter;

/* Nothing is sent until the first step. `facts` is borrowed and read at each step. */
struct milter *milter_new(const struct filter_conf *c, const struct filter_facts *facts);
void milter_free(struct milter *m);        /* says QUIT; NULL is fine */

/* FILTER_PASS, FILTER_REFUSE, FILTER_FAILED. What a milter accepted, refused or gave up it does not
 * hear more of: for the rest of the session or of the message, as the step goes. */
void milter_tell(struct milter *m, const struct milter_step *step, struct filter_result *out);
/* Header, body and end of the message; what it wants changed goes into *changes. */
void milter_message(struct milter *m, const struct filter_mail *mail,
                    struct filter_changes *changes, struct filter_result *out);
void milter_abort(struct milter *m);       /* the transaction ended without a message */

#endif
