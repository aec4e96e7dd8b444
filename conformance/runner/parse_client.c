/* parse_client.c - "client NAME to ..." and the steps of a dialogue. */
#include "conformance/runner/lex.h"
#include "conformance/runner/parse.h"

static const struct { const char *name; enum proto proto; bool tls; } services[] = {
    {"smtp", PROTO_SMTP, false}, {"submission", PROTO_SMTP, false}, {"submissions", PROTO_SMTP, true},
    {"lmtp", PROTO_LMTP, false}, {"pop3", PROTO_POP3, false},       {"pop3s", PROTO_POP3, true},
    {"imap", PROTO_IMAP, false}, {"imaps", PROTO_IMAP, true},
};
enum { SERVICES = sizeof services / sizeof *services };

bool parse_tls_option(struct cursor *c, struct tls_options *o)
{
    if (lex_accept(c, "tls")) {
        const char *v = lex_word(c, "a version of TLS");
        if (v && strcmp(v, "1.0") != 0 && strcmp(v, "1.1") != 0 && strcmp(v, "1.2") != 0 &&
            strcmp(v, "1.3") != 0)
            lex_error(c, "\"%s\" is no version of TLS; write tls 1.2 or tls 1.3", v);
        o->version = v;
    } else if (lex_accept(c, "sni")) {
        o->sni = lex_word(c, "a host name");
    } else if (lex_accept(c, "with certificate")) {
        o->certificate = lex_word(c, "the name in the certificate, such as jerry");
        o->by_stranger = lex_accept(c, "by stranger");
    } else if (lex_accept(c, "verify")) {
        o->verify = true;
    } else if (lex_accept(c, "fails")) {
        o->fails = true;
    } else if (lex_accept(c, "perhaps")) {
        o->noted = o->perhaps = true;
    } else {
        return false;
    }
    return true;
}

void parse_except(struct cursor *c, struct ids *out)
{
    if (!lex_accept(c, "except"))
        return;
    struct slice rest = slice_str(lex_rest(c)), field;
    while (slice_next(&rest, ',', &field)) {
        field = slice_trim(field);
        if (!field.n || slice_index(field, ' ') >= 0)
            lex_error(c, "after except come names of header fields: except Received, Return-Path");
        else
            ids_add(c->arena, out, arena_slice(c->arena, field).p);
    }
}

void parse_body(struct parser *p, int indent, struct text **lines, size_t *count)
{
    const struct line *line;
    while ((line = parser_line(p, indent))) {
        struct cursor c = parser_take(p, line);
        if (*c.p != '|') {
            lex_error(&c, "the lines of a message begin with \"| \"");
            continue;
        }
        c.p += c.p[1] == ' ' ? 2 : 1;
        text_parse(&c, c.p, c.p + strlen(c.p), arena_push(c.arena, *lines, *count));
    }
}

/* send fixture F|message from <A> to <B>, <C> [with PARAMETERS] [refused at EVENT with REPLY] */
static void parse_message(struct parser *p, struct cursor *c, struct step *step, int indent)
{
    struct message *m = arena_alloc(c->arena, sizeof *m);
    step->kind = STEP_MESSAGE;
    step->message = m;
    if (lex_accept(c, "fixture"))
        m->fixture = lex_word(c, "the name of a message");
    else if (!lex_accept(c, "message"))
        lex_error(c, "expected: send fixture NAME from <A> to <B>, or send message from <A> to <B> "
                     "with lines \"| text\" below");
    if (!c->failed && !lex_accept(c, "from"))
        lex_error(c, "expected from <ADDRESS>");
    if (!c->failed && lex_path(c, &m->from) && !lex_accept(c, "to"))
        lex_error(c, "expected to <ADDRESS>");
    while (!c->failed && lex_path(c, arena_push(c->arena, m->to, m->to_count))) {
        lex_blanks(c);
        if (*c->p != ',')
            break;
        c->p++;
    }
    if (lex_accept(c, "with")) {
        lex_blanks(c);
        const char *end = strstr(c->p, " refused at ");
        end = end ? end : c->p + strlen(c->p);
        text_parse(c, c->p, end, &m->with);
        c->p = end;
    }
    if (lex_accept(c, "refused at")) {
        m->refused_at = lex_word(c, "MAIL, RCPT, DATA or message");
        if (m->refused_at && strcmp(m->refused_at, "MAIL") != 0 &&
            strcmp(m->refused_at, "RCPT") != 0 && strcmp(m->refused_at, "DATA") != 0 &&
            strcmp(m->refused_at, "message") != 0)
            lex_error(c, "a message is refused at MAIL, RCPT, DATA or message");
        if (!c->failed && !lex_accept(c, "with"))
            lex_error(c, "expected with and a reply: refused at RCPT with 550");
        if (!c->failed) {
            m->refusal = parse_expect(p, c, PROTO_SMTP, 'C', 1 << 20);
        }
    }
    lex_end(c);
    if (!m->fixture)
        parse_body(p, indent, &m->body, &m->body_lines);
    if (!c->failed && !m->fixture && !m->body_lines)
        lex_error(c, "a message without lines; put them below, each beginning with \"| \"");
}

/* append fixture F|message to MAILBOX [with FLAGS AND DATE] */
static void parse_append(struct parser *p, struct cursor *c, struct step *step, int indent)
{
    struct message *m = arena_alloc(c->arena, sizeof *m);
    step->kind = STEP_MESSAGE;
    step->message = m;
    m->append = true;
    if (lex_accept(c, "fixture"))
        m->fixture = lex_word(c, "the name of a message");
    else if (!lex_accept(c, "message"))
        lex_error(c, "expected: append fixture NAME to MAILBOX, or append message to MAILBOX with "
                     "lines \"| text\" below");
    if (!c->failed && !lex_accept(c, "to"))
        lex_error(c, "expected to MAILBOX");
    const char *mailbox = c->failed ? NULL : lex_word(c, "the name of a mailbox");
    if (mailbox)
        text_parse(c, mailbox, mailbox + strlen(mailbox), &m->mailbox);
    if (lex_accept(c, "with")) {
        lex_blanks(c);
        text_parse(c, c->p, c->p + strlen(c->p), &m->with);
        c->p += strlen(c->p);
    }
    lex_end(c);
    if (!m->fixture)
        parse_body(p, indent, &m->body, &m->body_lines);
    if (!c->failed && !m->fixture && !m->body_lines)
        lex_error(c, "a message without lines; put them below, each beginning with \"| \"");
}

/* deliver fixture F|message to USER [N times]: into the inbox, by whatever way the target has. */
bool parse_deliver(struct parser *p, struct cursor *c, int indent)
{
    if (!lex_accept(c, "deliver"))
        return false;
    struct message *m = arena_alloc(c->arena, sizeof *m);
    struct step *step = arena_alloc(c->arena, sizeof *step);
    *step = (struct step){.kind = STEP_MESSAGE, .at = c->at, .source = c->start, .message = m};
    struct part *part = parser_part(p, PART_DELIVER, c);
    part->deliver = step;
    part->times = 1;
    if (lex_accept(c, "fixture"))
        m->fixture = lex_word(c, "the name of a message");
    else if (!lex_accept(c, "message"))
        lex_error(c, "expected: deliver fixture NAME to USER, or deliver message to USER with lines "
                     "\"| text\" below");
    if (!c->failed && !lex_accept(c, "to"))
        lex_error(c, "expected to USER");
    step->user = lex_word(c, "the name of an account");
    if (!lex_at_end(c) && lex_number(c, PARSE_COPIES_MAX, &part->times) && !lex_accept(c, "times"))
        lex_error(c, "expected times");
    const char *from = "sender@client.magedu.test";
    text_parse(c, from, from + strlen(from), &m->from);
    if (step->user) {
        const char *to = arena_printf(c->arena, "%s@magedu.test", step->user);
        text_parse(c, to, to + strlen(to), arena_push(c->arena, m->to, m->to_count));
    }
    if (!m->fixture)
        parse_body(p, indent, &m->body, &m->body_lines);
    if (!c->failed && !m->fixture && !m->body_lines)
        lex_error(c, "a message without lines; put them below, each beginning with \"| \"");
    return true;
}

static void parse_repeat(struct parser *p, struct cursor *c, struct step *step, int indent,
                         enum proto proto, char sender)
{
    step->kind = STEP_REPEAT;
    lex_number(c, PARSE_REPEAT_MAX, &step->count);
    if (lex_accept(c, "as")) {
        const char *name = lex_word(c, "a variable such as $n");
        if (name && (name[0] != '$' || !name[1]))
            lex_error(c, "expected a variable such as $n");
        else if (name)
            step->var = name + 1;
    }
    lex_end(c);
    if (p->repeat_depth >= PARSE_REPEAT_DEPTH) {
        lex_error(c, "repeat goes too deep");
        return;
    }
    p->repeat_depth++;
    parse_steps(p, indent, proto, sender, &step->body, &step->body_count);
    p->repeat_depth--;
    if (!step->body_count)
        lex_error(c, "nothing to repeat; indent the lines below");
}

static void parse_named(struct parser *p, struct cursor *c, struct step *step, int indent,
                        enum proto proto, char sender)
{
    if (lex_accept(c, "flush"))
        step->kind = STEP_FLUSH;
    else if (lex_accept(c, "pause"))
        step->kind = STEP_PAUSE, lex_duration(c, &step->ms);
    else if (lex_accept(c, "close"))
        step->kind = STEP_CLOSE;
    else if (lex_accept(c, "reset"))
        step->kind = STEP_RESET;
    else if (lex_accept(c, "half-close"))
        step->kind = STEP_HALF_CLOSE;
    else if (lex_accept(c, "reconnect"))
        step->kind = STEP_RECONNECT;
    else if (lex_accept(c, "deflate"))
        step->kind = STEP_DEFLATE;
    else if (lex_accept(c, "barrier"))
        step->kind = STEP_BARRIER, step->name = lex_word(c, "the name of the barrier");
    else if (lex_accept(c, "handshake") || lex_accept(c, "starttls")) {
        step->kind = strncmp(step->source, "starttls", 8) == 0 ? STEP_STARTTLS : STEP_HANDSHAKE;
        while (parse_tls_option(c, &step->tls))
            ;
    } else if (lex_accept(c, "login") || lex_accept(c, "auth")) {
        step->kind = strncmp(step->source, "login", 5) == 0 ? STEP_LOGIN : STEP_AUTH;
        if (step->kind == STEP_AUTH)
            step->name = lex_word(c, "a SASL mechanism");
        if (!lex_accept(c, "as") && step->kind == STEP_AUTH && !c->failed)
            lex_error(c, "expected as USER");
        step->user = lex_word(c, "the name of an account");
        if (lex_accept(c, "password"))
            step->password = lex_word(c, "a password");
        if (lex_accept(c, "fails"))
            step->tls.fails = true;
    } else if (sender == 'C' && lex_accept(c, "send")) {
        parse_message(p, c, step, indent);
        return;
    } else if (proto == PROTO_IMAP && sender == 'C' && lex_accept(c, "append")) {
        parse_append(p, c, step, indent);
        return;
    } else if (lex_accept(c, "repeat")) {
        parse_repeat(p, c, step, indent, proto, sender);
        return;
    } else {
        lex_error(c, "\"%s\" is no step; known are C: C> S: flush pause close reset half-close "
                  "reconnect handshake starttls deflate login auth send append repeat barrier", lex_peek(c));
    }
    lex_end(c);
}

static void parse_step(struct parser *p, const struct line *line, enum proto proto, char sender,
                       struct step *step)
{
    struct cursor c = parser_take(p, line);
    *step = (struct step){.at = line->at, .source = c.start};
    char who = c.p[0], mark = who ? c.p[1] : 0;
    bool dialogue = (who == 'C' || who == 'S') && (mark == ':' || mark == '>') &&
                    (c.p[2] == ' ' || c.p[2] == 0);
    if (dialogue && who == sender) {
        step->kind = STEP_SEND;
        step->crlf = mark == ':';
        c.p += c.p[2] == ' ' ? 3 : 2;
        if (proto_is_filter(proto) && step->crlf)
            parse_filter_answer(&c, c.p, c.p + strlen(c.p), proto, &step->text);
        else
            text_parse(&c, c.p, c.p + strlen(c.p), &step->text);
    } else if (dialogue) {
        if (mark == '>')
            lex_error(&c, "what is received is matched with \"%c:\"", who);
        step->kind = STEP_EXPECT;
        parser_tags(p, &c, &step->ids);
        step->source = c.start;
        c.p = c.start + 2;
        p->scenario->check_count++;
        step->expect = parse_expect(p, &c, proto, sender, line->indent);
    } else {
        parser_tags(p, &c, &step->ids);
        step->source = c.start;
        parse_named(p, &c, step, line->indent, proto, sender);
        if (step->kind == STEP_MESSAGE || step->kind == STEP_LOGIN || step->kind == STEP_AUTH ||
            step->kind == STEP_HANDSHAKE || step->kind == STEP_STARTTLS)
            p->scenario->check_count++;
    }
}

void parse_steps(struct parser *p, int indent, enum proto proto, char sender, struct step **steps,
                 size_t *count)
{
    const struct line *line;
    int first = -1;
    while ((line = parser_line(p, indent))) {
        if (first < 0)
            first = line->indent;
        if (line->indent != first) {
            struct cursor c = parser_take(p, line);
            lex_error(&c, "indented differently from the lines above that belong together");
            continue;
        }
        struct step step;
        parse_step(p, line, proto, sender, &step);
        *arena_push(&p->scenario->arena, *steps, *count) = step;
    }
}

static void client_options(struct cursor *c, struct client *client)
{
    while (!c->failed && !lex_at_end(c)) {
        if (lex_accept(c, "from")) {
            int port = 0;
            parse_endpoint(c, &client->from, &port);
            if (port)
                lex_error(c, "a source address has no port here");
        } else if (lex_accept(c, "as")) {
            client->user = lex_word(c, "the name of an account");
        } else if (lex_accept(c, "in background")) {
            client->background = true;
        } else if (lex_accept(c, "times")) {
            lex_number(c, PARSE_COPIES_MAX, &client->copies);
            if (client->copies < 1)
                lex_error(c, "at least once");
        } else if (!parse_tls_option(c, &client->tls_options)) {
            lex_error(c, "\"%s\" is not expected here; known are: from ADDRESS, as USER, in "
                      "background, times N, tls VERSION, sni NAME, verify, with certificate NAME, fails, "
                      "perhaps", c->p);
        }
    }
}

static void client_target(struct cursor *c, struct client *client)
{
    for (int i = 0; i < SERVICES; i++)
        if (lex_accept(c, services[i].name)) {
            client->service = services[i].name;
            client->proto = services[i].proto;
            client->tls = services[i].tls;
            return;
        }
    parse_endpoint(c, &client->address, &client->port);
    if (!c->failed && !client->port)
        lex_error(c, "an address needs a port here, such as 192.0.2.25:25");
    client->proto = PROTO_RAW;
    for (int i = 0; i < SERVICES; i++)
        if (lex_accept(c, services[i].name)) {
            client->proto = services[i].proto;
            client->tls = services[i].tls;
        }
    if (lex_accept(c, "smtps")) {
        client->proto = PROTO_SMTP;
        client->tls = true;
    }
    lex_accept(c, "raw");
}

void parse_client(struct parser *p, struct cursor *c, int indent)
{
    const char *name = lex_word(c, "a name for the client");
    if (!name)
        return;
    struct client *client = arena_alloc(c->arena, sizeof *client);
    *client = (struct client){.at = c->at, .name = name, .copies = 1};
    struct client *known = parser_client(p, name);
    if (lex_accept(c, "again")) {
        if (!known)
            lex_error(c, "no client is called \"%s\" above", name);
        else if (known->background)
            lex_error(c, "\"%s\" works in the background and cannot go on here", name);
        else
            *client = (struct client){.at = c->at, .name = name, .again = true, .copies = 1,
                                      .proto = known->proto};
        lex_end(c);
    } else if (lex_accept(c, "to")) {
        if (known || parser_server(p, name))
            lex_error(c, "there is a party called \"%s\" already; to go on with its connection "
                      "write: client %s again", name, name);
        client_target(c, client);
        client_options(c, client);
        if (client->copies > 1 && !client->background)
            lex_error(c, "several copies work in the background: times %lld in background",
                      (long long)client->copies);
    } else {
        lex_error(c, "expected: client %s to smtp, to ADDRESS:PORT, or client %s again", name, name);
    }
    struct part *part = parser_part(p, PART_CLIENT, c);
    part->client = client;
    parse_steps(p, indent, client->proto, 'C', &client->steps, &client->step_count);
    if (!client->step_count && !c->failed)
        lex_error(c, "a client without steps; indent them below it");
}
