/* commands.c - every command, the states in which it is legal, and its handler. */
#include "reference/imapd/session.h"

enum { KNOWN = AUTHENTICATED | SELECTED, ANY = STRANGER | KNOWN };

static const struct command commands[] = {
    {"CAPABILITY", ANY, 0, imap_capability, NULL, "RFC 9051 6.1.1"},
    {"NOOP", ANY, 0, imap_noop, NULL, "RFC 9051 6.1.2"},
    {"LOGOUT", ANY, 0, imap_logout, NULL, "RFC 9051 6.1.3"},
    {"ID", ANY, 0, imap_id, "ID", "RFC 2971 3.1"},
    {"STARTTLS", STRANGER, 0, imap_starttls, NULL, "RFC 9051 6.2.1"},
    {"AUTHENTICATE", STRANGER, SECRET, imap_authenticate, NULL, "RFC 9051 6.2.2"},
    {"LOGIN", STRANGER, SECRET, imap_login, NULL, "RFC 9051 6.2.3"},
    {"ENABLE", KNOWN, 0, imap_enable, "ENABLE", "RFC 5161 3.1"},

    /* Known, but not implemented. */
    {"SETACL", KNOWN, 0, NULL, "ACL", "RFC 4314 3.1"},
    {"DELETEACL", KNOWN, 0, NULL, "ACL", "RFC 4314 3.2"},
    {"GETACL", KNOWN, 0, NULL, "ACL", "RFC 4314 3.3"},
    {"LISTRIGHTS", KNOWN, 0, NULL, "ACL", "RFC 4314 3.4"},
    {"MYRIGHTS", KNOWN, 0, NULL, "ACL", "RFC 4314 3.5"},
    {"GETMETADATA", KNOWN, 0, NULL, "METADATA", "RFC 5464 4.2"},
    {"SETMETADATA", KNOWN, 0, NULL, "METADATA", "RFC 5464 4.3"},
    {"NOTIFY", KNOWN, 0, NULL, "NOTIFY", "RFC 5465 3"},
    {"CANCELUPDATE", KNOWN, 0, NULL, "CONTEXT", "RFC 5267 4.3.5"},
    {"REPLACE", SELECTED, ALSO_UID, NULL, "REPLACE", "RFC 8508 3"},
    {"SETQUOTA", KNOWN, 0, NULL, "QUOTASET", "RFC 9208 4.1.3"},
};

const struct command *imap_command_find(struct slice name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (slice_ieq_str(name, commands[i].name))
            return &commands[i];
    }
    return NULL;
}
