/* submit.c - the steps that stand for a whole exchange: send, login, auth, starttls. Each command
 * and reply is in the transcript as if it had been written out. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "conformance/runner/files.h"
#include "conformance/runner/match.h"
#include "conformance/runner/tape.h"
#include "conformance/runner/tls.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const client_name = "client.magedu.test";

/* Sends a line and expects a reply of this class; `what` names it in a failure. */
static bool exchange(struct actor *a, const struct step *step, const char *line, const char *code,
                     const char *what)
{
    struct alt alt = {.kind = ALT_CODE, .source = what};
    if (a->proto == PROTO_POP3)
        alt = (struct alt){.kind = ALT_STATUS, .word = code, .source = what};
    else
        snprintf(alt.code, sizeof alt.code, "%s", code);
    struct expect e = {.alts = &alt, .alt_count = 1, .source = what};
    if (line && a->stream) {
        stream_puts(a->stream, line);
        stream_puts(a->stream, "\r\n");
    }
    return actor_expect(a, step, &e, step->source);
}

/* The same in IMAP: the line after the tag, which is the word that names the step. */
static bool imap_exchange(struct actor *a, const struct step *step, const char *tag,
                          const char *line, const char *word)
{
    struct alt alt = {.kind = ALT_STATUS, .tag = tag, .word = word, .source = word};
    struct expect e = {.alts = &alt, .alt_count = 1, .source = tag};
    if (a->stream)
        stream_printf(a->stream, "%s %s\r\n", tag, line);
    return actor_expect(a, step, &e, step->source);
}

static bool offered(struct actor *a, const char *keyword, const char *argument)
{
    struct slice rest = buf_slice(&a->keywords), line, word;
    while (slice_next(&rest, '\n', &line)) {
        if (!slice_word(&line, &word) || !slice_ieq_str(word, keyword))
            continue;
        while (argument && slice_word(&line, &word))
            if (slice_ieq_str(word, argument))
                return true;
        return !argument;
    }
    return false;
}

static void base64(struct buf *out, struct slice s)
{
    unsigned char *text = xmalloc(s.n / 3 * 4 + 8);
    int n = EVP_EncodeBlock(text, (const unsigned char *)s.p, (int)s.n);
    buf_add(out, text, (size_t)n);
    free(text);
}

static const char *password_of(struct actor *a, const char *user, const char *given)
{
    if (given)
        return given;
    const struct target_account *account = target_account(a->run->world->target, user);
    return account ? account->password : "";
}

/* AUTH PLAIN with an initial response (RFC 4954 4, RFC 4616 2). */
static bool auth_plain(struct actor *a, const struct step *step, const char *user,
                       const char *password, const char *code)
{
    struct buf secret = {0}, line = {0};
    buf_add_byte(&secret, 0);
    buf_add_str(&secret, user);
    buf_add_byte(&secret, 0);
    buf_add_str(&secret, password);
    buf_add_str(&line, "AUTH PLAIN ");
    base64(&line, buf_slice(&secret));
    bool ok = exchange(a, step, buf_str(&line), code, *code == '2' ? "235" : "AUTH refused");
    buf_free(&secret);
    buf_free(&line);
    return ok;
}

static bool hello(struct actor *a, const struct step *step)
{
    char *line = xasprintf("%s %s", a->proto == PROTO_LMTP ? "LHLO" : "EHLO", client_name);
    bool ok = exchange(a, step, line, "250", "250 to EHLO");
    free(line);
    return ok;
}

bool actor_ready(struct actor *a, const struct step *step)
{
    if (a->greeted)
        return true;
    if (!exchange(a, step, NULL, "220", "220") || !hello(a, step))
        return false;
    const char *user = a->client ? a->client->user : NULL;
    if (!user || a->proto != PROTO_SMTP)
        return true;
    if (!offered(a, "AUTH", "PLAIN") && offered(a, "STARTTLS", NULL) && a->stream &&
        !stream_is_tls(a->stream)) {
        struct step tls = {.kind = STEP_STARTTLS, .at = step->at, .source = step->source};
        if (!actor_handshake(a, &tls))
            return false;
    }
    return !offered(a, "AUTH", "PLAIN") ||
           auth_plain(a, step, user, password_of(a, user, NULL), "235");
}

/* With the authority of the world (world/certificates.sh): for "verify" and "with certificate". */
static SSL_CTX *tls_context(struct actor *a, const struct step *step)
{
    bool server = a->role == 'S';
    char *folder = xasprintf("%s/certificates", a->run->world->target->build);
    char *ca = xasprintf("%s/ca.pem", folder);
    SSL_CTX *ctx = server ? server_tls_context(a->name)
                          : client_tls_context(&step->tls, step->tls.verify ? ca : NULL);
    if (step->tls.certificate && !tls_certificate(ctx, &step->tls, server, folder))
        run_error(a->run, step->at, "no certificate: %s/ca.pem and ca.key cannot be read; does the "
                  "target's start script source $WORLD/certificates.sh?", folder);
    free(ca);
    free(folder);
    return ctx;
}

/* STARTTLS (or STLS) and its reply, the handshake, EHLO again; or the handshake alone. */
bool actor_handshake(struct actor *a, const struct step *step)
{
    if (!a->stream)
        return true;
    bool command = step->kind == STEP_STARTTLS && a->role == 'C';
    if (command && a->proto == PROTO_POP3 && !exchange(a, step, "STLS", "+OK", "+OK to STLS"))
        return false;
    if (command && a->proto == PROTO_IMAP && !imap_exchange(a, step, "starttls", "STARTTLS", "OK"))
        return false;
    if (command && a->proto == PROTO_SMTP &&
        !exchange(a, step, "STARTTLS", "220", "220 to STARTTLS"))
        return false;
    size_t injected = 0;
    enum io io;
    stream_flush(a->stream);
    stream_set_timeout(a->stream, run_patience(a->run, a->run->scenario->patience_ms));
    SSL_CTX *ctx = tls_context(a, step);
    if (a->role == 'S') {
        io = stream_start_tls_server(a->stream, ctx, &injected);
    } else {
        const char *name = step->tls.sni ? step->tls.sni : a->run->world->target->hostname;
        bool verify = step->tls.verify && !a->run->world->replay;    /* whose certificate is made up */
        io = stream_start_tls_client(a->stream, ctx, name, verify, &injected);
    }
    SSL_CTX_free(ctx);
    tape_tls(a->run->world->tape, a->channel, io == IO_OK);
    if (injected)
        run_note(a->run, a->name, "%zu octets in plain before the handshake", injected);
    bool good = (io == IO_OK) != step->tls.fails;
    run_note(a->run, a->name, "TLS handshake: %s",
             io == IO_OK ? SSL_get_version(stream_ssl(a->stream)) : stream_error(a->stream));
    /* A client learns only after our side's handshake that it does not like what it has seen. */
    if (step->tls.perhaps && io == IO_OK && a->role == 'S')
        io = stream_wait(a->stream, a->run->scenario->patience_ms);
    if (step->tls.noted)
        return io == IO_OK || (step->tls.perhaps && io == IO_TIMEOUT);
    if (!good)
        run_finding(a->run, step->at, step->source, &step->ids, run_severity(a->run, &step->ids),
                    xstrdup(step->tls.fails ? "no TLS session" : "a TLS session"),
                    xasprintf("%s", io == IO_OK ? "the handshake succeeded"
                                                : stream_error(a->stream)), NULL);
    else
        run_finding(a->run, step->at, step->source, &step->ids, V_PASS, NULL, NULL, NULL);
    if (good && io == IO_OK && command && a->proto == PROTO_SMTP)
        return hello(a, step);
    return good;
}

bool actor_login(struct actor *a, const struct step *step)
{
    const char *password = password_of(a, step->user, step->password);
    bool ok;
    run_lock(a->run);
    a->run->dirty = true;
    run_unlock(a->run);
    if (a->proto == PROTO_POP3) {
        char *user = xasprintf("USER %s", step->user), *pass = xasprintf("PASS %s", password);
        const char *end = step->tls.fails ? "-ERR" : "+OK";
        ok = (a->greeted || exchange(a, step, NULL, "+OK", "+OK")) &&
             exchange(a, step, user, "+OK", "+OK to USER") &&
             exchange(a, step, pass, end, step->tls.fails ? "-ERR to PASS" : "+OK to PASS");
        free(user);
        free(pass);
        return ok;
    }
    if (a->proto == PROTO_IMAP) {
        char *line = xasprintf("LOGIN \"%s\" \"%s\"", step->user, password);
        ok = imap_exchange(a, step, "login", line, step->tls.fails ? "NO" : "OK");
        free(line);
        return ok;
    }
    return actor_ready(a, step) &&
           auth_plain(a, step, step->user, password, step->tls.fails ? "5xx" : "235");
}

static bool refused_here(struct actor *a, const struct step *step, const char *where, bool *done)
{
    const struct message *m = step->message;
    if (!m->refused_at || strcmp(m->refused_at, where) != 0)
        return false;
    *done = actor_expect(a, step, m->refusal, step->source);
    return true;
}

/* MAIL, RCPT, DATA up to 354. *over: the message was refused as it should be. */
static bool envelope(struct actor *a, const struct step *step, bool *over)
{
    const struct message *m = step->message;
    struct buf line = {0};
    const char *missing = NULL;
    bool ok = true;
    run_lock(a->run);
    buf_add_str(&line, "MAIL FROM:<");
    text_bytes(&m->from, &a->run->env, &line, &missing);
    buf_add_byte(&line, '>');
    if (m->with.n)
        buf_add_byte(&line, ' ');
    text_bytes(&m->with, &a->run->env, &line, &missing);
    run_unlock(a->run);
    for (size_t i = 0; ok && i <= m->to_count; i++) {
        const char *verb = i ? "RCPT" : "MAIL";
        if (i) {
            buf_clear(&line);
            run_lock(a->run);
            buf_add_str(&line, "RCPT TO:<");
            text_bytes(&m->to[i - 1], &a->run->env, &line, &missing);
            buf_add_byte(&line, '>');
            run_unlock(a->run);
        }
        bool last = i == 0 || i == m->to_count;
        if (last && m->refused_at && strcmp(m->refused_at, verb) == 0) {
            buf_add_str(&line, "\r\n");
            if (a->stream)
                stream_write(a->stream, line.data, line.len);
            *over = refused_here(a, step, verb, &ok);
            break;
        }
        ok = exchange(a, step, buf_str(&line), "25x", i ? "250 to RCPT" : "250 to MAIL");
    }
    buf_free(&line);
    if (!ok || *over)
        return ok;
    run_lock(a->run);
    a->run->dirty = true;
    run_unlock(a->run);
    if (m->refused_at && strcmp(m->refused_at, "DATA") == 0) {
        if (a->stream)
            stream_puts(a->stream, "DATA\r\n");
        *over = refused_here(a, step, "DATA", &ok);
        return ok;
    }
    return exchange(a, step, "DATA", "354", "354 to DATA");
}

/* RFC 5321 4.5.2: a dot is put before each line that begins with one. */
static void add_stuffed(struct buf *out, struct slice content)
{
    bool begin = true;
    for (size_t i = 0; i < content.n; i++) {
        if (begin && content.p[i] == '.')
            buf_add_byte(out, '.');
        buf_add_byte(out, content.p[i]);
        begin = content.p[i] == '\n' && i && content.p[i - 1] == '\r';
    }
    if (!slice_ends(content, SLICE("\r\n")))
        buf_add_str(out, "\r\n");
    buf_add_str(out, ".\r\n");
}

bool content_of(struct actor *a, const struct step *step, struct buf *out)
{
    const struct message *m = step->message;
    struct buf error = {0};
    const char *missing = NULL;
    bool ok = true;
    if (m->fixture)
        ok = fixture_load(out, m->fixture, a->run->scenario->file, a->run->world->target->root,
                          &error);
    for (size_t i = 0; ok && i < m->body_lines; i++) {
        run_lock(a->run);
        ok = text_bytes(&m->body[i], &a->run->env, out, &missing);
        run_unlock(a->run);
        buf_add_str(out, "\r\n");
        if (!ok)
            buf_printf(&error, "$%s has no value", missing);
    }
    if (!ok)
        run_error(a->run, step->at, "%s", buf_str(&error));
    buf_free(&error);
    return ok;
}

bool actor_message(struct actor *a, const struct step *step)
{
    struct buf content = {0}, wire = {0};
    bool over = false, ok = content_of(a, step, &content) && actor_ready(a, step) &&
                            envelope(a, step, &over);
    if (ok && !over && a->stream) {
        add_stuffed(&wire, buf_slice(&content));
        stream_set_timeout(a->stream, run_limit(a->run, a->run->scenario->timeout_ms));
        stream_write(a->stream, wire.data, wire.len);
        if (refused_here(a, step, "message", &ok))
            over = true;
        size_t replies = a->proto == PROTO_LMTP ? step->message->to_count : 1;
        for (size_t i = 0; ok && !over && i < replies; i++)
            ok = exchange(a, step, NULL, "250", "250 to the message");
    }
    buf_free(&content);
    buf_free(&wire);
    return ok;
}

/* APOP (RFC 1939 7): the MD5 of the greeting's timestamp and the password. */
static bool apop(struct actor *a, const struct step *step, const char *password)
{
    struct slice greeting = buf_slice(&a->greeting);
    ptrdiff_t open = slice_index(greeting, '<'), end = slice_index(greeting, '>');
    struct buf text = {0}, line = {0};
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (open >= 0 && end > open)
        buf_add_slice(&text, slice_sub(greeting, (size_t)open, (size_t)end + 1));
    buf_add_str(&text, password);
    EVP_Digest(text.data ? text.data : "", text.len, digest, &n, EVP_md5(), NULL);
    buf_printf(&line, "APOP %s ", step->user);
    for (unsigned i = 0; i < n; i++)
        buf_printf(&line, "%02x", digest[i]);
    bool ok = exchange(a, step, buf_str(&line), step->tls.fails ? "-ERR" : "+OK", "APOP");
    buf_free(&text);
    buf_free(&line);
    return ok;
}

bool actor_auth(struct actor *a, const struct step *step)
{
    if (a->proto == PROTO_SMTP && strcmp(step->name, "PLAIN") == 0)
        return actor_login(a, step);
    if (a->proto == PROTO_POP3 && strcmp(step->name, "APOP") == 0)
        return (a->greeted || exchange(a, step, NULL, "+OK", "+OK")) &&
               apop(a, step, password_of(a, step->user, step->password));
    return sasl_auth(a, step, password_of(a, step->user, step->password));
}
