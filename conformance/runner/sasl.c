/* sasl.c - an authentication exchange of any mechanism: bearer tokens by ourselves, the others through
 * libgsasl. */
#include "conformance/runner/run.h"

#include "base/base64.h"
#include "base/mem.h"
#include "conformance/runner/tape.h"

#include <fcntl.h>
#include <gsasl.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS_MAX = 20, BINDING = 32 };

/* The names of IANA's register of services, which DIGEST-MD5 hashes and GSSAPI wants tickets for. */
static const char *service_of(const struct actor *a)
{
    return a->proto == PROTO_POP3 ? "pop" : proto_name(a->proto);
}

/* ---- what the mechanisms need ---------------------------------------------------------------- */

/* RFC 9266 2 on TLS 1.3, RFC 5929 3.1 on TLS 1.2: our Finished message is the first, the runner never
 * resumes. */
static void give_binding(const struct actor *a, Gsasl_session *session)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    unsigned char octets[EVP_MAX_MD_SIZE];
    struct buf text = {0};
    SSL *ssl = stream_ssl(a->stream);
    if (!ssl)
        return;
    bool unique = SSL_version(ssl) <= TLS1_2_VERSION;
    size_t n = unique ? SSL_get_finished(ssl, octets, sizeof octets) : BINDING;
    if (!unique && SSL_export_keying_material(ssl, octets, BINDING, label, sizeof label - 1,
                                              (const unsigned char *)"", 0, 1) != 1)
        return;
    buf_add_base64(&text, slice_of(octets, n < sizeof octets ? n : sizeof octets));
    gsasl_property_set(session, unique ? GSASL_CB_TLS_UNIQUE : GSASL_CB_TLS_EXPORTER, buf_str(&text));
    buf_free(&text);
}

/* A ticket for the service itself, got inside the lab with the user's password; libgsasl finds it in
 * the cache that the environment names. */
static bool get_ticket(struct actor *a, const char *user, const char *password)
{
    struct world_up *w = a->run->world;
    int in[2], status = -1;
    if (!w->lab || pipe2(in, O_CLOEXEC) != 0)
        return false;
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char *cache = xasprintf("FILE:%s/ticket", w->state), *conf = xasprintf("%s/krb5.conf", w->state);
    char *service = xasprintf("%s/%s", service_of(a), w->target->hostname);
    char *known = xasprintf("KRB5_CONFIG=%s", conf), *line = xasprintf("%s\n", password);
    char *argv[] = {"kinit", "-c", cache, "-S", service, (char *)(uintptr_t)user, NULL};
    char *env[] = {known, NULL};
    setenv("KRB5_CONFIG", conf, 1);
    setenv("KRB5CCNAME", cache, 1);
    pid_t pid = lab_spawn(w->lab, &(struct lab_command){.argv = argv, .env = env, .fds = {in[0], nothing, nothing}});
    close(in[0]);
    close(nothing);
    bool written = write(in[1], line, strlen(line)) == (ssize_t)strlen(line);
    close(in[1]);
    bool good = pid > 0 && waitpid(pid, &status, 0) == pid && written && status == 0;
    char *texts[] = {cache, conf, service, known, line};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    return good;
}

/* RFC 7628 3.1; XOAUTH2 is its forerunner. The password is the token. */
static bool add_bearer(const char *mechanism, const char *user, const char *token, struct buf *out)
{
    struct buf message = {0};
    bool old = strcmp(mechanism, "XOAUTH2") == 0, is = old || strcmp(mechanism, "OAUTHBEARER") == 0;
    if (is) {
        buf_printf(&message, old ? "user=%s" : "n,a=%s,", user);
        buf_printf(&message, "\1auth=Bearer %s\1\1", token);
        buf_add_base64(out, buf_slice(&message));
    }
    buf_free(&message);
    return is;
}

/* ---- the exchange ---------------------------------------------------------------------------- */

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

/* The token first; the challenge after it says that it is no good, and wants ^A (RFC 7628 3.2.3). */
static char *bearer_answer(int step, struct buf *bearer)
{
    return xstrdup(step == 0 ? buf_str(bearer) : "AQ==");
}

static void exchange(struct actor *a, const struct step *step, Gsasl_session *session,
                     struct buf *bearer, struct reply *r)
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
        int rc = session ? gsasl_step64(session, buf_str(&challenge), &out) : GSASL_OK;
        if (!session)
            out = bearer_answer(i, bearer);
        bool good = rc == GSASL_OK || rc == GSASL_NEEDS_MORE;
        /* RFC 4954 4: a client that cannot go on cancels with "*". */
        stream_printf(a->stream, "%s\r\n", good ? out : "*");
        gsasl_free(out);
        out = NULL;
    }
    buf_free(&challenge);
}

/* Everything that a mechanism may ask for. False when it cannot be had: said already. */
static bool prepare(struct actor *a, const struct step *step, const char *password, Gsasl *lib,
                    Gsasl_session **session)
{
    if (gsasl_client_start(lib, step->name, session) != GSASL_OK) {
        run_error(a->run, step->at, "libgsasl knows no mechanism %s", step->name);
        return false;
    }
    gsasl_property_set(*session, GSASL_AUTHID, step->user);
    gsasl_property_set(*session, GSASL_PASSWORD, password);
    gsasl_property_set(*session, GSASL_ANONYMOUS_TOKEN, step->user);
    /* RFC 4422 A: who one wants to be; TLS, or a ticket, says who one is. */
    bool ticket = strcmp(step->name, "GSSAPI") == 0;
    if (ticket || strcmp(step->name, "EXTERNAL") == 0)
        gsasl_property_set(*session, GSASL_AUTHZID, step->user);
    gsasl_property_set(*session, GSASL_SERVICE, service_of(a));
    gsasl_property_set(*session, GSASL_HOSTNAME, a->run->world->target->hostname);
    /* Who knows the binding and does not use it says so, and is taken for attacked (RFC 5802 6). */
    if (slice_ends(slice_str(step->name), SLICE("-PLUS")))
        give_binding(a, *session);
    if (ticket && !get_ticket(a, step->user, password)) {
        run_error(a->run, step->at, "kinit gets no ticket for %s; is krb5-user installed?", step->user);
        return false;
    }
    return true;
}

static void judge(struct actor *a, const struct step *step, const struct reply *r)
{
    bool right = final_ok(a, r) != step->tls.fails;
    struct buf came = {0};
    buf_add_escaped(&came, buf_slice(&r->raw));
    run_finding(a->run, step->at, step->source, &step->ids,
                right ? V_PASS : run_severity(a->run, &step->ids),
                right ? NULL : xasprintf("%s %s", step->name,
                                         step->tls.fails ? "is refused" : "succeeds"),
                right ? NULL : buf_take(&came), NULL);
    buf_free(&came);
}

bool sasl_auth(struct actor *a, const struct step *step, const char *password)
{
    static pthread_mutex_t one_cache = PTHREAD_MUTEX_INITIALIZER;
    Gsasl *lib = NULL;
    Gsasl_session *session = NULL;
    struct reply r = {0};
    struct buf bearer = {0};
    bool ticket = strcmp(step->name, "GSSAPI") == 0;
    if (a->proto == PROTO_SMTP && !actor_ready(a, step))
        return false;
    if (!a->stream)
        return true;
    if (gsasl_init(&lib) != GSASL_OK)
        die(2, "libgsasl does not start");
    if (ticket)
        pthread_mutex_lock(&one_cache);
    if (add_bearer(step->name, step->user, password, &bearer) ||
        prepare(a, step, password, lib, &session)) {
        exchange(a, step, session, &bearer, &r);
        judge(a, step, &r);
    }
    if (ticket)
        pthread_mutex_unlock(&one_cache);
    if (session)
        gsasl_finish(session);
    gsasl_done(lib);
    buf_free(&bearer);
    answer_free(&r);
    return !run_stopped(a->run);
}
