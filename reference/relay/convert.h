/* convert.h - a message in the form that a server can take, when it cannot take it as it is. */
#ifndef REFERENCE_RELAY_CONVERT_H
#define REFERENCE_RELAY_CONVERT_H

#include "reference/message/downgrade.h"
#include "reference/relay/client.h"

/* Makes *out a copy of *m with its content written anew into a file without a name in the spool;
 * out->fd is the caller's to close. */
enum downgrade_result relay_convert(const struct config *c, const struct relay_message *m,
                                    enum downgrade_to to, struct relay_message *out,
                                    const char **why);

#endif
