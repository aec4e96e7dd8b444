/* config_check.c - what a configuration needs of the world around it, and what is unwise in it. */
#include "reference/config_internal.h"

#include "reference/auth/accounts.h"
#include "reference/policy/policy_conf.h"
#include "reference/tls/tls.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MINUTE = 60 * 1000, DAY = 24 * 60 * MINUTE };

static void check_own(const struct config *c, const struct netaddr *a, const char *what,
                      struct buf *errors)
{
    char text[160];
    netaddr_host(a, text);
    if (a->sa.sa_family != AF_UNIX && !config_own_address(a))
        buf_printf(errors,
                   "%s: %s: %s is not an address of this host; write one that ip addr shows, or "
                   "\"0.0.0.0\" or \"::\" for all\n",
                   c->path, what, text);
}

static void check_addresses(const struct config *c, struct buf *errors)
{
    for (size_t i = 0; i < c->listener_count; i++) {
        char what[40];
        snprintf(what, sizeof what, "listen %s", config_service_name(c->listeners[i].kind));
        if (c->listeners[i].addr.sa.sa_family != AF_INET6 ||
            !IN6_IS_ADDR_UNSPECIFIED(&c->listeners[i].addr.in6.sin6_addr))
            check_own(c, &c->listeners[i].addr, what, errors);
    }
    if (c->source_v4)
        check_own(c, c->source_v4, "relay source-v4", errors);
    if (c->source_v6)
        check_own(c, c->source_v6, "relay source-v6", errors);
}

static void check_accounts(const struct config *c, struct buf *errors, struct buf *warnings)
{
    size_t before = errors->len;
    struct stat st;
    struct account who;
    if (!c->users_file && c->accounts_count == 0) {
        buf_printf(errors, "%s: users-file is missing; add users-file = \"/etc/postroad/users\"\n",
                   c->path);
        return;
    }
    struct accounts *accounts = accounts_new(c, errors);
    if (c->users_file && stat(c->users_file, &st) == 0 && (st.st_mode & 007))
        buf_printf(warnings, "%s: everybody may read or write the users file; chmod 640 %s\n",
                   c->users_file, c->users_file);
    if (errors->len == before) {
        /* Postmaster's mail must end with somebody: follow the first step. */
        accounts_lookup(accounts, "postmaster", &who);
        for (size_t i = 0; i < who.target_count; i++) {
            struct account end;
            if (strpbrk(who.targets[i], "@|/"))
                continue;
            if (accounts_lookup(accounts, who.targets[i], &end) == AUTH_NO)
                buf_printf(warnings,
                           "%s: postmaster's mail goes to %s, who does not exist; make the "
                           "account or set postmaster (RFC 5321 4.5.1)\n",
                           c->path, who.targets[i]);
            account_free(&end);
        }
        account_free(&who);
    }
    accounts_free(accounts);
}

static void check_timeouts(const struct config *c, struct buf *warnings)
{
    const struct { const char *key; int64_t is, least; const char *clause; } timeouts[] = {
        {"timeouts command", c->timeout_command, 5 * MINUTE, "RFC 5321 4.5.3.2.7"},
        {"timeouts greeting", c->timeout_greeting, 5 * MINUTE, "RFC 5321 4.5.3.2.1"},
        {"timeouts mail", c->timeout_mail, 5 * MINUTE, "RFC 5321 4.5.3.2.2"},
        {"timeouts rcpt", c->timeout_rcpt, 5 * MINUTE, "RFC 5321 4.5.3.2.3"},
        {"timeouts data", c->timeout_data, 2 * MINUTE, "RFC 5321 4.5.3.2.4"},
        {"timeouts block", c->timeout_block, 3 * MINUTE, "RFC 5321 4.5.3.2.5"},
        {"timeouts end", c->timeout_end, 10 * MINUTE, "RFC 5321 4.5.3.2.6"},
        {"timeouts pop3", c->timeout_pop3, 10 * MINUTE, "RFC 1939 3"},
        {"timeouts imap", c->timeout_imap, 30 * MINUTE, "RFC 9051 5.4"},
        {"retry expire", c->expire, 4 * (int64_t)DAY, "RFC 5321 4.5.4.1"},
    };
    for (size_t i = 0; i < sizeof timeouts / sizeof *timeouts; i++)
        if (timeouts[i].is < timeouts[i].least)
            buf_printf(warnings, "%s: %s is shorter than the %lld %s of %s; good for a lab only\n",
                       c->path, timeouts[i].key,
                       (long long)(timeouts[i].least / (timeouts[i].least >= DAY ? DAY : MINUTE)),
                       timeouts[i].least >= DAY ? "days" : "minutes", timeouts[i].clause);
}

static void check_tls(const struct config *c, struct buf *errors, struct buf *warnings)
{
    struct stat st;
    if (c->tls_certificate) {
        SSL_CTX_free(tls_server_new(c, errors));
        if (stat(c->tls_key, &st) == 0 && (st.st_mode & 077))
            buf_printf(warnings,
                       "%s: others than its owner may read or write the key; chmod 600 %s\n",
                       c->tls_key, c->tls_key);
        if (c->auth_imap_login_without_tls)
            buf_printf(warnings,
                       "%s: auth imap-login-without-tls lets IMAP passwords pass in clear text; set "
                       "it to false (RFC 9051 11.1)\n",
                       c->path);
        if (!c->auth_pop3_needs_tls)
            buf_printf(warnings,
                       "%s: auth pop3-user-without-tls lets POP3 passwords pass in clear text; set "
                       "it to false (RFC 8314 3)\n",
                       c->path);
    }
    if (c->auth_plain_without_tls)
        buf_printf(warnings,
                   "%s: auth plain-without-tls lets passwords pass in clear text; good for a lab "
                   "only (RFC 4954 4)\n",
                   c->path);
}

/* Where the mailbox readers keep what is not the inbox. */
static void check_folders(const struct config *c, const char *key, const char *place, struct buf *warnings)
{
    if (!place)
        return;
    if (c->mailbox_format != FORMAT_MBOX)
        buf_printf(warnings, "%s: mailboxes %s is for format = \"mbox\" only; a Maildir has its "
                   "mailboxes inside\n", c->path, key);
    else if (c->landlock && (!slice_starts(slice_str(place), slice_str(c->mail_dir)) ||
                             place[strlen(c->mail_dir)] != '/'))
        buf_printf(warnings, "%s: mailboxes %s = \"%s\" is not below %s: with landlock nothing "
                   "can be kept there; choose a place below it, or landlock = false\n", c->path, key,
                   place, c->mail_dir);
}

static void check_wisdom(const struct config *c, struct buf *warnings)
{
    for (size_t i = 0; i < c->relay_from.n; i++)
        if (c->relay_from.v[i].prefix == 0)
            buf_printf(warnings,
                       "%s: relay-from has a network of prefix length 0: everybody may send "
                       "through this server, an open relay; name your own networks\n",
                       c->path);
    if (c->local_domains.n == 0)
        buf_printf(warnings, "%s: domains is empty: no mail is delivered here; add domains = "
                   "{\"example.org\"}\n", c->path);
    if (!c->fsync)
        buf_printf(warnings, "%s: mailboxes fsync = false: mail may be lost at a power cut\n",
                   c->path);
    check_folders(c, "folders", c->mail_folders, warnings);
    check_folders(c, "kept", c->mail_kept, warnings);
    if (c->forward_file && geteuid() != 0)
        buf_printf(warnings, "%s: mailboxes forward: without root only the files of the user who runs this "
                   "are read; start it as root\n", c->path);
    if (geteuid() == 0 && (!c->user || !c->mda_user))
        buf_printf(warnings,
                   "%s: user or mda-user is empty: roles run as root; name system users\n",
                   c->path);
    else if (geteuid() == 0 && strcmp(c->user, c->mda_user) == 0)
        buf_printf(warnings,
                   "%s: user and mda-user are the same: smtpd could write mailboxes; name two "
                   "users\n",
                   c->path);
}

bool config_check_surroundings(const struct config *c, struct buf *errors, struct buf *warnings)
{
    size_t before = errors->len;
    check_addresses(c, errors);
    check_accounts(c, errors, warnings);
    check_tls(c, errors, warnings);
    check_timeouts(c, warnings);
    check_wisdom(c, warnings);
    policy_conf_check(c->policy, errors, warnings);
    return errors->len == before;
}
