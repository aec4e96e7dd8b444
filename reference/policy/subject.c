/* subject.c - which patterns would have a client, a name, a mailbox? */
#include "reference/policy/access_list.h"

#include <stdio.h>
#include <string.h>

enum { PATTERN_MAX = 600 };

struct asking {
    enum list_answer (*each)(void *arg, const char *pattern);
    void *arg;
    enum list_answer answer;
};

/* True when the search is over. */
static bool ask(struct asking *a, const char *pattern)
{
    a->answer = a->each(a->arg, pattern);
    return a->answer != LIST_NO;
}

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text |= 32;
}

/* The address alone, then its networks from the narrowest. */
static void ask_client(struct asking *a, const struct netaddr *client)
{
    char host[64], pattern[80];
    struct netaddr plain;
    netaddr_host(client, host);     /* an IPv4-mapped address counts as IPv4 */
    if (ask(a, host) || !netaddr_parse(&plain, slice_str(host), 0))
        return;
    bool v4 = plain.sa.sa_family == AF_INET;
    uint8_t *octet = v4 ? (uint8_t *)&plain.in.sin_addr : plain.in6.sin6_addr.s6_addr;
    for (int prefix = v4 ? 32 : 128; prefix >= 0; prefix--) {
        if (prefix < (v4 ? 32 : 128))
            octet[prefix / 8] &= (uint8_t)(0xff00 >> prefix % 8);
        netaddr_host(&plain, host);
        snprintf(pattern, sizeof pattern, "%s/%d", host, prefix);
        if (ask(a, pattern))
            return;
    }
}

/* ".example.org" for each domain above `name`, from the nearest. */
static bool ask_above(struct asking *a, const char *name)
{
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.'))
        if (dot > name && ask(a, dot))
            return true;
    return false;
}

static void ask_mailbox(struct asking *a, char *mailbox)
{
    char pattern[PATTERN_MAX];
    char *at = strrchr(mailbox, '@');
    if (*mailbox == 0) {
        ask(a, "<>");
        return;
    }
    if (ask(a, mailbox) || !at)
        return;
    if (ask(a, at) || ask(a, at + 1))
        return;
    if (ask_above(a, at + 1))
        return;
    snprintf(pattern, sizeof pattern, "%.*s@", (int)(at - mailbox), mailbox);
    ask(a, pattern);
}

/* --- pairs: every pattern of the one with every pattern of the other ------------------------- */

struct pair {
    struct asking *a;
    const char *first;
    char *second;
};

static enum list_answer with_second(void *arg, const char *pattern)
{
    struct pair *p = arg;
    char both[2 * PATTERN_MAX];
    snprintf(both, sizeof both, "%s %s", p->first, pattern);
    ask(p->a, both);
    return p->a->answer;
}

static enum list_answer with_first(void *arg, const char *pattern)
{
    struct pair *p = arg;
    struct asking inner = {.each = with_second, .arg = p};
    p->first = pattern;
    ask_mailbox(&inner, p->second);
    return inner.answer;
}

enum list_answer subject_patterns(const struct subject *s,
                                  enum list_answer (*each)(void *arg, const char *pattern),
                                  void *arg)
{
    struct asking a = {.each = each, .arg = arg};
    char text[PATTERN_MAX], second[PATTERN_MAX];
    snprintf(text, sizeof text, "%s", s->text ? s->text : "");
    snprintf(second, sizeof second, "%s", s->second ? s->second : "");
    lower(text);
    lower(second);
    switch (s->kind) {
    case SUBJECT_CLIENT:
        ask_client(&a, s->client);
        break;
    case SUBJECT_NAME:
        if (*text && !ask(&a, text))
            ask_above(&a, text);
        break;
    case SUBJECT_MAILBOX:
        ask_mailbox(&a, text);
        break;
    case SUBJECT_PAIR: {
        struct pair p = {.a = &a, .second = second};
        struct asking outer = {.each = with_first, .arg = &p};
        ask_mailbox(&outer, text);
        break;
    }
    }
    return a.answer;
}
