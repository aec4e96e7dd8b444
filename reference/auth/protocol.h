/* protocol.h - the lines between auth and its clients: one JSON object a request, one an answer.
 *
 *   {"op":"verify","user":"tom","password":"746f6d2d7077","peer":"192.0.2.1"}    password in hex
 *   {"op":"lookup","address":"tom@hehuan.test"}     {"op":"domain","domain":"magedu.test"}
 *   {"status":"ok","user":"tom","uid":1000,"gid":1000,"home":"/home/tom",
 *    "quota":1048576,"groups":"staff"}                                the last two when there are
 *   {"status":"alias","user":"staff","targets":["jerry","tom"]}
 *   {"status":"no"}   {"status":"tempfail"}
 */
#ifndef REFERENCE_AUTH_PROTOCOL_H
#define REFERENCE_AUTH_PROTOCOL_H

#include "reference/auth/accounts.h"
#include "reference/auth/sasl_protocol.h"

enum {
    AUTH_REQUEST_MAX = 16 * 1024,         /* holds a SASL_LINE_MAX */
    AUTH_ANSWER_MAX = 16 * 1024 * 1024,   /* a large alias */
};

/* Requests, with the line end. */
void auth_write_verify(struct buf *b, const char *user, const char *password, const char *peer);
void auth_write_lookup(struct buf *b, const char *address);
void auth_write_domain(struct buf *b, struct slice domain);
/* Fills *out from an answer line. A line that cannot be understood gives AUTH_TEMPFAIL. */
enum auth_status auth_read_answer(struct slice line, struct account *out);

void auth_write_answer(struct buf *b, enum auth_status status, const struct account *a);

/* Answers one request line: appends the answer with its line end. False when the request cannot
 * be understood (the connection is then to be closed). c->verdict is told of log-ins. */
bool auth_answer(struct accounts *a, struct sasl_connection *c, struct slice request,
                 struct buf *answer);

#endif
