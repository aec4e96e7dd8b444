/* Reading postroad.conf. */
#include "base/mem.h"
#include "reference/config.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct config *load(const char *text, struct buf *errors)
{
    char name[] = "/tmp/postroad-conf-XXXXXX";
    int fd = mkstemp(name);
    cr_assert(fd >= 0 && dprintf(fd, "%s", text) >= 0);
    close(fd);
    struct config *c = config_load(name, errors);
    unlink(name);
    return c;
}

static struct config *good(const char *text)
{
    struct buf errors = {0};
    struct config *c = load(text, &errors);
    cr_assert(c, "%s", buf_str(&errors));
    cr_expect_eq(errors.len, 0);
    return c;
}

static void refused(const char *text, const char *first, const char *second)
{
    struct buf errors = {0};
    struct config *c = load(text, &errors);
    cr_expect_null(c, "accepted: %s", text);
    cr_expect(strstr(buf_str(&errors), first), "for %s: %s", text, buf_str(&errors));
    cr_expect(strstr(buf_str(&errors), second), "for %s: %s", text, buf_str(&errors));
    config_free(c);
    buf_free(&errors);
}

#define HOST "hostname = \"mail.hehuan.test\"\n"

Test(config, defaults)
{
    struct config *c = good(HOST);
    cr_expect_str_eq(c->hostname, "mail.hehuan.test");
    cr_expect_str_eq(c->spool, "/var/spool/postroad");
    cr_expect_str_eq(c->auth_socket, "/var/spool/postroad/run/auth");
    cr_expect_str_eq(c->queue_socket, "/var/spool/postroad/run/queue");
    cr_expect_str_eq(c->mda_socket, "unix:/var/spool/postroad/run/lmtp");
    cr_expect_eq(c->listener_count, 9);   /* smtp, submission, pop3, imap on both families, lmtp */
    cr_expect_eq(c->smtp_port, 25);
    cr_expect_eq(c->retry_min, 5 * 60 * 1000);
    cr_expect_eq(c->expire, 5ll * 86400 * 1000);
    cr_expect_eq(c->message_size, 50ull << 20);
    cr_expect_eq(c->recipients, 1000);
    cr_expect_eq(c->timeout_end, 600000);
    cr_expect_eq(c->relay_from.n, 2);
    cr_expect_null(c->aliases_file);
    cr_expect_null(c->event_log);
    cr_expect(c->fsync && c->landlock);
    config_free(c);
}

Test(config, security_defaults)
{
    struct config *c = good(HOST);
    cr_expect_null(c->tls_certificate);
    cr_expect_null(c->auth_anonymous);
    cr_expect(!c->auth_imap_login_without_tls && c->timeout_imap == 30 * 60 * 1000);
    cr_expect(!c->auth_smtp && !c->auth_plain_without_tls && !c->auth_pop3_needs_tls);
    cr_expect_eq(c->auth_mechanisms.n, 3);
    cr_expect_eq(c->relay_tls, RELAY_TLS_OPPORTUNISTIC);
    config_free(c);
}

#define CERTIFICATE "tls { certificate = \"c.pem\" key = \"c.key\" client-ca = \"/ca.pem\" }\n"

Test(config, security_given)
{
    struct config *c = good(HOST CERTIFICATE
                            "auth { mechanisms = {\"scram-sha-256\", \"PLAIN\"} smtp = true\n"
                            "plain-without-tls = true pop3-user-without-tls = false "
                            "imap-login-without-tls = true\n"
                            "anonymous = \"guest\" }\n"
                            "relay { tls = \"require\" }\n");
    cr_expect(strstr(c->tls_certificate, "/tmp/c.pem") == c->tls_certificate);
    cr_expect_str_eq(c->tls_client_ca, "/ca.pem");
    cr_expect(c->auth_imap_login_without_tls);
    cr_expect(c->auth_smtp && c->auth_plain_without_tls && c->auth_pop3_needs_tls);
    cr_expect_str_eq(c->auth_anonymous, "guest");
    cr_expect_eq(c->relay_tls, RELAY_TLS_REQUIRE);
    cr_expect_eq(c->listener_count, 15);   /* submissions, pop3s, imaps too, and lmtp */
    config_free(c);
}

Test(config, security_that_makes_no_sense)
{
    refused(HOST "tls { certificate = \"c.pem\" }\n", "tls", "key");
    refused(HOST "listen pop3s { }\n", "listen pop3s", "certificate");
    refused(HOST "auth { mechanisms = {\"NTLM\"} }\n", ":2: ", "SCRAM-SHA-256");
    refused(HOST "auth { mechanisms = {\"SCRAM-SHA-1-PLUS\"} }\n", ":2: ", "-PLUS");
    refused(HOST "mailboxes { quota = \"much\" }\n", ":2: ", "50M");
    refused(HOST "mailboxes { quota-messages = -1 }\n", "quota-messages = -1", "no limit");
    refused(HOST "relay { tls = \"maybe\" }\n", ":2: ", "require");
}

Test(config, everything_given)
{
    struct config *c = good(
        HOST "domains = {\"hehuan.test\", \"Other.Test\"}\n"
             "relay-domains = {\"backup.test\"} relay-from = {\"198.51.100.0/24\"}\n"
             "users-file = \"users\" aliases-file = \"/a/aliases\" run-directory = \"/run/p\"\n"
             "mailboxes { path = \"/m\" format = \"maildir\" fsync = false"
             " folders = \"~/mail\" quota = \"2G\" quota-messages = 7 }\n"
             "listen smtp { address = {\"192.0.2.25\", \"2001:db8::25\"} port = 2525 }\n"
             "listen pop3 { }\n"
             "listen lmtp { address = {\"unix:/x/lmtp\"} }\n"
             "dns { servers = {\"127.0.0.1:5353\", \"[::1]:54\", \"192.0.2.53\"} timeout = "
             "\"100ms\" tries = 1 }\n"
             "relay { port = 2025 source-v4 = \"192.0.2.9\" source-v6 = \"2001:db8::9\" }\n"
             "retry { min = \"10ms\" max = \"1s\" expire = \"2h\" scan = \"250ms\" }\n"
             "limits { message-size = \"0\" recipients = 100 }\n"
             "log { events = \"e.json\" verbose = true }\n");
    cr_expect_eq(c->listener_count, 5);
    cr_expect_eq(c->listeners[1].kind, SERVICE_SMTP);
    cr_expect_eq(netaddr_port(&c->listeners[1].addr), 2525);
    cr_expect_eq(netaddr_port(&c->listeners[2].addr), 110);
    cr_expect_str_eq(c->mda_socket, "unix:/x/lmtp");
    cr_expect_str_eq(c->users_file, "/tmp/users");
    cr_expect_str_eq(c->event_log, "/tmp/e.json");
    cr_expect_str_eq(c->aliases_file, "/a/aliases");
    cr_expect_eq(c->mailbox_format, FORMAT_MAILDIR);
    cr_expect_str_eq(c->mail_folders, "~/mail");
    cr_expect(c->quota == 2ull << 30 && c->quota_messages == 7);
    cr_assert_eq(c->nameserver_count, 3);
    cr_expect_eq(netaddr_port(&c->nameservers[0]), 5353);
    cr_expect_eq(netaddr_port(&c->nameservers[1]), 54);
    cr_expect_eq(netaddr_port(&c->nameservers[2]), 53);
    cr_expect_eq(c->dns_timeout, 100);
    cr_expect_eq(c->retry_min, 10);
    cr_expect_eq(c->message_size, 0);
    cr_expect(c->source_v4 && c->source_v6 && c->event_verbose && !c->fsync);
    config_free(c);
}

Test(config, errors_name_line_and_remedy)
{
    refused("domains = {\"a.test\"}\n", "hostname is missing", "add a line such as");
    refused("\nhostname = \"mail\"\n", ":2:", "fully qualified");
    refused(HOST "domains = {\"ok.test\", \"-bad.test\"}\n",
            ":2:", "\"-bad.test\" is not a domain name");
    refused(HOST "domain = {\"a.test\"}\n", ":2:", "did you mean 'domains'?");
    refused(HOST "\nlimits {\n recipients = 99\n}\n", ":4:", "at least 100 (RFC 5321 4.5.3.1.8)");
    refused(HOST "limits { hops = 99 }\n", ":2:", "RFC 5321 6.3");
    refused(HOST "limits { message-size = \"63K\" }\n", ":2:", "at least \"64K\"");
    refused(HOST "limits { sessions = 0 }\n", ":2:", "at least 1");
    refused(HOST "deliveries { max-exchangers = 1 }\n", ":2:", "RFC 5321 5.1");
    refused(HOST "retry { min = \"5 minutes\" }\n", ":2:", "\"5m\"");
    refused(HOST "retry { min = \"2h\" max = \"1h\" }\n", "min is longer than max", "make max");
    refused(HOST "listen smtp { port = 70000 }\n", ":2:", "port");
    refused(HOST "listen smtp { address = {\"mail.test\"} }\n", ":2:", "address");
    refused(HOST "listen nntp { }\n", "listen nntp: there is no such service", "write smtp");
    refused(HOST "listen smtp { }\nlisten smtp { }\n", ":3:", "smtp");
    refused(HOST "relay-from = {\"10.0.0.0/33\"}\n", ":2:", "/24");
    refused(HOST "mailboxes { format = \"mbx\" }\n", ":2:", "\"mbox\" or \"maildir\"");
    refused(HOST "dns { servers = {\"1.2.3.4:99999\"} }\n", ":2:", "is not an address");
    refused(HOST "tls { key = \"/k.pem\" }\n", "certificate and key belong together",
            "name both files");
    refused(HOST "relay { source-v4 = \"::1\" }\n", "of the other family", "source-v6");
    refused(HOST "domains = {\"a.test\"} relay-domains = {\"A.test\"}\n",
            "in domains and in relay-domains", "remove it from one");
    refused(HOST "listen smtp { port = 99 }\nlisten pop3 { port = 99 }\n", "both want 0.0.0.0:99",
            "another port");
    refused(HOST "domains = {\"a.test\"\n", ":", "");
}

Test(config, socket_path_too_long)
{
    char *text = xasprintf(HOST "spool = \"/%0120d\"\n", 0);
    refused(text, "longer than 107 octets", "run-directory");
    free(text);
}

Test(config, missing_file)
{
    struct buf errors = {0};
    cr_expect_null(config_load("/nonexistent/postroad.conf", &errors));
    cr_expect(strstr(buf_str(&errors), "/nonexistent/postroad.conf: No such file"), "%s",
              buf_str(&errors));
    buf_free(&errors);
}

Test(config, endpoints)
{
    const struct { const char *text; int port;
    } cases[] = {
        {"192.0.2.1", 7},
        {"192.0.2.1:53", 53},
        {"2001:db8::1", 7},
        {"[2001:db8::1]", 7},
        {"[2001:db8::1]:53", 53},
        {"192.0.2.1:65536", -1},
        {"192.0.2.1:", -1},
        {"[2001:db8::1]x", -1},
        {"[192.0.2.1]:5", -1},
        {"", -1},
        {":53", -1},
        {"[", -1},
        {"[::1", -1},
        {"host:1", -1},
        {"[]:1", -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct netaddr a;
        bool is = config_parse_endpoint(&a, slice_str(cases[i].text), 7);
        cr_expect_eq(is, cases[i].port >= 0, "%s", cases[i].text);
        if (is)
            cr_expect_eq(netaddr_port(&a), cases[i].port, "%s", cases[i].text);
    }
}

Test(config, what_is_local)
{
    struct config *c = good(HOST "domains = {\"hehuan.test\"} relay-domains = {\"backup.test\"}\n"
                            "relay-from = {\"198.51.100.0/24\", \"2001:db8::/32\"}\n"
                            "listen smtp { address = {\"192.0.2.25\", \"2001:db8::25\"} }\n");
    const char *local[] = {"hehuan.test", "HEHUAN.Test", "[192.0.2.25]", "[IPv6:2001:db8::25]",
                           "[ipv6:2001:DB8::25]"};
    const char *other[] = {"hehuan.tes", "x.hehuan.test", "",           "[192.0.2.26]", "[]",
                           "[",          "[unix:/x]",     "backup.test"};
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        cr_expect(config_is_local(c, slice_str(local[i])), "%s", local[i]);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        cr_expect_not(config_is_local(c, slice_str(other[i])), "%s", other[i]);
    cr_expect(config_is_relay(c, SLICE("Backup.Test")));
    cr_expect_not(config_is_relay(c, SLICE("hehuan.test")));
    const struct { const char *client; bool may; } clients[] = {
        {"198.51.100.7", true}, {"198.51.101.7", false}, {"2001:db8:1::1", true}, {"::1", false},
        {"127.0.0.1", false}};
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        struct netaddr a;
        cr_assert(netaddr_parse(&a, slice_str(clients[i].client), 0));
        cr_expect_eq(config_may_relay(c, &a), clients[i].may, "%s", clients[i].client);
    }
    config_free(c);
}

/* A listener on all addresses: every address of this host names us. */
Test(config, literals_of_a_wildcard_listener)
{
    struct config *c = good(HOST "listen smtp { address = {\"0.0.0.0\"} }\n");
    cr_expect(config_is_local(c, SLICE("[127.0.0.1]")));
    cr_expect_not(config_is_local(c, SLICE("[192.0.2.77]")));
    config_free(c);
}

static bool warns(const char *text, const char *of)
{
    struct config *c = good(text);
    struct buf errors = {0}, warnings = {0};
    config_check_surroundings(c, &errors, &warnings);
    bool found = strstr(buf_str(&warnings), of) != NULL;
    buf_free(&errors);
    buf_free(&warnings);
    config_free(c);
    return found;
}

Test(config, where_mailboxes_can_be)
{
    const char *not_below = "is not below /m";
    cr_expect(warns(HOST "mailboxes { path = \"/m\" folders = \"~/mail\" }\n", not_below));
    cr_expect(warns(HOST "mailboxes { path = \"/m\" folders = \"/mail/%u\" }\n", not_below));
    cr_expect(!warns(HOST "mailboxes { path = \"/m\" folders = \"/m/boxes/%u\" }\n", not_below));
    cr_expect(!warns(HOST "landlock = false mailboxes { path = \"/m\" folders = \"~/mail\" }\n", not_below));
    cr_expect(warns(HOST "mailboxes { format = \"maildir\" folders = \"~/mail\" }\n", "mbox"));
    cr_expect(warns(HOST "mailboxes { path = \"/m\" kept = \"~/mbox\" }\n", not_below));
}

Test(config, surroundings)
{
    struct config *c =
        good(HOST "users-file = \"/nonexistent/users\" relay-from = {\"0.0.0.0/0\"}\n"
                  "listen smtp { address = {\"192.0.2.77\"} }\n");
    struct buf errors = {0}, warnings = {0};
    cr_expect_not(config_check_surroundings(c, &errors, &warnings));
    cr_expect(strstr(buf_str(&errors), "/nonexistent/users: cannot read the users file"));
    cr_expect(strstr(buf_str(&errors), "listen smtp: 192.0.2.77 is not an address of this host"));
    cr_expect(strstr(buf_str(&warnings), "open relay"));
    buf_free(&errors);
    buf_free(&warnings);
    config_free(c);
}
