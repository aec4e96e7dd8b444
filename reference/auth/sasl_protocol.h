/* sasl_protocol.h - exchanges over the auth socket (protocol.h), a JSON object a line:
 *
 *   {"op":"sasl-start","mechanism":"PLAIN","service":"smtp","peer":"192.0.2.1","tls":true,
 *    "initial":"AHRvbQB0b20tcHc=","exporter":"...","unique":"...","external":"tom"}
 *   {"op":"sasl-step","data":"..."}   {"op":"sasl-cancel"}
 *   {"status":"continue","data":"..."}   or an answer as to "verify"
 *
 * Messages are in Base64. A connection carries one exchange at a time. */
#ifndef REFERENCE_AUTH_SASL_PROTOCOL_H
#define REFERENCE_AUTH_SASL_PROTOCOL_H

#include "reference/auth/sasl_exchange.h"

#include <jansson.h>

/* Requests, with the line end. */
void sasl_write_start(struct buf *b, const struct sasl_channel *ch, const char *mechanism,
                      const struct slice *initial);
void sasl_write_step(struct buf *b, struct slice message);
void sasl_write_cancel(struct buf *b);
/* Reads an answer line: the challenge (octets) is appended, *out filled. A line that cannot be
 * understood gives SASL_TEMPFAIL. */
enum sasl_status sasl_read_answer(struct slice line, struct buf *challenge, struct account *out);

/* One connection of the auth process: at most one exchange. */
struct sasl_connection {
    struct sasl_server *server;            /* NULL: none is served */
    struct sasl_exchange *exchange;        /* NULL: none */
    char *peer;                            /* of the exchange */
    /* Told of each log-in's verdict before the answer goes out, with the time (mono_ms) at which
     * the last message of the client came; it may take its time. NULL: nobody is told. */
    void (*verdict)(const char *peer, const char *user, enum auth_status status, int64_t began_ms);
};

/* Answers a request whose op begins with "sasl-". False when it is none that makes sense now: the
 * connection is then to be closed. */
bool sasl_answer(struct sasl_connection *c, const json_t *request, struct buf *answer);
void sasl_connection_end(struct sasl_connection *c);

#endif
