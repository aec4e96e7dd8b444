/* parameters.h - the "KEYWORD=value" words after the path of MAIL and RCPT (RFC 5321 4.1.2). */
#ifndef REFERENCE_SMTPD_PARAMETERS_H
#define REFERENCE_SMTPD_PARAMETERS_H

#include "reference/smtpd/session.h"

struct parameter {
    struct slice keyword;
    struct slice value;      /* p NULL: there was no "=" */
};

/* What a row's handler says: the refusal has been answered when it is false. */
typedef bool parameter_handler(struct session *s, struct slice value);

struct parameter_row {
    const char *keyword;
    parameter_handler *handle;
};

/* Goes through text (what follows the path) and gives each parameter to its row's handler; one
 * that is in no row, or comes twice, or is malformed, is refused. `rows` ends with a NULL keyword.
 * False: refused and answered. */
bool smtpd_parameters_apply(struct session *s, struct slice text, const struct parameter_row *rows);

/* AUTH=mailbox of MAIL (RFC 4954 5): auth.c. */
bool smtpd_auth_parameter(struct session *s, struct slice value);

/* RET and ENVID of MAIL, NOTIFY and ORCPT of RCPT (RFC 3461): dsn.c. */
bool smtpd_ret_parameter(struct session *s, struct slice value);
bool smtpd_envid_parameter(struct session *s, struct slice value);
bool smtpd_notify_parameter(struct session *s, struct slice value);
bool smtpd_orcpt_parameter(struct session *s, struct slice value);

/* Takes "FROM:" or "TO:" and the path off the front of a MAIL or RCPT argument. False: refused
 * and answered. */
bool smtpd_parse_path_argument(struct session *s, struct slice argument, const char *keyword,
                         bool reverse, struct path *out, struct slice *parameters);

#endif
