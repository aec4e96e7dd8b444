/* backend_saslauthd.c - Cyrus SASL's saslauthd checks the passwords of the system's users. On its
 * socket a request is four counted texts (two octets of length, high one first): name, password,
 * service, realm. The answer is one counted text that begins with OK or NO. */
#include "reference/auth/checker.h"

#include "base/mem.h"
#include "reference/auth/system_user.h"

#include <stdlib.h>

enum { TEXT_MAX = 256, ANSWER_MAX = 1024 };

static const struct checker checker = {"/var/run/saslauthd/mux", "saslauthd"};

static void probe(void *state, struct buf *errors)
{
    checker_probe(&checker, state, errors);
}

static enum auth_status look_up(void *state, const struct account_query *q, struct record *out,
                                struct buf *why)
{
    (void)state;
    return system_user(q, out, why);
}

static void add_counted(struct buf *b, const char *text)
{
    size_t n = strlen(text);
    buf_add_byte(b, (char)(n >> 8));
    buf_add_byte(b, (char)(n & 255));
    buf_add(b, text, n);
}

/* The answer's text: 'O' or 'N', 0 when there is none. */
static char read_answer(struct stream *s)
{
    char head[2], text[ANSWER_MAX];
    struct slice bytes;
    size_t got = 0, want = 2;
    while (got < want) {
        if (stream_peek(s, &bytes) != IO_OK)
            return 0;
        size_t n = bytes.n < want - got ? bytes.n : want - got;
        for (size_t i = 0; i < n; i++, got++) {
            if (got < 2)
                head[got] = bytes.p[i];
            else
                text[got - 2] = bytes.p[i];
        }
        stream_consume(s, n);
        if (got == 2)
            want = 2 + (size_t)((unsigned char)head[0] * 256 + (unsigned char)head[1]);
        if (want > ANSWER_MAX)
            return 0;
    }
    return want >= 4 && memcmp(text, "OK", 2) == 0   ? 'O'
           : want >= 4 && memcmp(text, "NO", 2) == 0 ? 'N'
                                                     : 0;
}

static enum auth_status verify(void *state, const struct account_query *q, const char *password,
                               struct record *out, struct buf *why)
{
    const struct accounts_conf *conf = state;
    struct buf request = {0};
    (void)out;
    if (strlen(password) >= TEXT_MAX || strlen(q->local) >= TEXT_MAX)
        return AUTH_NO;        /* longer than it takes */
    struct stream *s = checker_connect(&checker, conf, why);
    if (!s)
        return AUTH_TEMPFAIL;
    buf_reserve(&request, 4 * (TEXT_MAX + 2));
    add_counted(&request, q->local);
    add_counted(&request, password);
    add_counted(&request, conf->service ? conf->service : "");
    add_counted(&request, "");
    bool sent = stream_write(s, request.data, request.len) == IO_OK && stream_flush(s) == IO_OK;
    char answer = sent ? read_answer(s) : 0;
    explicit_bzero(request.data, request.cap);
    buf_free(&request);
    stream_close(s);
    if (!answer)
        buf_add_str(why, "saslauthd gave no answer");
    return answer == 'O' ? AUTH_OK : answer == 'N' ? AUTH_NO : AUTH_TEMPFAIL;
}

static void check(const struct accounts_conf *conf, struct buf *errors)
{
    (void)conf, (void)errors;
}

const struct backend_type backend_saslauthd = {
    .name = "saslauthd",
    .remote = true,
    .check = check,
    .open = checker_open,
    .close = checker_close,
    .probe = probe,
    .look_up = look_up,
    .verify = verify,
};
