/* backend_pam.c - users of the system whose passwords PAM checks (pam(7)), with all its rules. */
#include "reference/auth/optional.h"

#ifdef WITH_PAM
#include "reference/auth/backend.h"

#include "base/mem.h"
#include "reference/auth/system_user.h"

#include <security/pam_appl.h>
#include <stdlib.h>

static void *open_pam(const struct accounts_conf *conf) { return (void *)(uintptr_t)conf; }
static void close_pam(void *state) { (void)state; }

/* Whatever is asked for without echo is the password; other questions nobody can answer. */
static int converse(int n, const struct pam_message **question, struct pam_response **answers,
                    void *password)
{
    struct pam_response *r = calloc((size_t)n, sizeof *r);
    if (!r)
        return PAM_BUF_ERR;
    for (int i = 0; i < n; i++) {
        if (question[i]->msg_style == PAM_PROMPT_ECHO_OFF)
            r[i].resp = xstrdup(password ? password : "");
        else if (question[i]->msg_style == PAM_PROMPT_ECHO_ON)
            r[i].resp = xstrdup("");
    }
    *answers = r;
    return PAM_SUCCESS;
}

/* Modules ask for a delay after a wrong password; the throttle has its own, and a thread of the
 * pool is not to sleep. */
static void no_delay(int result, unsigned microseconds, void *arg)
{
    (void)result, (void)microseconds, (void)arg;
}

/* What says nothing about the user: the system is not well. */
static bool is_trouble(int result)
{
    switch (result) {
    case PAM_SUCCESS:
    case PAM_AUTH_ERR:
    case PAM_USER_UNKNOWN:
    case PAM_MAXTRIES:
    case PAM_PERM_DENIED:
    case PAM_ACCT_EXPIRED:
    case PAM_CRED_EXPIRED:
    case PAM_NEW_AUTHTOK_REQD:
    case PAM_AUTHTOK_EXPIRED:
        return false;
    default:
        return true;
    }
}

/* A transaction of PAM: the password, unless it is NULL, then the account's rules. */
static int transaction(const struct accounts_conf *conf, const char *user, const char *password,
                       struct buf *why)
{
    const struct pam_conv conversation = {converse, (void *)(uintptr_t)password};
    void (*delay)(int, unsigned, void *) = no_delay;
    pam_handle_t *pam = NULL;
    int result = pam_start_confdir(conf->service, user, &conversation, conf->directory, &pam);
    if (result == PAM_SUCCESS) {
        const void *item;
        memcpy(&item, &delay, sizeof item);      /* a function behind a pointer to data */
        pam_set_item(pam, PAM_FAIL_DELAY, item);
        if (password)
            result = pam_authenticate(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
        if (result == PAM_SUCCESS)
            result = pam_acct_mgmt(pam, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
    }
    if (is_trouble(result))
        buf_printf(why, "PAM service %s: %s", conf->service, pam_strerror(pam, result));
    if (pam)
        pam_end(pam, result);
    return result;
}

/* Who comes with a ticket, a token or a certificate is subject to the account's rules too. */
static enum auth_status look_up(void *state, const struct account_query *q, struct record *out,
                                struct buf *why)
{
    enum auth_status status = system_user(q, out, why);
    if (status != AUTH_OK || !q->account_only)
        return status;
    int result = transaction(state, q->local, NULL, why);
    out->disabled = result != PAM_SUCCESS;
    return is_trouble(result) ? AUTH_TEMPFAIL : AUTH_OK;
}

static enum auth_status verify(void *state, const struct account_query *q, const char *password,
                               struct record *out, struct buf *why)
{
    (void)out;
    int result = transaction(state, q->local, password, why);
    return result == PAM_SUCCESS ? AUTH_OK : is_trouble(result) ? AUTH_TEMPFAIL : AUTH_NO;
}

static void check(const struct accounts_conf *conf, struct buf *errors)
{
    if (!conf->service)
        buf_printf(errors, "accounts %s: service is empty; name a file of /etc/pam.d\n",
                   conf->name);
}

const struct backend_type backend_pam = {
    .name = "pam",
    .check = check,
    .open = open_pam,
    .close = close_pam,
    .look_up = look_up,
    .verify = verify,
};

#endif
