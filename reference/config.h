/* config.h - the reference's configuration, read once, then never changed (a reload starts new
 * role processes with a new one). The file's keys, defaults and meaning: docs/postroad.conf.5.md.
 * Durations are ms, sizes octets. Everything is owned by the struct. */
#ifndef REFERENCE_CONFIG_H
#define REFERENCE_CONFIG_H

#include "base/buf.h"
#include "base/net.h"

enum service_kind {
    SERVICE_SMTP,        /* port 25: anybody's mail for the local and relay domains */
    SERVICE_SUBMISSION,  /* port 587: mail of the trusted clients (RFC 6409) */
    SERVICE_LMTP,        /* the delivery agent (RFC 2033), a Unix socket by default */
    SERVICE_POP3,        /* port 110 */
    SERVICE_SUBMISSIONS, /* port 465: submission, TLS from the first octet (RFC 8314 3.3) */
    SERVICE_POP3S,       /* port 995: POP3, TLS from the first octet (RFC 8314 3.2) */
    SERVICE_IMAP,        /* port 143 */
    SERVICE_IMAPS,       /* port 993: IMAP, TLS from the first octet (RFC 8314 3.2) */
    SERVICE_REINJECTION, /* port 10025: what the content filter gives back */
    SERVICE_KINDS
};

struct listener_conf {
    enum service_kind kind;
    struct netaddr addr;
};

/* Between us and the exchangers (RFC 3207 4.1): opportunistic is without looking at certificates,
 * and in plain where TLS is not to be had. */
enum relay_tls {
    RELAY_TLS_OPPORTUNISTIC, RELAY_TLS_NONE,
    RELAY_TLS_REQUIRE,                /* or no mail goes; the certificate may be anybody's */
    RELAY_TLS_VERIFY,                 /* and the certificate must be of that host (RFC 6125) */
};

enum mailbox_format { FORMAT_MBOX, FORMAT_MAILDIR };

struct string_list { char **v; size_t n; };

/* A section accounts NAME { }: a place where accounts live (auth/backend.h). Which keys mean
 * something is the type's affair; texts are NULL when not given. */
struct accounts_conf {
    char *name, *type;
    struct string_list domains;       /* asked for these only; empty: all */
    char *default_domain;             /* of names that have none; NULL: they are asked as they are */
    int64_t timeout;                  /* an answer after that is none */
    int64_t cache;                    /* answers are kept so long; 0: not at all */
    int cache_entries;
    int workers;                      /* threads, each with its own connection; 0: the type's */
    char *path;                       /* file, database or socket */
    char *shadow;                     /* the file with the passwords beside path */
    char *service;                    /* name of our service for the other side */
    char *directory;                  /* of PAM's service files */
    char *server;                     /* host, URI or socket */
    int port;
    char *database, *user, *password_file;
    char *user_query, *alias_query, *domain_query;   /* SQL, or an LDAP filter */
    char *base, *ca_file;
    bool tls;
    char *user_attribute, *target_attribute, *secret_attribute, *quota_attribute,
         *disabled_attribute;
};
struct netblock_list { struct netblock *v; size_t n; };

/* A program that looks into messages (filter/filter.h). */
enum filter_kind { FILTER_SPAMD, FILTER_CLAMD, FILTER_MILTER };
enum filter_on_failure { ON_FAILURE_ACCEPT, ON_FAILURE_DEFER, ON_FAILURE_REJECT };
enum filter_found { FOUND_TAG, FOUND_REJECT, FOUND_QUARANTINE, FOUND_DISCARD };
enum spamd_way { SPAMD_SYMBOLS, SPAMD_HEADERS, SPAMD_PROCESS };
enum clamd_way { CLAMD_ZINSTREAM, CLAMD_INSTREAM, CLAMD_FILDES };

struct filter_conf {
    char *name;
    enum filter_kind kind;
    struct netaddr address;
    int64_t timeout;                  /* for the whole answer */
    enum filter_on_failure on_failure;
    struct string_list services;      /* "smtp", ...: whose messages it sees */
    uint64_t max_size;                /* larger ones are not shown to it; 0: all */
    enum filter_found found;          /* what is done with spam, or with a virus */
    enum spamd_way spamd_way;
    char *spamd_user;                 /* whose preferences; NULL: spamd's own user's */
    double reject_score;              /* refused from here on; 0: never */
    enum clamd_way clamd_way;
    bool mark_clean;                  /* X-Virus-Status: Clean */
};
struct policy_conf;

struct config {
    char *path;                       /* of the file itself */
    char *hostname;                   /* our name in greetings, Received and HELO */
    struct netaddr *source_v4, *source_v6; /* outgoing connections leave from here; NULL: any */
    char *user;                       /* when started as root, roles run as this user */
    char *mda_user;                   /* the delivery agent and the mailbox readers as this */
    char *auth_user;                  /* the auth process as this; NULL: root, no capabilities */
    bool landlock;                    /* restrict the roles' file access where the kernel can */

    char *spool;                      /* the queue (queue/queue.h) */
    char *run_dir;                    /* sockets and the process id; <spool>/run */
    char *mail_dir;                   /* <mail_dir>/<user> is the inbox */
    char *mailbox_program;            /* delivers in the place of our own mailboxes; NULL: none */
    char *forward_file;               /* a user's own, "~" and "%u" as in mail_folders; NULL: none */
    enum mailbox_format mailbox_format;
    char *mail_folders;               /* mbox: the mailboxes beside the inbox, "~" and "%u" stand for the
                                         user's home and name; NULL: <mail_dir>/.<user>.mail */
    char *mail_kept;                  /* mbox: the file that is the mailbox "mbox", "~" and "%u" as above; NULL:
                                         none */
    uint64_t quota, quota_messages;   /* of a user: octets and messages; 0: no limit */
    bool fsync;                       /* false only for experiments */

    struct string_list local_domains; /* delivered here; also "[our address]" literals */
    bool no_mail;                     /* RFC 7504: the host takes none, and says so in its greeting */
    enum expn { EXPN_NONE, EXPN_TRUSTED, EXPN_ALL } expn; /* who may see the members of an alias */
    struct string_list relay_domains; /* accepted from all and passed on: backup exchanger */
    struct netblock_list relay_from;  /* clients that may send anywhere */
    char *users_file;
    char *aliases_file;               /* NULL: none */
    char *postmaster;                 /* address or user that gets postmaster's mail */

    struct listener_conf *listeners;
    size_t listener_count;
    char *mda_socket;                 /* LMTP of the delivery agent, "unix:/..." or "addr:port" */
    char *auth_socket;                /* path */
    char *queue_socket;               /* path: wake-ups of the queue */

    struct netaddr *nameservers;      /* empty: /etc/resolv.conf */
    size_t nameserver_count;
    int64_t dns_timeout;              /* a try */
    int dns_tries;

    uint16_t smtp_port;               /* of the exchangers we send to: 25 */
    int64_t retry_min, retry_max;     /* waits of the retry rule */
    int64_t warn;                     /* age at which the sender hears of the delay; 0: never */
    int64_t expire;                   /* age at which a message is given up */
    int64_t queue_scan;               /* interval of the scan that needs no wake-up */
    int deliveries;                   /* at once, over all destinations */
    int deliveries_per_destination;
    int max_exchangers;               /* tried in one attempt */

    /* RFC 5321 4.5.3.1 */
    uint64_t free_space;              /* octets that the spool's disk must have left for MAIL */
    uint64_t free_memory;             /* and the system's memory; 0: nobody looks */
    uint64_t message_size;            /* octets of a message; 0: no limit */
    int recipients;                   /* in one transaction, at least 100 */
    int hops;                         /* Received lines before a message counts as looping */
    int sessions, sessions_per_client;
    bool literal_minus;               /* IMAP offers LITERAL- in place of LITERAL+ (RFC 7888 5) */
    int errors;                       /* bad commands before 421 */
    int64_t pop3_login_delay;         /* RFC 2449 6.5: between two log-ins of a user; 0: none */

    /* RFC 5321 4.5.3.2, as server and as client */
    int64_t timeout_command;          /* server: waiting for a command or data, 5 min */
    int64_t timeout_connect, timeout_greeting, timeout_mail, timeout_rcpt, timeout_data,
        timeout_block, timeout_end;   /* client */
    int64_t timeout_pop3;             /* RFC 1939 3: at least 10 min */
    int64_t timeout_imap;             /* RFC 9051 5.4: at least 30 min */
    int64_t timeout_command_run;      /* a program that takes a message: transports, mailboxes */
    int64_t timeout_stop;             /* a role may finish its work for so long after SIGTERM */

    char *event_log;                  /* JSON lines; NULL: none */
    bool event_verbose;               /* each command and reply too */
    bool log_text;                    /* text for people on standard error */

    char *tls_certificate, *tls_key;  /* PEM files; NULL: no TLS */
    char *tls_client_ca;              /* PEM file: issuers of clients' certificates; NULL: none */
    struct string_list auth_mechanisms;
    bool auth_sender_match;           /* MAIL FROM must be an address of who has logged in */
    bool auth_smtp;                   /* AUTH on port 25 too */
    bool auth_plain_without_tls;      /* passwords in plain text may be sent in plain text */
    bool auth_pop3_needs_tls;         /* POP3's USER and PASS are refused without TLS */
    bool auth_imap_login_without_tls; /* IMAP's LOGIN is legal without TLS */
    struct accounts_conf *accounts;   /* in their order; none: users_file alone */
    size_t accounts_count;
    bool virtual_domains;             /* one of them has domains of its own */
    char *auth_keytab;                /* of GSSAPI; NULL: not offered */
    char *oauth_introspection;        /* URL (RFC 7662); NULL: no bearer tokens */
    char *oauth_client, *oauth_secret_file, *oauth_scope, *oauth_user_field;
    int64_t oauth_timeout;
    int auth_guesses;                 /* wrong passwords of one address that cost no time */
    char *auth_anonymous;             /* the account of ANONYMOUS; NULL: not offered */
    enum relay_tls relay_tls;
    char *relay_ca;                   /* PEM file: issuers beside the system's; NULL: none */
    struct string_list program_folders; /* that programs started for mail may write to */
    struct transport *transports;     /* transport.h */
    size_t transport_count;

    int content_filter_sessions;      /* deliveries to it at once */
    enum filter_on_failure content_filter_on_failure;
    char *content_filter;             /* "127.0.0.1:10024": all mail goes there first; NULL: none */
    struct filter_conf *filters;      /* in the order in which they are asked */
    size_t filter_count;
    struct policy_conf *policy;       /* rules against unwanted mail: policy/policy_conf.h */
};

/* NULL on error, with messages in *errors that name file, line and remedy. */
struct config *config_load(const char *path, struct buf *errors);
void config_free(struct config *c);

/* Problems that lie outside the file: users file that cannot be read, address that is not ours,
 * ... One line each, with the remedy, into *errors; what is legal but unwise into *warnings.
 * False when there are errors. */
bool config_check_surroundings(const struct config *c, struct buf *errors, struct buf *warnings);
/* "smtp", "submission", "lmtp", "pop3", "submissions", "pop3s", "imap", "imaps" */
const char *config_service_name(enum service_kind kind);
/* Is TLS spoken there from the first octet (RFC 8314 3)? */
bool config_is_implicit_tls(enum service_kind kind);
/* Mail of users (RFC 6409), not of the world? */
bool config_is_submission(enum service_kind kind);
/* "192.0.2.1", "192.0.2.1:25", "2001:db8::1", "[2001:db8::1]:25" or "unix:/path". */
bool config_parse_endpoint(struct netaddr *out, struct slice text, uint16_t default_port);

/* True for a domain (or "[literal]") that is delivered here. ASCII case is folded. */
bool config_is_local(const struct config *c, struct slice domain);
bool config_is_relay(const struct config *c, struct slice domain);
bool config_may_relay(const struct config *c, const struct netaddr *client);

#endif
