/* commands.c - every command, the states in which it is legal, and its handler. */
#include "reference/imapd/search.h"
#include "reference/imapd/session.h"

enum { KNOWN = AUTHENTICATED | SELECTED, ANY = STRANGER | KNOWN };

static const struct command commands[] = {
    {"CAPABILITY", ANY, 0, imap_capability, NULL, "RFC 9051 6.1.1"},
    {"NOOP", ANY, 0, imap_noop, NULL, "RFC 9051 6.1.2"},
    {"LOGOUT", ANY, QUIET, imap_logout, NULL, "RFC 9051 6.1.3"},
    {"ID", ANY, 0, imap_id, "ID", "RFC 2971 3.1"},
    {"STARTTLS", STRANGER, 0, imap_starttls, NULL, "RFC 9051 6.2.1"},
    {"AUTHENTICATE", STRANGER, SECRET, imap_authenticate, NULL, "RFC 9051 6.2.2"},
    {"LOGIN", STRANGER, SECRET, imap_login, NULL, "RFC 9051 6.2.3"},
    {"UNAUTHENTICATE", KNOWN, QUIET, imap_unauthenticate, "UNAUTHENTICATE", "RFC 8437 3"},
    {"ENABLE", KNOWN, 0, imap_enable, "ENABLE", "RFC 5161 3.1"},
    {"SELECT", KNOWN, 0, imap_select, NULL, "RFC 9051 6.3.2"},
    {"EXAMINE", KNOWN, 0, imap_examine, NULL, "RFC 9051 6.3.3"},
    {"CREATE", KNOWN, 0, imap_create, NULL, "RFC 9051 6.3.4"},
    {"DELETE", KNOWN, 0, imap_delete, NULL, "RFC 9051 6.3.5"},
    {"RENAME", KNOWN, 0, imap_rename, NULL, "RFC 9051 6.3.6"},
    {"SUBSCRIBE", KNOWN, 0, imap_subscribe, NULL, "RFC 9051 6.3.7"},
    {"UNSUBSCRIBE", KNOWN, 0, imap_unsubscribe, NULL, "RFC 9051 6.3.8"},
    {"LIST", KNOWN, 0, imap_list, NULL, "RFC 9051 6.3.9"},
    {"LSUB", KNOWN, 0, imap_lsub, NULL, "RFC 3501 6.3.9"},
    {"NAMESPACE", KNOWN, 0, imap_namespace, "NAMESPACE", "RFC 2342 5"},
    {"STATUS", KNOWN, 0, imap_status, NULL, "RFC 9051 6.3.11"},
    {"APPEND", KNOWN, 0, imap_append, NULL, "RFC 9051 6.3.12"},
    {"GETQUOTA", KNOWN, 0, imap_getquota, "QUOTA", "RFC 9208 4.1.1"},
    {"GETQUOTAROOT", KNOWN, 0, imap_getquotaroot, "QUOTA", "RFC 9208 4.1.2"},
    {"COMPRESS", KNOWN, 0, imap_compress, "COMPRESS=DEFLATE", "RFC 4978 3"},
    {"IDLE", KNOWN, 0, imap_idle, "IDLE", "RFC 2177 3"},
    {"CHECK", SELECTED, 0, imap_check, NULL, "RFC 3501 6.4.1"},
    {"CLOSE", SELECTED, QUIET, imap_close, NULL, "RFC 9051 6.4.1"},
    {"UNSELECT", SELECTED, QUIET, imap_unselect, "UNSELECT", "RFC 3691 2"},
    {"EXPUNGE", SELECTED, ALSO_UID, imap_expunge, NULL, "RFC 9051 6.4.3"},
    {"FETCH", SELECTED, ALSO_UID | NUMBERS_STAY, imap_fetch, NULL, "RFC 9051 6.4.5"},
    {"SEARCH", SELECTED, ALSO_UID | NUMBERS_STAY, imap_search, NULL, "RFC 9051 6.4.4"},
    {"SORT", SELECTED, ALSO_UID | NUMBERS_STAY, imap_sort, "SORT", "RFC 5256 3"},
    {"THREAD", SELECTED, ALSO_UID | NUMBERS_STAY, imap_thread, "THREAD=REFERENCES", "RFC 5256 3"},
    {"STORE", SELECTED, ALSO_UID | NUMBERS_STAY, imap_store, NULL, "RFC 9051 6.4.6"},
    {"COPY", SELECTED, ALSO_UID, imap_copy, NULL, "RFC 9051 6.4.7"},
    {"MOVE", SELECTED, ALSO_UID, imap_move, "MOVE", "RFC 6851 3"},

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
