/* parse_check.c - "within 10s mail has 1 message for <...>", "then ...", "and ...". */
#include "conformance/runner/lex.h"
#include "conformance/runner/parse.h"

static struct text *a_path(struct cursor *c)
{
    struct text *t = arena_alloc(c->arena, sizeof *t);
    lex_path(c, t);
    return t;
}

static const char *a_server(struct parser *p, struct cursor *c)
{
    const char *name = lex_word(c, "the name of a server");
    if (name && !parser_server(p, name))
        lex_error(c, "no server is called \"%s\" above", name);
    return name;
}

/* "has ..." after the name of a server or "mailbox of USER" */
static void check_has(struct cursor *c, struct check *k)
{
    if (!lex_count(c, &k->count)) {
        lex_error(c, "expected no, a number, at least N or at most N");
        return;
    }
    if (!lex_accept(c, "message") && !lex_accept(c, "messages")) {
        lex_error(c, "expected message or messages");
        return;
    }
    for (;;) {
        if (lex_accept(c, "from"))
            k->from = a_path(c);
        else if (lex_accept(c, "for"))
            k->for_ = a_path(c);
        else
            break;
    }
}

/* "seen no bare CR", "seen no connection", "seen /^RCPT/ twice" */
static void check_seen(struct cursor *c, struct check *k)
{
    static const struct { const char *words; enum bare bare; } kinds[] = {
        {"no bare CR", BARE_CR}, {"no bare LF", BARE_LF}, {"no NUL", BARE_NUL},
        {"no 8-bit octet", BARE_8BIT}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (lex_accept(c, kinds[i].words)) {
            k->kind = CHECK_BARE;
            k->bare = kinds[i].bare;
            return;
        }
    if (lex_accept(c, "no line over")) {
        k->kind = CHECK_BARE;
        k->bare = BARE_LONG;
        lex_number(c, 100000000, &k->limit);
        if (!c->failed && !lex_accept(c, "octets"))
            lex_error(c, "expected octets");
        return;
    }
    lex_blanks(c);
    if (*c->p == '/' || *c->p == '"') {
        k->kind = CHECK_COMMANDS;
        k->pattern = lex_pattern(c, NULL);
        k->count = (struct count){COUNT_AT_LEAST, 1};
        if (!lex_at_end(c) && !lex_count(c, &k->count))
            lex_error(c, "expected once, twice, never, N times, at least N times");
        if (!lex_accept(c, "times"))
            lex_accept(c, "time");
        return;
    }
    k->kind = CHECK_CONNECTIONS;
    if (!lex_count(c, &k->count))
        lex_error(c, "expected: seen no connection, seen 2 connections, seen no bare LF, "
                  "seen /^RCPT TO/ twice");
    else if (!lex_accept(c, "connection") && !lex_accept(c, "connections"))
        lex_error(c, "expected connection or connections");
}

/* "message [N] of SERVER ..." or "message [N] in mailbox of USER ..." */
static void check_message(struct parser *p, struct cursor *c, struct check *k, int indent)
{
    const char *w = lex_peek(c);
    if (w[0] >= '0' && w[0] <= '9')
        lex_number(c, 100000, &k->number);
    if (lex_accept(c, "in mailbox of")) {
        k->in_mailbox = true;
        k->name = lex_word(c, "the name of an account");
    } else if (lex_accept(c, "of")) {
        k->name = a_server(p, c);
    } else {
        lex_error(c, "expected: message of SERVER or message in mailbox of USER");
        return;
    }
    if (lex_accept(c, "equals fixture")) {
        k->kind = CHECK_MESSAGE_EQUALS;
        k->fixture = lex_word(c, "the name of a message");
        parse_except(c, &k->except);
    } else if (lex_accept(c, "equals")) {
        k->kind = CHECK_MESSAGE_EQUALS;
        parse_except(c, &k->except);
        lex_end(c);
        parse_body(p, indent, &k->body, &k->body_lines);
        if (!k->body_lines)
            lex_error(c, "expected the lines of the message below, each beginning with \"| \"");
    } else if (lex_accept(c, "has header") || lex_accept(c, "has no header")) {
        k->kind = CHECK_MESSAGE_HEADER;
        bool none = strstr(c->start, " has no header ") != NULL;
        k->count = none ? (struct count){COUNT_EXACTLY, 0} : (struct count){COUNT_AT_LEAST, 1};
        k->header = lex_word(c, "the name of a header field");
        if (!none && !lex_at_end(c) && !lex_count(c, &k->count))
            k->pattern = lex_pattern(c, NULL);
        lex_accept(c, "times");
    } else if (lex_accept(c, "begins with header")) {
        k->kind = CHECK_MESSAGE_FIRST;
        k->header = lex_word(c, "the name of a header field");
    } else if (lex_accept(c, "contains") || lex_accept(c, "does not contain")) {
        k->kind = CHECK_MESSAGE_CONTAINS;
        k->negative = strstr(c->start, " does not contain ") != NULL;
        k->pattern = lex_pattern(c, NULL);
    } else {
        lex_error(c, "expected: equals fixture NAME, equals, has header NAME, has no header NAME, "
                  "begins with header NAME, contains, does not contain");
    }
}

static bool name_and_type(struct cursor *c, const char **name, const char **type)
{
    *name = lex_word(c, "a domain name");
    *type = *name ? lex_word(c, "a record type such as MX") : NULL;
    for (const char *t = *type; t && *t; t++)
        if (!((*t >= 'A' && *t <= 'Z') || (*t >= '0' && *t <= '9') || *t == '-'))
            return lex_error(c, "\"%s\" is no record type", *type);
    return *type != NULL;
}

static void check_dns(struct cursor *c, struct check *k)
{
    if (!lex_accept(c, "was asked")) {
        lex_error(c, "expected: dns was asked NAME TYPE exactly once");
        return;
    }
    if (lex_accept(c, "nothing else")) {
        k->kind = CHECK_DNS_ONLY;
        return;
    }
    k->kind = CHECK_DNS;
    k->count = (struct count){COUNT_AT_LEAST, 1};
    if (!name_and_type(c, &k->dns_name, &k->dns_type) || lex_at_end(c))
        return;
    if (lex_accept(c, "before")) {
        k->kind = CHECK_DNS_BEFORE;
        name_and_type(c, &k->dns_name2, &k->dns_type2);
        return;
    }
    if (!lex_count(c, &k->count))
        lex_error(c, "expected once, twice, never, N times or before NAME TYPE");
    if (!lex_accept(c, "times"))
        lex_accept(c, "time");
}

static void check_values(struct cursor *c, struct check *k)
{
    static const char *const operators[] = {"=", "!=", "<=", ">=", "<", ">"};
    k->kind = CHECK_VALUES;
    const char *left = lex_word(c, "a variable");
    const char *op = lex_word(c, "=, !=, <, <=, > or >=");
    for (size_t i = 0; op && i < 6; i++)
        if (strcmp(op, operators[i]) == 0)
            k->op = operators[i];
    const char *right = lex_rest(c);
    if (!k->op || !*right)
        lex_error(c, "expected a comparison such as $uid2 > $uid1");
    if (left)
        text_parse(c, left, left + strlen(left), &k->left);
    text_parse(c, right, right + strlen(right), &k->right);
    c->p += strlen(c->p);
}

static void check_file(struct cursor *c, struct check *k)
{
    k->kind = CHECK_FILE;
    const char *path = lex_word(c, "a file name");
    if (path)
        text_parse(c, path, path + strlen(path), &k->left);
    const char *attribute = lex_accept(c, "has") ? lex_word(c, "mode, owner or group")
        : lex_accept(c, "exists") ? "exists" : lex_accept(c, "does not exist") ? "missing" : NULL;
    static const char *const known[] = {"mode", "owner", "group", "exists", "missing"};
    for (size_t i = 0; attribute && i < 5; i++)
        if (strcmp(attribute, known[i]) == 0)
            k->attribute = known[i];
    if (!k->attribute) {
        lex_error(c, "expected: file PATH exists, does not exist, has mode 0660, has owner NAME or "
                  "has group NAME");
        return;
    }
    const char *value = lex_rest(c);
    text_parse(c, value, value + strlen(value), &k->right);
    c->p += strlen(c->p);
}

static void check_server(struct parser *p, struct cursor *c, struct check *k)
{
    k->name = a_server(p, c);
    if (!k->name || c->failed)
        return;
    if (lex_accept(c, "has seen"))
        check_seen(c, k);
    else if (lex_accept(c, "has"))
        k->kind = CHECK_MESSAGES, check_has(c, k);
    else if (lex_accept(c, "was tried before")) {
        k->kind = CHECK_BEFORE;
        k->other = a_server(p, c);
    } else
        lex_error(c, "expected: %s has N messages, %s has seen ..., %s was tried before OTHER",
                  k->name, k->name, k->name);
}

static void subject(struct parser *p, struct cursor *c, struct check *k, int indent)
{
    lex_blanks(c);
    if (lex_accept(c, "mailbox of")) {
        k->kind = CHECK_MAILBOX;
        k->name = lex_word(c, "the name of an account");
        if (!lex_accept(c, "has"))
            lex_error(c, "expected: mailbox of USER has N messages");
        else
            check_has(c, k);
        if (k->from || k->for_)
            lex_error(c, "a mailbox knows no envelopes: leave from and for out");
    } else if (lex_accept(c, "message")) {
        check_message(p, c, k, indent);
    } else if (lex_accept(c, "dns")) {
        check_dns(c, k);
    } else if (lex_accept(c, "target is running")) {
        k->kind = CHECK_TARGET_RUNNING;
    } else if (lex_accept(c, "file")) {
        check_file(c, k);
    } else if (lex_accept(c, "connections to")) {
        k->kind = CHECK_APART;
        k->name = a_server(p, c);
        if (!lex_accept(c, "are at least") || !lex_duration(c, &k->limit) ||
            !lex_accept(c, "apart"))
            lex_error(c, "expected: connections to SERVER are at least T apart");
    } else if (*c->p == '$') {
        check_values(c, k);
    } else {
        check_server(p, c, k);
    }
}

bool parse_check(struct parser *p, struct cursor *c, int indent)
{
    int64_t within = 0, during = 0;
    const char *begin = c->p;
    if (lex_accept(c, "within"))
        lex_duration(c, &within);
    else if (lex_accept(c, "for"))
        lex_duration(c, &during);
    else if (!lex_accept(c, "then") && !lex_accept(c, "and") &&
             (c->p = begin, !parser_server(p, lex_peek(c))) &&
             strncmp(begin, "mailbox of ", 11) != 0)
        return false;
    struct check *k = arena_alloc(c->arena, sizeof *k);
    struct ids ids = {0};
    parser_tags(p, c, &ids);
    subject(p, c, k, indent);
    struct part *part = parser_part(p, PART_CHECK, c);
    part->check = k;
    part->ids = ids;
    part->within_ms = within;
    part->for_ms = during;
    p->scenario->check_count++;
    return true;
}
