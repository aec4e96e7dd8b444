/* filters.h - what the files of smtpd/ ask of the filters. */
#ifndef REFERENCE_SMTPD_FILTERS_H
#define REFERENCE_SMTPD_FILTERS_H

#include "reference/filter/milter.h"
#include "reference/smtpd/session.h"

void smtpd_filters_begin(struct session *s);
/* Tells the milters of a step. False: one refused it, and the client has the reply. */
bool smtpd_filters_pass(struct session *s, enum milter_step_kind step, const char *address,
                        struct slice parameters);
/* Shows the complete message, `size` octets of which the first `trace` are our Received field, to
 * all filters. *w may become another writer. After FILTER_REFUSE the client has the reply. */
enum filter_action smtpd_filters_message(struct session *s, struct queue_writer **w, int64_t size,
                                         int64_t trace);

#endif
