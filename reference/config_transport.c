/* config_transport.c - the sections `transport PATTERN { }`. */
#include "reference/config_internal.h"

#include "base/mem.h"
#include "reference/transport.h"

#include <stdlib.h>

cfg_opt_t config_transport_keys[] = {
    CFG_STR("to", "mx", CFGF_NONE), CFG_STR("tls", "", CFGF_NONE), CFG_STR("tls-name", "", CFGF_NONE),
    CFG_END(),
};

bool config_parse_relay_tls(const char *word, enum relay_tls *out)
{
    static const char *const words[] = {"opportunistic", "none", "require", "verify"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (enum relay_tls)i;
            return true;
        }
    return false;
}

/* "host", "host:port", "[host]:port"; in brackets: no MX is asked for. */
static bool parse_host(struct transport *t, struct slice s)
{
    uint64_t port = 0;
    ptrdiff_t close = slice_rindex(s, ']');
    struct slice host = s;
    if (s.n > 0 && s.p[0] == '[') {
        if (close < 0)
            return false;
        host = slice_sub(s, 1, (size_t)close);
        s = slice_sub(s, (size_t)close + 1, s.n);
        if (s.n > 0 && s.p[0] != ':')
            return false;
    } else {
        ptrdiff_t colon = slice_index(s, ':');
        host = slice_sub(s, 0, colon < 0 ? s.n : (size_t)colon);
        t->exchangers = t->kind == TRANSPORT_SMTP;
        s = slice_sub(s, host.n, s.n);
    }
    if (s.n > 0 && !slice_number(slice_sub(s, 1, s.n), 65535, &port))
        return false;
    t->port = (uint16_t)port;
    t->host = slice_dup(host);
    return host.n > 0;
}

/* RFC 3463 2: "5.1.2 words". */
static bool parse_status(struct transport *t, struct slice s)
{
    char class = t->kind == TRANSPORT_ERROR ? '5' : '4';
    struct slice words = s, status = {0};
    t->text = slice_dup(s);
    slice_word(&words, &status);
    t->status = slice_dup(status);
    return s.n > 6 && s.p[0] == class && s.p[1] == '.';
}

static bool parse_to(struct transport *t, struct slice s)
{
    static const struct { const char *word; enum transport_kind kind; } kinds[] = {
        {"mx", TRANSPORT_MX}, {"smtp", TRANSPORT_SMTP}, {"lmtp", TRANSPORT_LMTP},
        {"pipe", TRANSPORT_PIPE}, {"discard", TRANSPORT_DISCARD}, {"error", TRANSPORT_ERROR},
        {"retry", TRANSPORT_RETRY},
    };
    struct slice word, rest = s;
    slice_next(&rest, ':', &word);
    size_t i = 0;
    while (i < sizeof kinds / sizeof *kinds && !slice_eq_str(word, kinds[i].word))
        i++;
    if (i == sizeof kinds / sizeof *kinds)
        return false;
    t->kind = kinds[i].kind;
    t->to = slice_dup(s);
    switch (t->kind) {
    case TRANSPORT_MX:
    case TRANSPORT_DISCARD:
        return rest.n == 0;
    case TRANSPORT_PIPE:
        t->text = slice_dup(rest);
        return rest.n > 1 && rest.p[0] == '/';
    case TRANSPORT_ERROR:
    case TRANSPORT_RETRY:
        return parse_status(t, rest);
    default:
        if (t->kind == TRANSPORT_LMTP && slice_starts(rest, SLICE("unix:/"))) {
            t->socket = slice_dup(slice_sub(rest, 5, rest.n));
            return true;
        }
        return parse_host(t, rest);
    }
}

static void read_one(struct config *c, cfg_t *sec, struct buf *errors)
{
    struct transport t = {.pattern = xstrdup(cfg_title(sec))};
    const char *tls = cfg_getstr(sec, "tls"), *name = cfg_getstr(sec, "tls-name");
    if (!parse_to(&t, slice_str(cfg_getstr(sec, "to"))))
        buf_printf(errors,
                   "%s:%d: transport %s: to = \"%s\" is not known; write \"mx\", "
                   "\"smtp:[host]:port\", \"smtp:domain\", \"lmtp:[host]:port\", "
                   "\"lmtp:unix:/path\", \"pipe:/program arguments\", \"discard\", "
                   "\"error:5.1.2 words\" or \"retry:4.3.2 words\"\n",
                   c->path, sec->line, t.pattern, cfg_getstr(sec, "to"));
    t.has_tls = *tls != 0;
    if (*tls && !config_parse_relay_tls(tls, &t.tls))
        buf_printf(errors,
                   "%s:%d: transport %s: tls = \"%s\" is not known; write \"opportunistic\", "
                   "\"none\", \"require\" or \"verify\"\n", c->path, sec->line, t.pattern, tls);
    t.tls_name = *name ? xstrdup(name) : NULL;
    c->transports = xreallocarray(c->transports, c->transport_count + 1, sizeof t);
    c->transports[c->transport_count++] = t;
}

void config_transports_read(struct config *c, cfg_t *cfg, struct buf *errors)
{
    for (unsigned i = 0; i < cfg_size(cfg, "transport"); i++)
        read_one(c, cfg_getnsec(cfg, "transport", i), errors);
}

void config_transports_free(struct config *c)
{
    for (size_t i = 0; i < c->transport_count; i++) {
        struct transport *t = &c->transports[i];
        free(t->pattern);
        free(t->to);
        free(t->host);
        free(t->socket);
        free(t->text);
        free(t->status);
        free(t->tls_name);
    }
    free(c->transports);
}
