/* sasl.c - an authentication exchange of any mechanism, through libgsasl. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "conformance/runner/tape.h"

#include <gsasl.h>
#include <stdlib.h>

enum { STEPS_MAX = 20 };

/* The challenge in a reply: SMTP "334 DATA", POP3 and IMAP "+ DATA". False at the final reply. */
static bool challenge_of(const struct actor *a, const struct reply *r, struct buf *out)
{
    if (r->kind != REPLY_LINES || r->fault)
        return false;
    struct slice line = buf_slice(&r->lines[0]);
    const char *mark = a->proto == PROTO_SMTP ? "334" : "+";
    size_t n = strlen(mark);
    if (strncmp(buf_str(&r->lines[0]), mark, n) != 0 || (line.n > n && line.p[n] != ' '))
        return false;
    buf_add_slice(out, slice_sub(line, n + 1, line.n));
    return true;
}

static bool final_ok(const struct actor *a, const struct reply *r)
{
    if (r->kind != REPLY_LINES || r->fault)
        return false;
    struct slice line = buf_slice(&r->lines[0]);
    const char *good = a->proto == PROTO_SMTP ? "235" : a->proto == PROTO_POP3 ? "+OK" : "auth OK";
    return slice_starts(line, slice_str(good));
}

static void read_answer(struct actor *a, struct reply *r)
{
    do {
        answer_free(r);
        stream_set_timeout(a->stream, run_patience(a->run, a->run->scenario->patience_ms));
        answer_read(a->stream, a->proto, false, r);
        tape_reply(a->run->world->tape, a->channel, r, a->proto, NULL,
                   (struct place){0}, NULL);
    } while (a->proto == PROTO_IMAP && r->kind == REPLY_LINES && !r->fault &&
             slice_starts(buf_slice(&r->lines[0]), SLICE("* ")));
}

static void exchange(struct actor *a, const struct step *step, Gsasl_session *session,
                     struct reply *r)
{
    char *out = NULL;
    struct buf challenge = {0};
    stream_printf(a->stream, a->proto == PROTO_IMAP ? "auth AUTHENTICATE %s\r\n" : "AUTH %s\r\n",
                  step->name);
    for (int i = 0; i < STEPS_MAX; i++) {
        read_answer(a, r);
        buf_clear(&challenge);
        if (!challenge_of(a, r, &challenge))
            break;
        int rc = gsasl_step64(session, buf_str(&challenge), &out);
        bool good = rc == GSASL_OK || rc == GSASL_NEEDS_MORE;
        /* RFC 4954 4: a client that cannot go on cancels with "*". */
        stream_printf(a->stream, "%s\r\n", good ? out : "*");
        gsasl_free(out);
        out = NULL;
    }
    buf_free(&challenge);
}

bool sasl_auth(struct actor *a, const struct step *step, const char *password)
{
    Gsasl *lib = NULL;
    Gsasl_session *session = NULL;
    struct reply r = {0};
    if (a->proto == PROTO_SMTP && !actor_ready(a, step))
        return false;
    if (!a->stream)
        return true;
    if (gsasl_init(&lib) != GSASL_OK ||
        gsasl_client_start(lib, step->name, &session) != GSASL_OK) {
        run_error(a->run, step->at, "libgsasl knows no mechanism %s", step->name);
    } else {
        gsasl_property_set(session, GSASL_AUTHID, step->user);
        gsasl_property_set(session, GSASL_PASSWORD, password);
        if (strcmp(step->name, "EXTERNAL") == 0)      /* RFC 4422 A: who one wants to be; TLS says who one is */
            gsasl_property_set(session, GSASL_AUTHZID, step->user);
        /* The names of IANA's register of services, which DIGEST-MD5 hashes. */
        gsasl_property_set(session, GSASL_SERVICE,
                           a->proto == PROTO_POP3 ? "pop" : proto_name(a->proto));
        gsasl_property_set(session, GSASL_HOSTNAME, a->run->world->target->hostname);
        exchange(a, step, session, &r);
        bool right = final_ok(a, &r) != step->tls.fails;
        struct buf came = {0};
        buf_add_escaped(&came, buf_slice(&r.raw));
        run_finding(a->run, step->at, step->source, &step->ids,
                    right ? V_PASS : run_severity(a->run, &step->ids),
                    right ? NULL : xasprintf("%s %s", step->name,
                                             step->tls.fails ? "is refused" : "succeeds"),
                    right ? NULL : buf_take(&came), NULL);
        buf_free(&came);
    }
    if (session)
        gsasl_finish(session);
    if (lib)
        gsasl_done(lib);
    answer_free(&r);
    return !run_stopped(a->run);
}
