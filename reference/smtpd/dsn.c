/* dsn.c - the parameters of RFC 3461: RET and ENVID of MAIL, NOTIFY and ORCPT of RCPT. */
#include "reference/smtpd/parameters.h"

#include "base/mem.h"

#include <stdlib.h>

enum { ENVID_MAX = 100, ORCPT_MAX = 500 };   /* RFC 3461 5.4 */

static bool refuse(struct session *s, const char *clause, const char *text)
{
    smtpd_refuse(s, 501, "5.5.4", "dsn-parameter", clause, "%s", text);
    return false;
}

bool smtpd_ret_parameter(struct session *s, struct slice value)
{
    bool full = slice_ieq_str(value, "FULL");
    s->envelope.ret = full ? RETURN_FULL : RETURN_HEADERS;
    return full || slice_ieq_str(value, "HDRS")
        || refuse(s, "RFC 3461 4.3, 5.1", "RET= takes FULL or HDRS");
}

bool smtpd_envid_parameter(struct session *s, struct slice value)
{
    struct buf decoded = {0};
    bool good = value.n > 0 && value.n <= ENVID_MAX && text_is_ascii(value) &&
                buf_add_unxtext(&decoded, value) && text_is_ascii(buf_slice(&decoded));
    buf_free(&decoded);
    if (!good)
        return refuse(s, "RFC 3461 4.4, 5.1", "ENVID= takes xtext of at most 100 characters");
    s->envelope.envid = slice_dup(value);
    return true;
}

bool smtpd_notify_parameter(struct session *s, struct slice value)
{
    return notify_parse(value, &s->notify)
        || refuse(s, "RFC 3461 4.1, 5.1",
                  "NOTIFY= takes NEVER, or some of SUCCESS, FAILURE and DELAY with commas");
}

bool smtpd_orcpt_parameter(struct session *s, struct slice value)
{
    bool eai = s->envelope.utf8 || text_is_ascii(value);   /* RFC 6533 3 */
    if (value.n > ORCPT_MAX || !eai || !orcpt_valid(value))
        return refuse(s, "RFC 3461 4.2, 5.1",
                      "ORCPT= takes a type, a semicolon and an address in xtext");
    free(s->orcpt);
    s->orcpt = slice_dup(value);
    return true;
}
