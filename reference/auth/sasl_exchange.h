/* sasl_exchange.h - the server's side of a SASL exchange, by libgsasl, inside the auth process. */
#ifndef REFERENCE_AUTH_SASL_EXCHANGE_H
#define REFERENCE_AUTH_SASL_EXCHANGE_H

#include "reference/auth/accounts.h"
#include "reference/auth/sasl.h"

/* What all exchanges of the process share; any number of threads may use it. The accounts and the
 * configuration are borrowed. */
struct sasl_server;
struct sasl_server *sasl_server_new(const struct config *c, struct accounts *a);
void sasl_server_free(struct sasl_server *s);

struct sasl_exchange;
/* NULL when the mechanism is not offered on this channel (which is copied). */
struct sasl_exchange *sasl_exchange_new(struct sasl_server *s, const struct sasl_channel *ch,
                                        const char *mechanism);
void sasl_exchange_free(struct sasl_exchange *e);
/* Who the client says it is, as far as is known; "" when not. */
const char *sasl_exchange_user(const struct sasl_exchange *e);

/* Takes the client's next message (NULL: AUTH came without one). After anything but SASL_CONTINUE
 * the exchange is over. A mechanism's last message to the client, where success has one, is given
 * as a challenge that the client answers with an empty message, since neither SMTP nor POP3 can
 * send it with the success (RFC 4422 3.6). */
enum sasl_status sasl_exchange_step(struct sasl_exchange *e, const struct slice *message,
                                    struct buf *challenge, struct account *out);

#endif
