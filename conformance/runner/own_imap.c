/* own_imap.c - a server of the user's own: the mailboxes that scenarios made through IMAP go away again.
 * Those that were there before any scenario are never touched. */
#include "conformance/runner/imap.h"
#include "conformance/runner/match.h"
#include "conformance/runner/world.h"

#include "base/mem.h"

#include <stdlib.h>
#include <unistd.h>

enum { OWN_IMAP_MS = 10000, FOLDERS_MAX = 10000 };

struct names { char **v; size_t n; };

static void add_name(struct names *names, const char *user, struct slice mailbox)
{
    if (names->n >= FOLDERS_MAX)
        return;
    names->v = xreallocarray(names->v, names->n + 1, sizeof *names->v);
    names->v[names->n++] = xasprintf("%s %.*s", user, SLICE_ARG(mailbox));
}

static bool has_name(char **v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i], name) == 0)
            return true;
    return false;
}

/* Sends a command and reads to its tagged response. Names of LIST responses are added. */
static bool command(struct stream *s, const char *line, const char *user, struct names *names)
{
    struct reply r = {0};
    bool over = false, ok = false;
    stream_printf(s, "own %s\r\n", line);
    while (!over) {
        struct arena arena = {0};
        struct imap_node node;
        const char *why;
        answer_free(&r);
        answer_read(s, PROTO_IMAP, false, &r);
        over = r.kind != REPLY_LINES || r.fault || slice_starts(buf_slice(&r.lines[0]), SLICE("own "));
        ok = over && r.kind == REPLY_LINES && slice_istarts(buf_slice(&r.lines[0]), SLICE("own OK"));
        if (!over && names && imap_parse(&arena, buf_slice(&r.lines[0]), &node, &why) && node.count >= 5 &&
            slice_ieq_str(node.items[1].bytes, "LIST"))
            add_name(names, user, node.items[4].bytes);
        arena_free(&arena);
    }
    answer_free(&r);
    return ok;
}

/* A quoted string (RFC 9051 4.3). */
static char *quoted(const char *verb, const char *text)
{
    struct buf b = {0};
    buf_printf(&b, "%s \"", verb);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_add_byte(&b, '\\');
        buf_add_byte(&b, *text);
    }
    buf_add_byte(&b, '"');
    return buf_take(&b);
}

static struct stream *log_in(struct world_up *w, const struct target_account *account)
{
    const struct target_service *service = target_service(w->target, "imap");
    struct netaddr to;
    struct reply r = {0};
    if (!service || !netaddr_parse(&to, slice_str(service->address ? service->address : w->target->address),
                                   (uint16_t)service->port))
        return NULL;
    int fd = world_connect(w, &to, NULL, OWN_IMAP_MS);
    if (fd < 0)
        return NULL;
    struct stream *s = stream_new_fd(fd);
    stream_set_timeout(s, OWN_IMAP_MS);
    answer_read(s, PROTO_IMAP, false, &r);
    answer_free(&r);
    char *user = quoted("LOGIN", account->name), *both = quoted(user, account->password);
    bool ok = command(s, both, NULL, NULL);
    free(user);
    free(both);
    if (ok)
        return s;
    stream_close(s);
    return NULL;
}

static int longest_first(const void *a, const void *b)
{
    size_t x = strlen(*(char *const *)a), y = strlen(*(char *const *)b);
    return x < y ? 1 : x > y ? -1 : 0;
}

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->v[i]);
    free(names->v);
}

/* What is new since the beginning, children before their parents. */
static void erase_new(struct world_up *w, struct stream *s, const char *user, struct names *now)
{
    if (now->n)
        qsort(now->v, now->n, sizeof *now->v, longest_first);
    for (size_t i = 0; i < now->n; i++) {
        const char *mailbox = now->v[i] + strlen(user) + 1;
        if (slice_ieq_str(slice_str(mailbox), "INBOX") || has_name(w->own_folders, w->own_folder_count, now->v[i]))
            continue;
        static const char *const verbs[] = {"UNSUBSCRIBE", "DELETE"};
        for (int k = 0; k < 2; k++) {
            char *line = quoted(verbs[k], mailbox);
            command(s, line, NULL, NULL);
            free(line);
        }
    }
}

void own_mailboxes(struct world_up *w, bool erase)
{
    struct names before = {0};
    for (size_t i = 0; i < w->target->account_count; i++) {
        const struct target_account *account = &w->target->accounts[i];
        struct stream *s = log_in(w, account);
        struct names now = {0};
        if (!s)                        /* no IMAP, or no log-in without TLS: nothing is known */
            continue;
        if (command(s, "LIST \"\" \"*\"", account->name, erase ? &now : &before) && erase)
            erase_new(w, s, account->name, &now);
        command(s, "LOGOUT", NULL, NULL);
        stream_close(s);
        free_names(&now);
    }
    if (!erase) {
        w->own_folders = before.v;
        w->own_folder_count = before.n;
    }
}
