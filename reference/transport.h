/* transport.h - where mail for some addresses goes instead of the exchangers that DNS names, and how
 * TLS is spoken there: the sections `transport PATTERN { }` of the configuration. */
#ifndef REFERENCE_TRANSPORT_H
#define REFERENCE_TRANSPORT_H

#include "reference/config.h"

enum transport_kind {
    TRANSPORT_MX,                /* as DNS says; only TLS is special */
    TRANSPORT_SMTP,
    TRANSPORT_LMTP,              /* RFC 2033: one answer a recipient, and the mail has arrived */
    TRANSPORT_PIPE,              /* a program reads it on its standard input */
    TRANSPORT_DISCARD,           /* nobody gets it, nobody is told */
    TRANSPORT_ERROR,             /* comes back at once */
    TRANSPORT_RETRY,             /* waits */
};

struct transport {
    char *pattern;               /* "user@domain", "domain", ".domain" (all below it) or "*" */
    enum transport_kind kind;
    char *to;                    /* as written: names the destination in the queue and in events */
    char *host;                  /* SMTP, LMTP: name or address; NULL: `socket` */
    char *socket;                /* LMTP: path */
    bool exchangers;             /* SMTP: the host's MX are asked for; false: written in [] */
    uint16_t port;               /* 0: the usual one */
    char *text;                  /* PIPE: the command line; ERROR, RETRY: "5.1.2 words" */
    char *status;                /* ERROR, RETRY: "5.1.2" */
    bool has_tls;                /* tls is given; else relay { tls } holds */
    enum relay_tls tls;
    char *tls_name;              /* that the certificate must have; NULL: the exchanger's own */
};

/* The most exact pattern that fits: the address, its domain, ".parent" from the longest on, "*".
 * The domain is in A-labels. NULL: none, and DNS decides. "*" is not for local domains (`local`). */
const struct transport *transport_find(const struct config *c, const char *address,
                                       struct slice domain, bool local);

/* A program's command line in words; "{recipient}", "{sender}", "{user}", "{domain}" and
 * "{extension}" are replaced, inside of words, too. NULL-terminated, the caller frees all. */
char **transport_words(const char *command, const char *sender, const char *recipient);
void transport_words_free(char **words);

#endif
