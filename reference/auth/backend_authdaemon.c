/* backend_authdaemon.c - Courier's authdaemond, over its socket. A request is a line: "PRE . service
 * name", or "AUTH n" with n octets behind it: service, "login", name, password, a line each. The
 * answer is lines NAME=value up to a line with a dot, or the line FAIL; when it can reach none of
 * its own sources it hangs up without an answer. */
#include "reference/auth/checker.h"

#include "base/mem.h"
#include "reference/auth/users.h"
#include "reference/auth/virtual_db.h"

#include <stdlib.h>

enum { LINE_ROOM = 4096, LINES_MAX = 100 };

static const struct checker checker = {"/run/courier/authdaemon/socket", "authdaemond"};

static void probe(void *state, struct buf *errors)
{
    checker_probe(&checker, state, errors);
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void take_number(struct slice value, int64_t *out)
{
    uint64_t n;
    if (slice_number(value, INT64_MAX, &n))
        *out = (int64_t)n;
}

/* "10000000S,500C": octets and messages. */
static void take_quota(struct slice value, int64_t *out)
{
    struct slice part;
    while (slice_next(&value, ',', &part))
        if (part.n > 1 && part.p[part.n - 1] == 'S')
            take_number(slice_sub(part, 0, part.n - 1), out);
}

static void take_line(struct slice line, struct record *out)
{
    struct slice name;
    struct account *a = &out->account;
    slice_next(&line, '=', &name);
    if (slice_eq_str(name, "UID"))
        take_number(line, &a->uid);
    else if (slice_eq_str(name, "GID"))
        take_number(line, &a->gid);
    else if (slice_eq_str(name, "QUOTA"))
        take_quota(line, &a->quota);
    else if (slice_eq_str(name, "HOME") && !a->home)
        a->home = slice_dup(line);
}

static enum auth_status read_answer(struct stream *s, struct record *out, struct buf *why)
{
    struct buf line = {0};
    enum line_end end;
    enum auth_status status = AUTH_TEMPFAIL;
    out->account.uid = out->account.gid = -1;
    for (int i = 0; i < LINES_MAX; i++) {
        buf_clear(&line);
        if (stream_read_line(s, &line, LINE_ROOM, &end) != IO_OK)
            break;
        struct slice text = buf_slice(&line);
        if (slice_eq_str(text, ".") || slice_eq_str(text, "FAIL")) {
            status = slice_eq_str(text, ".") ? AUTH_OK : AUTH_NO;
            break;
        }
        take_line(text, out);
    }
    if (line.cap)              /* it may have told a password */
        explicit_bzero(line.data, line.cap);
    buf_free(&line);
    if (status == AUTH_TEMPFAIL)
        buf_add_str(why, "authdaemond gave no answer");
    return status;
}

/* The names that can be a mailbox: a system user, or an address as virtual users have. */
static bool name_good(const struct account_query *q)
{
    char *address = NULL;
    bool good = q->system ? user_name_valid(slice_str(q->local))
                          : !virtual_address(slice_str(q->address), false, &address);
    free(address);
    return good;
}

static enum auth_status ask(const struct accounts_conf *conf, const struct account_query *q,
                            const struct buf *request, struct record *out, struct buf *why)
{
    struct stream *s = checker_connect(&checker, conf, why);
    if (!s)
        return AUTH_TEMPFAIL;
    enum auth_status status = AUTH_TEMPFAIL;
    if (stream_write(s, request->data, request->len) == IO_OK && stream_flush(s) == IO_OK)
        status = read_answer(s, out, why);
    stream_close(s);
    if (status == AUTH_OK) {
        out->account.user = xstrdup(q->system ? q->local : q->address);
        if (!out->account.home)
            out->account.home = xstrdup("");
    }
    return status;
}

static const char *name_of(const struct account_query *q)
{
    return q->system ? q->local : q->address;
}

static enum auth_status look_up(void *state, const struct account_query *q, struct record *out,
                                struct buf *why)
{
    const struct accounts_conf *conf = state;
    struct buf request = {0};
    if (!name_good(q))
        return AUTH_NO;
    buf_printf(&request, "PRE . %s %s\n", conf->service, name_of(q));
    enum auth_status status = ask(conf, q, &request, out, why);
    buf_free(&request);
    return status;
}

static enum auth_status verify(void *state, const struct account_query *q, const char *password,
                               struct record *out, struct buf *why)
{
    const struct accounts_conf *conf = state;
    struct buf request = {0};
    if (!name_good(q) || strpbrk(password, "\r\n"))
        return AUTH_NO;
    size_t n = strlen(conf->service) + strlen(name_of(q)) + strlen(password) + strlen("login") + 4;
    buf_reserve(&request, n + 64);
    buf_printf(&request, "AUTH %zu\n%s\nlogin\n%s\n%s\n", n, conf->service, name_of(q), password);
    enum auth_status status = ask(conf, q, &request, out, why);
    explicit_bzero(request.data, request.cap);
    buf_free(&request);
    return status;
}

/* It has no question for a domain; those of `domains` in the section are meant to be its own. */
static enum auth_status domain(void *state, const char *name, struct buf *why)
{
    const struct accounts_conf *conf = state;
    (void)why;
    for (size_t i = 0; i < conf->domains.n; i++)
        if (slice_ieq_str(slice_str(name), conf->domains.v[i]))
            return AUTH_OK;
    return AUTH_NO;
}

static void check(const struct accounts_conf *conf, struct buf *errors)
{
    if (!conf->service || strpbrk(conf->service, " \n"))
        buf_printf(errors, "accounts %s: service is one word; write \"imap\"\n", conf->name);
}

const struct backend_type backend_authdaemon = {
    .name = "authdaemon",
    .remote = true,
    .check = check,
    .open = checker_open,
    .close = checker_close,
    .probe = probe,
    .look_up = look_up,
    .verify = verify,
    .domain = domain,
};
