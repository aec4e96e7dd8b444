/* parse_server.c - "server NAME at ADDR:PORT PROTO ..." and its rules. */
#include "conformance/runner/env.h"
#include "conformance/runner/filter.h"
#include "conformance/runner/lex.h"
#include "conformance/runner/parse.h"

static const struct { const char *name; enum proto proto; int port; bool tls; } protocols[] = {
    {"smtp", PROTO_SMTP, 25, false},   {"lmtp", PROTO_LMTP, 24, false},
    {"smtps", PROTO_SMTP, 465, true},  {"pop3", PROTO_POP3, 110, false},
    {"pop3s", PROTO_POP3, 995, true},  {"imap", PROTO_IMAP, 143, false},
    {"imaps", PROTO_IMAP, 993, true},  {"raw", PROTO_RAW, 0, false},
    {"milter", PROTO_MILTER, 8891, false}, {"spamd", PROTO_SPAMD, 783, false},
    {"clamd", PROTO_CLAMD, 3310, false},
};

static const char *const events[] = {
    "connect", "message", "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP",
    "QUIT", "VRFY", "EXPN", "HELP", "STARTTLS", "AUTH", "ETRN", "any",
    "OPTNEG", "CONNECT", "HEADER", "EOH", "BODY", "UNKNOWN",           /* of a milter */
    "PING", "VERSION"};                                                /* of spamd, clamd */
enum { EVENTS = sizeof events / sizeof *events };

void parse_filter_answer(struct cursor *c, const char *from, const char *to, enum proto proto,
                         struct text *out)
{
    if (!text_parse(c, from, to, out))
        return;
    struct env none = {0};
    struct buf text = {0};
    const char *missing = NULL, *wrong;
    if (text_bytes(out, &none, &text, &missing) &&      /* with variables it is known only later */
        (wrong = filter_text_ok(proto, buf_slice(&text))) != NULL)
        lex_error(c, "%s", wrong);
    buf_free(&text);
}

/* One reaction: [N times] [after T] OUTCOME [and close|and reset]; it ends at ", then ". */
static void parse_reaction(struct cursor *c, struct rule *rule, const char *text, enum proto proto)
{
    struct line line = {.at = c->at, .text = text};
    struct cursor r = cursor_of(c->arena, c->diags, &line);
    r.at.col += (int)(c->p - c->start);
    struct reaction *reaction = arena_push(c->arena, rule->reactions, rule->reaction_count);
    reaction->at = r.at;
    struct count count;
    const char *before = r.p;
    if (lex_accept(&r, "once"))
        reaction->times = 1;
    else if (lex_accept(&r, "twice"))
        reaction->times = 2;
    else if (lex_count(&r, &count) && lex_accept(&r, "times"))
        reaction->times = count.n;
    else
        r.p = before;
    if (lex_accept(&r, "after"))
        lex_duration(&r, &reaction->after_ms);
    /* A milter's "accept" is an answer of the protocol; its usual one is "continue". */
    if (proto != PROTO_MILTER && lex_accept(&r, "accept"))
        reaction->outcome = OUTCOME_ACCEPT;
    else if (lex_accept(&r, "drop"))
        reaction->outcome = OUTCOME_DROP;
    else if (lex_accept(&r, "reset"))
        reaction->outcome = OUTCOME_RESET;
    else if (lex_accept(&r, "silence"))
        reaction->outcome = OUTCOME_SILENCE;
    else {
        reaction->outcome = lex_accept(&r, "raw") ? OUTCOME_RAW : OUTCOME_REPLY;
        lex_blanks(&r);
        const char *from = r.p, *to = r.p + strlen(r.p);
        if (to - from > 10 && strcmp(to - 10, " and close") == 0)
            reaction->then_close = true, to -= 10;
        else if (to - from > 10 && strcmp(to - 10, " and reset") == 0)
            reaction->then_reset = true, to -= 10;
        if (reaction->outcome == OUTCOME_REPLY && proto_is_filter(proto))
            parse_filter_answer(&r, from, to, proto, &reaction->text);
        else if (reaction->outcome == OUTCOME_REPLY &&
            !(to - from >= 3 && from[0] >= '2' && from[0] <= '5' && from[1] >= '0' &&
              from[1] <= '9' && from[2] >= '0' && from[2] <= '9' &&
              (to - from == 3 || from[3] == ' ' || from[3] == '-')))
            lex_error(&r, "expected accept, drop, reset, silence, raw BYTES or a reply such as "
                          "\"450 4.2.1 busy\"");
        else
            text_parse(&r, from, to, &reaction->text);
        r.p += strlen(r.p);
    }
    if (reaction->outcome == OUTCOME_ACCEPT) {
        reaction->then_close = lex_accept(&r, "and close");
        reaction->then_reset = !reaction->then_close && lex_accept(&r, "and reset");
    }
    lex_end(&r);
    c->failed |= r.failed;
}

struct rule *parse_rule(struct cursor *c, enum proto proto)
{
    struct rule *rule = arena_alloc(c->arena, sizeof *rule);
    rule->at = c->at;
    rule->source = c->start;
    lex_blanks(c);
    size_t n = strcspn(c->p, " :");
    const char *word = arena_slice(c->arena, slice_of(c->p, n)).p;
    for (int i = 0; i < EVENTS; i++)
        if (strcmp(word, events[i]) == 0)
            rule->event = events[i];
    if (!rule->event) {
        const char *near = diag_nearest(word, events, EVENTS);
        lex_error(c, "\"%s\" is no event; write on RCPT: 450 4.2.1 busy (events: connect, message, "
                  "any and the verbs in capitals)%s%s", word, near ? "; nearest: " : "",
                  near ? near : "");
        return rule;
    }
    c->p += n;
    lex_blanks(c);
    if (*c->p != ':' && (rule->argument = lex_pattern(c, ":")))
        rule->argument->anywhere = true;
    lex_blanks(c);
    if (*c->p != ':') {
        lex_error(c, "expected \":\" and what the server does then");
        return rule;
    }
    c->p++;
    lex_blanks(c);
    for (const char *rest = c->p; rest && !c->failed;) {
        const char *then = strstr(rest, ", then ");
        const char *piece = arena_slice(c->arena, then ? slice_of(rest, (size_t)(then - rest))
                                                       : slice_str(rest)).p;
        c->p = rest;
        parse_reaction(c, rule, piece, proto);
        if (then && rule->reactions[rule->reaction_count - 1].times == 0)
            lex_error(c, "this reaction never ends, so nothing can come after it; say how often: "
                         "once, twice, 3 times");
        rest = then ? then + 7 : NULL;
    }
    c->p += strlen(c->p);
    return rule;
}

static void parse_offers(struct cursor *c, struct server *server)
{
    server->offers_given = true;
    if (lex_accept(c, "nothing"))
        return;
    struct slice rest = slice_str(lex_rest(c)), field;
    while (slice_next(&rest, ',', &field)) {
        field = slice_trim(field);
        if (field.n)
            *arena_push(c->arena, server->offers, server->offer_count) =
                arena_slice(c->arena, field).p;
    }
}

static void add_rule(struct parser *p, struct cursor *c, struct server *server, bool optional)
{
    struct rule *rule = parse_rule(c, server->proto);
    rule->optional = optional;
    *arena_push(&p->scenario->arena, server->rules, server->rule_count) = *rule;
}

/* What belongs to a server: rules, offers, or an exact dialogue. */
static void parse_server_line(struct parser *p, struct server *server, const struct line *line,
                              int indent)
{
    struct arena *a = &p->scenario->arena;
    if (line->text[1] == ':' || line->text[1] == '>') {      /* a dialogue, for each connection */
        struct script *script = arena_push(a, server->scripts, server->script_count);
        parse_steps(p, indent, server->proto, 'S', &script->steps, &script->step_count);
        return;
    }
    struct cursor c = parser_take(p, line);
    bool optional = lex_accept(&c, "optional");
    if (lex_accept(&c, "on")) {
        add_rule(p, &c, server, optional);
    } else if (lex_accept(&c, "greets")) {
        c.p = arena_printf(a, "connect: %s", lex_rest(&c));
        c.start = c.p;
        add_rule(p, &c, server, optional);
        server->rules[server->rule_count - 1].source = line->text;
    } else if (lex_accept(&c, "offers")) {
        parse_offers(&c, server);
    } else if (lex_accept(&c, "connection")) {
        struct script *script = arena_push(a, server->scripts, server->script_count);
        int64_t n = 0;
        if (!lex_accept(&c, "any"))
            lex_number(&c, 10000, &n);
        script->connection = (int)n;
        parse_steps(p, line->indent, server->proto, 'S', &script->steps, &script->step_count);
    } else {
        lex_error(&c, "expected \"on EVENT: ...\", \"offers ...\", \"greets ...\", \"connection N\" "
                      "or a dialogue of S: and C: lines");
    }
    lex_end(&c);
}

static void server_options(struct cursor *c, struct server *server)
{
    while (!c->failed && !lex_at_end(c)) {
        if (lex_accept(c, "accepts everything"))
            continue;
        if (lex_accept(c, "tls")) {
            server->tls = true;
        } else if (lex_accept(c, "with certificate")) {
            server->tls_options.certificate = lex_word(c, "the name in the certificate");
            server->tls_options.by_stranger = lex_accept(c, "by stranger");
        } else if (lex_accept(c, "stopped")) {
            server->stopped = true;
        } else {
            lex_error(c, "\"%s\" is not expected here; known are: accepts everything, tls, stopped, "
                         "with certificate NAME", c->p);
        }
    }
}

void parse_server(struct parser *p, struct cursor *c, int indent)
{
    struct arena *a = &p->scenario->arena;
    const char *name = lex_word(c, "a name for the server");
    if (!name)
        return;
    if (parser_server(p, name) || parser_client(p, name))
        lex_error(c, "there is a party called \"%s\" already", name);
    static const char *const reserved[] = {"dns", "target", "mailbox", "message", "connections",
                                           "file", "no", "the", "zone", "host"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (strcmp(name, reserved[i]) == 0)
            lex_error(c, "\"%s\" has a meaning of its own and cannot name a server", name);
    struct server *server = arena_alloc(a, sizeof *server);
    *server = (struct server){.at = c->at, .name = name};
    if (!lex_accept(c, "at"))
        lex_error(c, "expected: server %s at ADDRESS:PORT PROTOCOL", name);
    else if (parse_endpoint(c, &server->address, &server->port)) {
        size_t i = 0, n = sizeof protocols / sizeof *protocols;
        while (i < n && !lex_accept(c, protocols[i].name))
            i++;
        if (i == n)
            lex_error(c, "expected a protocol: smtp, smtps, lmtp, pop3, pop3s, imap, imaps, milter, "
                         "spamd, clamd or raw");
        else {
            server->proto = protocols[i].proto;
            server->tls = protocols[i].tls;
            if (!server->port)
                server->port = protocols[i].port;
            if (!server->port)
                lex_error(c, "a raw server needs a port");
        }
    }
    server_options(c, server);
    struct part *part = parser_part(p, PART_SERVER, c);
    part->server = server;
    const struct line *line;
    while ((line = parser_line(p, indent)))
        parse_server_line(p, server, line, indent);
}
