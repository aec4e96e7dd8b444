/* address.c - the grammar of paths and mailboxes, written as it stands in RFC 5321 4.1.2. */
#include "reference/message/address.h"

#include "base/mem.h"
#include "reference/message/dsn.h"
#include "reference/message/idn.h"
#include "reference/message/utf8.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, PATH_MAX_OCTETS = 256, LABEL_MAX = 63 };

/* ASCII only: isalpha() would follow the locale. */
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
static bool is_let_dig(char c) { return is_alpha(c) || is_digit(c); }

/* RFC 6531 3.3 adds UTF-8 to atext, quoted strings and labels; whether it is UTF-8 the whole mailbox
 * is looked at for. */
static bool is_beyond_ascii(char c) { return (c & 0x80) != 0; }

/* atext of RFC 5322 3.2.3. */
static bool is_atext(char c)
{
    return is_let_dig(c) || is_beyond_ascii(c) || (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* What is left to parse. Each parser below takes what it knows off the front, or says false. */
struct cursor {
    const char *p, *end;
};

static struct cursor cursor_of(struct slice s)
{
    const char *p = s.n > 0 ? s.p : "";
    return (struct cursor){p, p + s.n};
}

static bool at(const struct cursor *c, char want) { return c->p < c->end && *c->p == want; }

static bool take(struct cursor *c, char want)
{
    if (!at(c, want))
        return false;
    c->p++;
    return true;
}

/* --- domains ---------------------------------------------------------------------------- */

/* sub-domain = Let-dig [Ldh-str]: letters, digits, hyphens, no hyphen at either end. */
static bool take_label(struct cursor *c)
{
    const char *start = c->p;
    while (c->p < c->end && (is_let_dig(*c->p) || *c->p == '-' || is_beyond_ascii(*c->p)))
        c->p++;
    size_t n = (size_t)(c->p - start);
    bool ascii = text_is_ascii(slice_of(start, n));   /* others are measured as A-labels */
    return n > 0 && (n <= LABEL_MAX || !ascii) && start[0] != '-' && start[n - 1] != '-';
}

/* Domain = sub-domain *("." sub-domain), of any total length. */
static bool take_domain(struct cursor *c)
{
    do {
        if (!take_label(c))
            return false;
    } while (take(c, '.'));
    return true;
}

bool domain_valid(struct slice s)
{
    struct cursor c = cursor_of(s);
    return s.n <= DOMAIN_MAX && text_is_ascii(s) && take_domain(&c) && c.p == c.end;
}

/* Snum 3("." Snum): leading zeros are fine here, so inet_pton cannot be the judge. */
static bool parse_ipv4(struct slice text, struct netaddr *out)
{
    unsigned part[4];
    struct slice rest = text, field;
    for (int i = 0; i < 4; i++) {
        uint64_t v;
        if (!slice_next(&rest, '.', &field) || field.n > 3 || !slice_number(field, 255, &v))
            return false;
        part[i] = (unsigned)v;
    }
    if (rest.p != NULL)
        return false;
    char plain[32];
    int n = snprintf(plain, sizeof plain, "%u.%u.%u.%u", part[0], part[1], part[2], part[3]);
    return netaddr_parse(out, slice_of(plain, (size_t)n), 0);
}

/* The forms of IPv6-addr are those of inet_pton, but for "::", which in SMTP stands for at least
 * two groups (4.1.3). */
static bool parse_ipv6(struct slice text, struct netaddr *out)
{
    for (size_t i = 0; i < text.n; i++)
        if (!is_let_dig(text.p[i]) && text.p[i] != ':' && text.p[i] != '.')
            return false;
    if (slice_find(text, SLICE("::")) >= 0) {
        int groups = 0;
        struct slice rest = text, field;
        while (slice_next(&rest, ':', &field))
            groups += field.n == 0 ? 0 : slice_index(field, '.') >= 0 ? 2 : 1;
        if (groups > 6)
            return false;
    }
    return slice_index(text, ':') >= 0 && netaddr_parse(out, text, 0) &&
           out->sa.sa_family == AF_INET6;
}

bool address_literal_parse(struct slice s, struct netaddr *out)
{
    if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
        return false;
    struct slice inside = slice_sub(s, 1, s.n - 1);
    struct slice tag = SLICE("IPv6:");
    if (slice_istarts(inside, tag))
        return parse_ipv6(slice_sub(inside, tag.n, inside.n), out);
    /* General-address-literal: IPv6 is the only tag that was ever registered. */
    return parse_ipv4(inside, out);
}

static bool take_literal(struct cursor *c)
{
    const char *start = c->p;
    const char *close = memchr(c->p, ']', (size_t)(c->end - c->p));
    struct netaddr unused;
    if (close == NULL)
        return false;
    c->p = close + 1;
    return address_literal_parse(slice_of(start, (size_t)(c->p - start)), &unused);
}

/* --- local parts ------------------------------------------------------------------------ */

/* Dot-string = Atom *("." Atom) */
static bool take_dot_string(struct cursor *c, struct buf *plain)
{
    const char *start = c->p;
    do {
        const char *atom = c->p;
        while (c->p < c->end && is_atext(*c->p))
            c->p++;
        if (c->p == atom)
            return false;
    } while (take(c, '.'));
    buf_add(plain, start, (size_t)(c->p - start));
    return true;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE: printable ASCII and space only, so that no
 * control character can come out of a quoted pair either. */
static bool take_quoted_string(struct cursor *c, struct buf *plain)
{
    if (!take(c, '"'))
        return false;
    while (c->p < c->end && *c->p != '"') {
        if (*c->p == '\\' && ++c->p == c->end)
            return false;
        if ((*c->p < 32 || *c->p > 126) && !is_beyond_ascii(*c->p))
            return false;
        buf_add_byte(plain, *c->p++);
    }
    return take(c, '"');
}

/* --- mailboxes and paths ----------------------------------------------------------------- */

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static enum address_error take_mailbox(struct cursor *c, struct path *out)
{
    struct buf plain = {0};
    const char *start = c->p;
    bool ok = at(c, '"') ? take_quoted_string(c, &plain) : take_dot_string(c, &plain);
    size_t local_len = (size_t)(c->p - start);
    ok = ok && take(c, '@');
    const char *domain = c->p;
    ok = ok && (at(c, '[') ? take_literal(c) : take_domain(c));
    size_t domain_len = (size_t)(c->p - domain);
    struct buf ascii = {0};
    struct slice whole = slice_of(start, (size_t)(c->p - start));
    ok = ok && utf8_valid(whole) && buf_add_ascii_domain(&ascii, slice_of(domain, domain_len));

    enum address_error err = !ok                      ? ADDRESS_SYNTAX
                             : local_len > LOCAL_MAX   ? ADDRESS_LOCAL_LONG
                             : domain_len > DOMAIN_MAX ? ADDRESS_DOMAIN_LONG
                                                       : ADDRESS_OK;
    if (err != ADDRESS_OK) {
        buf_free(&plain);
        buf_free(&ascii);
        return err;
    }
    out->address = slice_dup(whole);
    out->utf8 = !text_is_ascii(whole);
    out->domain = buf_take(&ascii);
    out->local = buf_take(&plain);
    return ADDRESS_OK;
}

/* [ A-d-l ":" ], A-d-l = "@" Domain *( "," "@" Domain ). RFC 5321 3.6.1, C: a source route must
 * be accepted and is then ignored. */
static bool take_source_route(struct cursor *c)
{
    if (!at(c, '@'))
        return true;
    do {
        if (!take(c, '@') || !take_domain(c))
            return false;
    } while (take(c, ','));
    return take(c, ':');
}

static void path_set(struct path *out, struct slice address)
{
    out->address = slice_dup(address);
    out->local = slice_dup(address);
    out->domain = xstrdup("");
}

static enum address_error take_path(struct cursor *c, bool null_allowed, bool postmaster_allowed,
                                    struct path *out)
{
    if (!take(c, '<'))
        return ADDRESS_SYNTAX;
    struct slice rest = slice_of(c->p, (size_t)(c->end - c->p));
    if (null_allowed && take(c, '>')) {
        path_set(out, SLICE(""));
        return ADDRESS_OK;
    }
    /* RFC 5321 4.1.1.3: without a domain, and in any case of letters. */
    struct slice postmaster = SLICE("postmaster>");
    if (postmaster_allowed && slice_istarts(rest, postmaster)) {
        path_set(out, SLICE("postmaster"));
        c->p += postmaster.n;
        return ADDRESS_OK;
    }
    const char *start = c->p - 1;
    if (!take_source_route(c))
        return ADDRESS_SYNTAX;
    enum address_error err = take_mailbox(c, out);
    if (err != ADDRESS_OK)
        return err;
    if (!take(c, '>'))
        return ADDRESS_SYNTAX;
    return c->p - start > PATH_MAX_OCTETS ? ADDRESS_PATH_LONG : ADDRESS_OK;
}

void path_free(struct path *p)
{
    free(p->address);
    free(p->local);
    free(p->domain);
    *p = (struct path){0};
}

enum address_error path_parse(struct slice s, bool null_allowed, bool postmaster_allowed,
                              struct path *out, struct slice *rest)
{
    struct cursor c = cursor_of(s);
    *out = (struct path){0};
    enum address_error err = take_path(&c, null_allowed, postmaster_allowed, out);
    if (err != ADDRESS_OK)
        path_free(out);
    else
        *rest = slice_of(c.p, (size_t)(c.end - c.p));
    return err;
}

enum address_error mailbox_parse(struct slice s, struct path *out)
{
    struct cursor c = cursor_of(s);
    *out = (struct path){0};
    enum address_error err = take_mailbox(&c, out);
    if (err == ADDRESS_OK && c.p != c.end)
        err = ADDRESS_SYNTAX;
    if (err != ADDRESS_OK)
        path_free(out);
    return err;
}

bool path_is_unqualified(const struct path *p)
{
    return p->domain[0] != 0 && p->domain[0] != '[' && strchr(p->domain, '.') == NULL;
}

void path_canonical(const struct path *p, struct buf *out)
{
    struct slice local = slice_str(p->local);
    struct cursor c = cursor_of(local);
    struct buf plain = {0};
    if (take_dot_string(&c, &plain) && c.p == c.end) {
        buf_add_slice(out, local);
    } else if (p->address[0] != 0) {
        buf_add_byte(out, '"');
        for (size_t i = 0; i < local.n; i++) {
            if (local.p[i] == '"' || local.p[i] == '\\')
                buf_add_byte(out, '\\');
            buf_add_byte(out, local.p[i]);
        }
        buf_add_byte(out, '"');
    }
    buf_free(&plain);
    if (p->domain[0] != 0) {
        buf_add_byte(out, '@');
        buf_add_str(out, p->domain);
    }
}
