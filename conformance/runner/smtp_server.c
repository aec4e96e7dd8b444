/* smtp_server.c - the scripted SMTP and LMTP server: accepts everything, except where a rule of
 * the scenario says something else. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "base/timing.h"

#include <stdlib.h>

enum { COMMAND_MAX = 64 * 1024, RCPTS_MAX = 100000 };

struct session {
    struct actor *a;
    struct server_state *s;
    bool over;
    bool closing, resetting;       /* when the command at hand has been answered */
    struct received m;             /* being received */
    bool mail;
    struct buf chunk;              /* of BDAT */
};

/* What a rule did instead of the default. */
enum did { DID_DEFAULT, DID_POSITIVE, DID_NEGATIVE, DID_OVER };

static void reset_transaction(struct session *c)
{
    for (size_t i = 0; i < c->m.to_count; i++)
        free(c->m.to[i]);
    free(c->m.to);
    free(c->m.from);
    free(c->m.parameters);
    c->m = (struct received){0};
    c->mail = false;
    buf_clear(&c->chunk);
}

void actor_abort(struct actor *a)
{
    run_note(a->run, a->name, "resets the connection");
    run_lock(a->run);
    struct stream *stream = a->connection->stream;
    a->connection->stream = NULL;
    run_unlock(a->run);
    stream_abort(stream);
    a->stream = NULL;
}

static void end(struct session *c, bool reset)
{
    c->over = true;
    if (reset)
        actor_abort(c->a);
}

/* A reply of several lines is written with \n in the scenario: "250 first\nsecond". */
static void put_reply(struct session *c, struct slice text)
{
    struct slice code = slice_sub(text, 0, 3), rest = slice_sub(text, 3, text.n), line;
    if (rest.n && (rest.p[0] == ' ' || rest.p[0] == '-'))
        rest = slice_sub(rest, 1, rest.n);
    else if (!rest.n)
        rest = SLICE("");
    while (slice_next(&rest, '\n', &line))
        stream_printf(c->a->stream, "%.*s%c%.*s\r\n", SLICE_ARG(code), rest.p ? '-' : ' ',
                      SLICE_ARG(line));
}

void reaction_delay(struct actor *a, const struct reaction *x)
{
    if (!x->after_ms)
        return;
    stream_flush(a->stream);
    int64_t until = mono_ms() + run_patience(a->run, x->after_ms);
    while (mono_ms() < until && !run_stopped(a->run))
        sleep_ms(until - mono_ms() < 20 ? until - mono_ms() : 20);
}

void reaction_text(struct actor *a, const struct reaction *x, struct buf *out)
{
    const char *missing = NULL;
    run_lock(a->run);
    text_bytes(&x->text, &a->run->env, out, &missing);
    run_unlock(a->run);
}

void reaction_silence(struct actor *a)
{
    stream_flush(a->stream);
    for (struct slice any; stream_peek(a->stream, &any) == IO_OK;)
        stream_consume(a->stream, any.n);
}

static enum did apply(struct session *c, const struct reaction *x)
{
    struct buf text = {0};
    enum did did = DID_DEFAULT;
    reaction_delay(c->a, x);
    reaction_text(c->a, x, &text);
    switch (x->outcome) {
    case OUTCOME_ACCEPT:
        break;
    case OUTCOME_REPLY:
        put_reply(c, buf_slice(&text));
        did = text.data[0] <= '3' ? DID_POSITIVE : DID_NEGATIVE;
        break;
    case OUTCOME_RAW:
        stream_write(c->a->stream, text.data ? text.data : "", text.len);
        stream_flush(c->a->stream);
        did = DID_NEGATIVE;
        break;
    case OUTCOME_SILENCE:          /* until the peer gives up */
        reaction_silence(c->a);
        did = DID_OVER;
        break;
    case OUTCOME_DROP:
    case OUTCOME_RESET:
        end(c, x->outcome == OUTCOME_RESET);
        did = DID_OVER;
    }
    buf_free(&text);
    c->closing |= x->then_close || x->then_reset;
    c->resetting |= x->then_reset;
    return did;
}

/* Asks the rules about an event and answers `normal` (NULL: nothing) when none says otherwise. */
static enum did answer(struct session *c, const char *event, struct slice argument,
                       const char *normal)
{
    const struct reaction *x = server_react(c->s, event, argument);
    enum did did = x ? apply(c, x) : DID_DEFAULT;
    if (did == DID_OVER) {
        c->over = true;
        return did;
    }
    if (did == DID_DEFAULT && normal)
        stream_printf(c->a->stream, "%s\r\n", normal);
    return did;
}

static bool offers(const struct server *def, const char *keyword)
{
    static const char *const usual[] = {"PIPELINING", "8BITMIME", "SIZE", "ENHANCEDSTATUSCODES"};
    if (!def->offers_given) {
        for (size_t i = 0; i < 4; i++)
            if (strcmp(usual[i], keyword) == 0)
                return true;
        return false;
    }
    for (size_t i = 0; i < def->offer_count; i++) {
        struct slice rest = slice_str(def->offers[i]), word;
        if (slice_word(&rest, &word) && slice_ieq_str(word, keyword))
            return true;
    }
    return false;
}

static void on_ehlo(struct session *c, const char *event, struct slice argument)
{
    const struct server *def = c->s->def;
    enum did did = answer(c, event, argument, NULL);
    reset_transaction(c);
    if (did != DID_DEFAULT || c->over)
        return;
    if (strcmp(event, "HELO") == 0) {
        stream_printf(c->a->stream, "250 %s\r\n", def->name);
        return;
    }
    if (!def->offers_given) {
        stream_printf(c->a->stream, "250-%s\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 0\r\n"
                      "250 ENHANCEDSTATUSCODES\r\n", def->name);
        return;
    }
    stream_printf(c->a->stream, "250%c%s\r\n", def->offer_count ? '-' : ' ', def->name);
    for (size_t i = 0; i < def->offer_count; i++)
        stream_printf(c->a->stream, "250%c%s\r\n", i + 1 < def->offer_count ? '-' : ' ',
                      def->offers[i]);
}

/* "FROM:<path> PARAMETERS" or "TO:<path> PARAMETERS"; false when it is not that. */
static bool path_of(struct slice argument, const char *word, struct slice *path,
                    struct slice *parameters)
{
    if (!slice_istarts(argument, slice_str(word)))
        return false;
    struct slice rest = slice_trim(slice_sub(argument, strlen(word), argument.n));
    bool quoted = false;
    size_t i = 1;
    if (!rest.n || rest.p[0] != '<')
        return false;
    for (; i < rest.n && (quoted || rest.p[i] != '>'); i++) {
        if (rest.p[i] == '\\')
            i++;
        else if (rest.p[i] == '"')
            quoted = !quoted;
    }
    if (i >= rest.n)
        return false;
    *path = slice_sub(rest, 1, i);
    *parameters = slice_trim(slice_sub(rest, i + 1, rest.n));
    return true;
}

/* RFC 5321 4.1.1.11: parameters of extensions that were not offered are refused, so that a
 * client that uses them all the same is seen. */
static bool parameters_known(const struct server *def, struct slice parameters)
{
    static const struct { const char *parameter, *keyword; } known[] = {
        {"SIZE", "SIZE"}, {"BODY", "8BITMIME"}, {"SMTPUTF8", "SMTPUTF8"}, {"RET", "DSN"},
        {"ENVID", "DSN"}, {"NOTIFY", "DSN"}, {"ORCPT", "DSN"}, {"AUTH", "AUTH"},
        {"REQUIRETLS", "REQUIRETLS"}};
    struct slice word;
    while (slice_word(&parameters, &word)) {
        ptrdiff_t eq = slice_index(word, '=');
        struct slice name = eq < 0 ? word : slice_sub(word, 0, (size_t)eq);
        bool ok = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (slice_ieq_str(name, known[i].parameter) && offers(def, known[i].keyword))
                ok = true;
        if (!ok)
            return false;
    }
    return true;
}

static void on_mail(struct session *c, struct slice argument)
{
    struct slice path, parameters;
    bool ok = path_of(argument, "FROM:", &path, &parameters);
    const char *normal = !ok ? "501 5.5.4 syntax: MAIL FROM:<address>"
        : !parameters_known(c->s->def, parameters) ? "555 5.5.4 parameter not offered"
        : c->mail ? "503 5.5.1 nested MAIL" : "250 2.1.0 ok";
    enum did did = answer(c, "MAIL", argument, normal);
    if (!ok || did == DID_NEGATIVE || did == DID_OVER || (did == DID_DEFAULT && normal[0] != '2'))
        return;
    reset_transaction(c);
    c->mail = true;
    c->m.from = slice_dup(path);
    c->m.parameters = slice_dup(parameters);
}

static void on_rcpt(struct session *c, struct slice argument)
{
    struct slice path, parameters;
    bool ok = path_of(argument, "TO:", &path, &parameters);
    const char *normal = !ok ? "501 5.5.4 syntax: RCPT TO:<address>"
        : !parameters_known(c->s->def, parameters) ? "555 5.5.4 parameter not offered"
        : !c->mail ? "503 5.5.1 MAIL first" : "250 2.1.5 ok";
    enum did did = answer(c, "RCPT", argument, normal);
    if (!ok || did == DID_NEGATIVE || did == DID_OVER || (did == DID_DEFAULT && normal[0] != '2') ||
        c->m.to_count >= RCPTS_MAX)
        return;
    c->m.to = xreallocarray(c->m.to, c->m.to_count + 1, sizeof *c->m.to);
    c->m.to[c->m.to_count++] = slice_dup(path);
}

static void store(struct session *c, struct buf *content)
{
    c->m.n = content->len;
    c->m.bytes = buf_take(content);
    c->m.connection = c->a->connection->number;
    run_lock(c->s->run);
    c->s->messages = xreallocarray(c->s->messages, c->s->message_count + 1,
                                   sizeof *c->s->messages);
    c->s->messages[c->s->message_count++] = c->m;
    pthread_cond_broadcast(&c->s->run->changed);
    run_unlock(c->s->run);
    c->m = (struct received){0};
}

/* The end of a message: one reply, or in LMTP one a recipient (RFC 2033 4.2). */
static void finish(struct session *c, struct buf *content)
{
    size_t accepted = 0, n = c->a->proto == PROTO_LMTP ? c->m.to_count : 1;
    for (size_t i = 0; i < n && !c->over && !c->closing; i++) {
        char *who = c->a->proto == PROTO_LMTP ? xasprintf("<%s>", c->m.to[i]) : xstrdup("");
        enum did did = answer(c, "message", slice_str(who), "250 2.0.0 taken");
        free(who);
        if (did == DID_DEFAULT || did == DID_POSITIVE) {
            accepted++;
        } else if (c->a->proto == PROTO_LMTP && did == DID_NEGATIVE) {
            free(c->m.to[i]);
            c->m.to[i] = NULL;
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < c->m.to_count; i++)
        if (c->m.to[i])
            c->m.to[kept++] = c->m.to[i];
    c->m.to_count = kept;
    if (accepted)
        store(c, content);
    reset_transaction(c);
}

enum io read_content(struct stream *s, struct buf *out)
{
    struct buf line = {0};
    enum line_end le;
    enum io io;
    bool begin = true;             /* of a line that CRLF ended */
    while ((io = stream_read_line(s, &line, LINE_MAX_OCTETS, &le)) == IO_OK) {
        struct slice text = buf_slice(&line);
        if (begin && le == LINE_CRLF && slice_eq_str(text, "."))
            break;
        if (begin && text.n && text.p[0] == '.')
            text = slice_sub(text, 1, text.n);
        buf_add_slice(out, text);
        buf_add_str(out, le == LINE_CRLF ? "\r\n" : "\n");
        begin = le == LINE_CRLF;
        if (out->len > MESSAGE_MAX) {
            io = IO_TOO_LONG;
            break;
        }
    }
    buf_free(&line);
    return io;
}

static void on_data(struct session *c)
{
    const char *normal = !c->m.to_count ? "503 5.5.1 RCPT first" : "354 go ahead";
    enum did did = answer(c, "DATA", slice_of("", 0), normal);
    if (did == DID_NEGATIVE || did == DID_OVER || c->closing ||
        (did == DID_DEFAULT && normal[0] != '3'))
        return;
    struct buf content = {0};
    stream_flush(c->a->stream);
    if (read_content(c->a->stream, &content) != IO_OK)
        c->over = true;
    else
        finish(c, &content);
    buf_free(&content);
}

static void on_bdat(struct session *c, struct slice argument)
{
    struct slice word, last = {0};
    uint64_t n;
    if (!slice_word(&argument, &word) || !slice_number(word, MESSAGE_MAX, &n)) {
        stream_puts(c->a->stream, "501 5.5.4 syntax: BDAT size [LAST]\r\n");
        return;
    }
    slice_word(&argument, &last);
    buf_reserve(&c->chunk, n);
    if (c->chunk.len + n > MESSAGE_MAX ||
        stream_read_exact(c->a->stream, c->chunk.data + c->chunk.len, n) != IO_OK) {
        c->over = true;
        return;
    }
    c->chunk.len += n;
    if (!c->m.to_count)
        stream_puts(c->a->stream, "503 5.5.1 RCPT first\r\n");
    else if (slice_ieq_str(last, "LAST"))
        finish(c, &c->chunk);
    else
        answer(c, "BDAT", slice_of("", 0), "250 2.0.0 chunk taken");
}

static void on_starttls(struct session *c)
{
    if (!offers(c->s->def, "STARTTLS")) {
        answer(c, "STARTTLS", slice_of("", 0), "502 5.5.1 not offered");
        return;
    }
    if (answer(c, "STARTTLS", slice_of("", 0), "220 2.0.0 go ahead") != DID_DEFAULT || c->closing)
        return;
    struct step step = {.kind = STEP_HANDSHAKE, .at = c->s->def->at, .source = "STARTTLS",
                        .tls = c->s->def->tls_options};
    step.tls.noted = true;
    c->over = !actor_handshake(c->a, &step);
    reset_transaction(c);
}

static void command(struct session *c, struct slice line)
{
    static const char *const plain[] = {"RSET", "NOOP", "VRFY", "EXPN", "HELP", "ETRN", "AUTH"};
    static const char *const replies[] = {"250 2.0.0 ok", "250 2.0.0 ok", "252 2.5.0 perhaps",
        "502 5.5.1 no", "214 2.0.0 no help", "250 2.0.0 ok", "502 5.5.1 not offered"};
    struct slice rest = line, verb = {0};
    slice_word(&rest, &verb);
    rest = slice_trim(rest);
    const char *hello = c->a->proto == PROTO_LMTP ? "LHLO" : "EHLO";
    if (slice_ieq_str(verb, hello) || (slice_ieq_str(verb, "HELO") && c->a->proto == PROTO_SMTP))
        return on_ehlo(c, slice_ieq_str(verb, "HELO") ? "HELO" : hello, rest);
    if (slice_ieq_str(verb, "MAIL"))
        return on_mail(c, rest);
    if (slice_ieq_str(verb, "RCPT"))
        return on_rcpt(c, rest);
    if (slice_ieq_str(verb, "DATA"))
        return on_data(c);
    if (slice_ieq_str(verb, "BDAT") && offers(c->s->def, "CHUNKING"))
        return on_bdat(c, rest);
    if (slice_ieq_str(verb, "STARTTLS"))
        return on_starttls(c);
    if (slice_ieq_str(verb, "QUIT")) {
        answer(c, "QUIT", rest, "221 2.0.0 bye");
        c->over = true;
        return;
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (slice_ieq_str(verb, plain[i])) {
            answer(c, plain[i], rest, replies[i]);
            if (i == 0)
                reset_transaction(c);
            return;
        }
    answer(c, "any", line, "500 5.5.2 what?");
}

/* "... and close", "... and reset" of a reaction: after the answer. */
static void close_if_due(struct session *c)
{
    if (!c->closing || c->over)
        return;
    stream_flush(c->a->stream);
    end(c, c->resetting);
}

void smtp_serve(struct actor *a)
{
    struct session c = {.a = a, .s = a->connection->server};
    char *greeting = xasprintf("220 %s ESMTP scripted", a->server->name);
    enum did did = answer(&c, "connect", slice_of("", 0),
                          a->proto == PROTO_SMTP || a->proto == PROTO_LMTP ? greeting : NULL);
    free(greeting);
    struct buf line = {0};
    enum line_end le;
    c.over |= did == DID_OVER;
    close_if_due(&c);
    while (!c.over && a->stream && stream_read_line(a->stream, &line, COMMAND_MAX, &le) == IO_OK) {
        run_lock(a->run);
        struct connection *k = a->connection;
        k->commands.v = xreallocarray(k->commands.v, k->commands.n + 1, sizeof *k->commands.v);
        k->commands.v[k->commands.n++] = slice_dup(buf_slice(&line));
        run_unlock(a->run);
        if (a->proto == PROTO_SMTP || a->proto == PROTO_LMTP)
            command(&c, buf_slice(&line));
        else
            answer(&c, "any", buf_slice(&line), NULL);
        close_if_due(&c);
    }
    reset_transaction(&c);
    buf_free(&c.chunk);
    buf_free(&line);
}
