/* mailbox.c - the messages in an account's inbox: from the disk, where the target says where they
 * are, or through POP3 as any reader would get them. */
#include "conformance/runner/tape.h"

#include "base/mem.h"
#include "base/stream.h"
#include "conformance/runner/files.h"
#include "conformance/runner/match.h"
#include "conformance/runner/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAIL_MAX = 128 * 1024 * 1024, MAILBOX_MS = 5000, MAILS_MAX = 100000 };

void mailbox_free(struct mail *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(v[i].bytes);
    free(v);
}

static void add(struct mail **v, size_t *n, struct buf *bytes)
{
    *v = xreallocarray(*v, *n + 1, sizeof **v);
    (*v)[*n].n = bytes->len;
    (*v)[(*n)++].bytes = buf_take(bytes);
}

/* Files have LF; a message has CRLF. */
static void with_crlf(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
            buf_add_byte(out, '\r');
        buf_add_byte(out, s.p[i]);
    }
}

static void read_file(const char *path, struct mail **v, size_t *n)
{
    struct buf raw = {0}, message = {0};
    if (buf_read_file(&raw, path, MAIL_MAX) == 0) {
        with_crlf(buf_slice(&raw), &message);
        add(v, n, &message);
    }
    buf_free(&raw);
    buf_free(&message);
}

/* One file a message, named by a number, as MH and Cyrus have it. */
static void read_mh(const char *path, struct mail **v, size_t *n)
{
    struct file_list files = {0};
    list_files(&files, path, "");
    for (size_t i = 0; i < files.n; i++) {
        const char *name = strrchr(files.v[i], '/') + 1;
        size_t digits = strspn(name, "0123456789");
        bool here = (size_t)(name - files.v[i]) == strlen(path) + 1;     /* not in a folder below */
        if (here && digits && (!name[digits] || strcmp(name + digits, ".") == 0))
            read_file(files.v[i], v, n);
    }
    file_list_free(&files);
}

static void read_maildir(const char *path, struct mail **v, size_t *n)
{
    static const char *const folders[] = {"cur", "new"};
    for (size_t f = 0; f < 2; f++) {
        char *folder = xasprintf("%s/%s", path, folders[f]);
        struct file_list files = {0};
        list_files(&files, folder, "");
        for (size_t i = 0; i < files.n; i++)
            read_file(files.v[i], v, n);
        file_list_free(&files);
        free(folder);
    }
}

/* RFC 4155, the mboxrd way: a ">From " line had its ">" added. */
static bool read_mbox(const char *path, struct mail **v, size_t *n, struct buf *error)
{
    struct buf file = {0}, message = {0};
    if (buf_read_file(&file, path, MAIL_MAX) < 0) {
        bool none = errno == ENOENT;
        if (!none)
            buf_printf(error, "%s: %s", path, strerror(errno));
        buf_free(&file);
        return none;
    }
    struct slice rest = buf_slice(&file), line;
    bool open = false, blank = true;
    while (slice_next(&rest, '\n', &line)) {
        if (rest.p == NULL && line.n == 0)
            break;
        if (blank && slice_starts(line, SLICE("From "))) {
            if (open) {
                buf_truncate(&message, message.len >= 2 ? message.len - 2 : 0);
                add(v, n, &message);
            }
            open = true;
            blank = false;
            continue;
        }
        blank = line.n == 0;
        size_t marks = 0;
        while (marks < line.n && line.p[marks] == '>')
            marks++;
        if (marks && slice_starts(slice_sub(line, marks, line.n), SLICE("From ")))
            line = slice_sub(line, 1, line.n);
        buf_add_slice(&message, line);
        buf_add_str(&message, slice_ends(line, SLICE("\r")) ? "\n" : "\r\n");
    }
    if (open) {
        if (blank)
            buf_truncate(&message, message.len >= 2 ? message.len - 2 : 0);
        add(v, n, &message);
    }
    buf_free(&message);
    buf_free(&file);
    return true;
}

static bool pop3_command(struct stream *s, const char *line, bool lines, struct reply *r,
                         struct buf *error)
{
    answer_free(r);
    if (line)
        stream_printf(s, "%s\r\n", line);
    answer_read(s, PROTO_POP3, lines, r);
    bool ok = r->kind == REPLY_LINES && !r->fault &&
              slice_starts(buf_slice(&r->lines[0]), SLICE("+OK"));
    if (!ok)
        buf_printf(error, "POP3 %.20s: %.*s", line ? line : "greeting",
                   SLICE_ARG(slice_trim(buf_slice(&r->raw))));
    return ok;
}

/* RFC 6856 2.1: before the log-in, or a message with UTF-8 in its header may not be had. A server
 * without it says -ERR, and all is as it was. */
static void pop3_say_utf8(struct stream *s)
{
    struct reply r = {0};
    struct buf unused = {0};
    pop3_command(s, "UTF8", false, &r, &unused);
    answer_free(&r);
    buf_free(&unused);
}

static bool pop3_all(struct stream *s, const struct target_account *who, bool erase,
                     struct mail **v, size_t *n, struct buf *error)
{
    struct reply r = {0};
    char *user = xasprintf("USER %s", who->name), *pass = xasprintf("PASS %s", who->password);
    uint64_t count = 0;
    bool ok = pop3_command(s, NULL, false, &r, error);
    if (ok)
        pop3_say_utf8(s);
    ok = ok && pop3_command(s, user, false, &r, error) && pop3_command(s, pass, false, &r, error) &&
         pop3_command(s, "STAT", false, &r, error);
    if (ok) {
        struct slice rest = buf_slice(&r.lines[0]), word;
        slice_word(&rest, &word);
        ok = slice_word(&rest, &word) && slice_number(word, MAILS_MAX, &count);
    }
    for (uint64_t i = 1; ok && i <= count; i++) {
        char *retr = xasprintf("RETR %llu", (unsigned long long)i);
        struct buf message = {0};
        ok = pop3_command(s, retr, true, &r, error);
        for (size_t k = 1; ok && k < r.count; k++) {
            buf_add_slice(&message, buf_slice(&r.lines[k]));
            buf_add_str(&message, "\r\n");
        }
        if (ok)
            add(v, n, &message);
        if (ok && erase) {
            memcpy(retr, "DELE", 4);
            ok = pop3_command(s, retr, false, &r, error);
        }
        buf_free(&message);
        free(retr);
    }
    if (ok)
        pop3_command(s, "QUIT", false, &r, error);
    answer_free(&r);
    free(user);
    free(pass);
    return ok;
}

static bool read_pop3(struct world_up *w, const char *user, bool erase, struct mail **v, size_t *n,
                      struct buf *error)
{
    const struct target_service *service = target_service(w->target, "pop3");
    const struct target_account *account = target_account(w->target, user);
    struct netaddr to;
    if (!service || !account) {
        buf_printf(error, "the target has no %s", service ? "such account" : "service pop3");
        return false;
    }
    netaddr_parse(&to, slice_str(service->address ? service->address : w->target->address),
                  (uint16_t)service->port);
    int fd = world_connect(w, &to, NULL, MAILBOX_MS);
    if (fd < 0) {
        buf_printf(error, "POP3: %s", strerror(errno));
        return false;
    }
    struct stream *s = stream_new_fd(fd);
    stream_set_timeout(s, MAILBOX_MS);
    bool ok = pop3_all(s, account, erase, v, n, error);
    stream_close(s);
    return ok;
}

/* "maildir:PATH/%u" with %u the account; a path that is not absolute lies in the state folder. */
static char *place(const struct world_up *w, const char *pattern, const char *user)
{
    struct buf b = {0};
    if (pattern[0] != '/')
        buf_printf(&b, "%s/", w->state);
    for (const char *p = pattern; *p; p++) {
        if (p[0] == '%' && p[1] == 'u') {
            buf_add_str(&b, user);
            p++;
        } else {
            buf_add_byte(&b, *p);
        }
    }
    return buf_take(&b);
}

static bool read_any(struct world_up *w, const char *user, struct mail **v, size_t *n,
                     struct buf *error)
{
    const struct target_profile *profile = target_profile(w->target,
                                                          w->profile ? w->profile : "default");
    const char *how = profile && profile->mailbox ? profile->mailbox : "";
    if (strcmp(how, "pop3") == 0)
        return read_pop3(w, user, false, v, n, error);
    bool maildir = slice_starts(slice_str(how), SLICE("maildir:"));
    bool mh = slice_starts(slice_str(how), SLICE("mh:"));
    if (!maildir && !mh && !slice_starts(slice_str(how), SLICE("mbox:"))) {
        buf_add_str(error, "target.conf does not say how mailboxes are read (mailbox = ...)");
        return false;
    }
    char *path = place(w, strchr(how, ':') + 1, user);
    bool ok = true;
    if (maildir)
        read_maildir(path, v, n);
    else if (mh)
        read_mh(path, v, n);
    else
        ok = read_mbox(path, v, n, error);
    free(path);
    return ok;
}

bool inbox_read(struct world_up *w, const char *user, struct mail **v, size_t *n,
                  struct buf *error)
{
    if (w->replay) {
        replay_mailbox(w->replay, user, v, n);
        return true;
    }
    bool ok = read_any(w, user, v, n, error);
    if (ok)
        tape_mailbox(w->tape, user, *v, *n);
    return ok;
}

bool mailboxes_empty(struct world_up *w, bool erase, struct buf *error)
{
    const char *how = w->target->mailbox ? w->target->mailbox : "";
    bool ok = true;
    for (size_t i = 0; *how && ok && i < w->target->account_count; i++) {
        const char *user = w->target->accounts[i].name;
        struct mail *v = NULL;
        size_t n = 0;
        bool by_pop3 = target_service(w->target, "pop3") != NULL;
        ok = erase && by_pop3 ? read_pop3(w, user, true, &v, &n, error)
                              : read_any(w, user, &v, &n, error);
        mailbox_free(v, n);
        if (ok && n && (!erase || !by_pop3)) {
            buf_printf(error, "there are %zu messages in the mailbox of %s: the accounts of the world "
                       "must be empty (docs/test-your-own-server.md)%s", n, user,
                       by_pop3 ? "" : "; with a service pop3 in host.conf it is emptied between scenarios");
            ok = false;
        }
    }
    return ok;
}
