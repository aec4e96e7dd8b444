/* imap-client: what `make bench` asks IMAP and POP3 servers.
 *
 *   imap-client make FOLDER N              N messages as a Maildir's files in FOLDER
 *   imap-client time ADDRESS PORT USER PASSWORD N       one command after another on N messages:
 *                                          lines "name<TAB>milliseconds"
 *   imap-client idle ADDRESS PORT N USER PASSWORD FOLDER  sessions that idle: IDLE_FEW of them, then N;
 *                                          says "ready" and waits for a line each time. Then measures
 *                                          from a delivery into FOLDER to the first and last notice
 *   imap-client busy ADDRESS PORT N USER PASSWORD       N clients at once: commands a second
 *   imap-client pop3 ADDRESS PORT USER PASSWORD         a whole POP3 session: milliseconds */
#include "base/buf.h"
#include "base/mem.h"
#include "base/stream.h"
#include "base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_OCTETS = 1 << 20, WAIT_MS = 300000, NOTICE_MS = 60000 };

/* --- the messages ----------------------------------------------------------------------------- */

/* A message like those of a list: threads of ten, a subject in twenty that is rare, some MIME. */
static void write_message(struct buf *b, int i)
{
    static const char *const names[] = {"jerry", "ann", "bob", "eve", "tom"};
    int thread = i / 10;
    buf_clear(b);
    buf_printf(b, "Return-Path: <%s@magedu.test>\nReceived: from mx.magedu.test (mx.magedu.test "
               "[192.0.2.1])\n\tby mail.hehuan.test with ESMTP id %08x; Tue, 24 Nov 2026 08:07:54 "
               "+0000\nFrom: %s <%s@magedu.test>\nTo: Tom <tom@hehuan.test>, list@hehuan.test\n"
               "Subject: %s%s topic %d\nDate: Tue, %d Nov 2026 %02d:%02d:%02d +0000\n"
               "Message-ID: <%d@magedu.test>\n",
               names[i % 5], (unsigned)i, names[i % 5], names[i % 5], i % 10 ? "Re: " : "",
               i % 20 == 7 ? "rare" : "usual", thread, 1 + i % 24, i / 3600 % 24, i / 60 % 60, i % 60, i);
    if (i % 10)
        buf_printf(b, "In-Reply-To: <%d@magedu.test>\nReferences: <%d@magedu.test>\n", i - 1,
                   thread * 10);
    buf_add_str(b, "MIME-Version: 1.0\n");
    bool parts = i % 4 == 0;
    buf_add_str(b, parts ? "Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: "
                           "text/plain; charset=utf-8\n\n"
                         : "Content-Type: text/plain; charset=utf-8\n\n");
    for (int line = 0; line < 30; line++)
        buf_printf(b, "line %d of message %d, and %s words to look through\n", line, i,
                   i % 1000 == 3 ? "needle" : "other");
    if (parts)
        buf_add_str(b, "--b\nContent-Type: application/octet-stream; name=\"a.bin\"\n"
                       "Content-Transfer-Encoding: base64\n\nAAECAwQFBgcICQoLDA0ODw==\n--b--\n");
}

/* By way of tmp/, as Maildir wants it, and the folder's owner's. */
static void write_file(const char *folder, int i, const char *suffix)
{
    struct buf b = {0};
    struct stat owner = {0};
    char *name = xasprintf("%d.M%06dP1.bench", 1764000000 + i, i);
    char *tmp = xasprintf("%s/../tmp/%s", folder, name);
    char *path = xasprintf("%s/%s%s", folder, name, suffix);
    write_message(&b, i);
    int fd = open(tmp, O_CREAT | O_WRONLY | O_EXCL, 0600);
    if (fd < 0 || write(fd, b.data, b.len) != (ssize_t)b.len || stat(folder, &owner) < 0 ||
        fchown(fd, owner.st_uid, owner.st_gid) < 0 || rename(tmp, path) < 0)
        die(73, "%s: %s", path, strerror(errno));
    close(fd);
    free(name);
    free(tmp);
    free(path);
    buf_free(&b);
}

/* --- a client --------------------------------------------------------------------------------- */

static struct stream *connect_to(const char *address, const char *port)
{
    struct netaddr a;
    struct buf line = {0};
    enum line_end end;
    if (!netaddr_parse(&a, slice_str(address), (uint16_t)atoi(port)))
        die(64, "%s is no address", address);
    int fd = net_connect(&a, NULL, 10000);
    if (fd < 0)
        die(69, "%s: %s", address, strerror(errno));
    struct stream *io = stream_new_fd(fd);
    stream_set_timeout(io, WAIT_MS);
    stream_read_line(io, &line, LINE_MAX_OCTETS, &end);
    buf_free(&line);
    return io;
}

/* "{123}" at a line's end: a literal of so many octets follows. */
static int64_t literal(struct slice line)
{
    ptrdiff_t open = slice_rindex(line, '{');
    uint64_t n;
    if (open < 0 || line.p[line.n - 1] != '}' ||
        !slice_number(slice_sub(line, (size_t)open + 1, line.n - 1), INT64_MAX, &n))
        return -1;
    return (int64_t)n;
}

/* Reads to the line that begins with `until`; the octets that came. Dies unless it is an OK. */
static int64_t read_until(struct stream *io, const char *until)
{
    struct buf line = {0};
    enum line_end end;
    int64_t octets = 0;
    for (;;) {
        buf_clear(&line);
        if (stream_read_line(io, &line, LINE_MAX_OCTETS, &end) != IO_OK)
            die(76, "the server closed: %s", stream_error(io));
        octets += (int64_t)line.len + 2;
        if (slice_starts(buf_slice(&line), slice_str(until)))
            break;
        int64_t left = literal(buf_slice(&line));
        octets += left > 0 ? left : 0;
        while (left > 0) {
            struct slice some;
            if (stream_peek(io, &some) != IO_OK)
                die(76, "the server closed");
            some = slice_sub(some, 0, left < (int64_t)some.n ? (size_t)left : some.n);
            stream_consume(io, some.n);
            left -= (int64_t)some.n;
        }
    }
    if (strcmp(until, "+") != 0 && !strstr(buf_str(&line), "OK"))
        die(76, "the server says: %s", buf_str(&line));
    buf_free(&line);
    return octets;
}

static int64_t command(struct stream *io, const char *text)
{
    stream_printf(io, "t %s\r\n", text);
    stream_flush(io);
    return read_until(io, "t ");
}

static struct stream *login(const char *address, const char *port, const char *user,
                            const char *password)
{
    struct stream *io = connect_to(address, port);
    char *text = xasprintf("LOGIN %s %s", user, password);
    command(io, text);
    free(text);
    return io;
}

/* --- one command after another ---------------------------------------------------------------- */

static const struct { const char *name, *text; } timed[] = {
    {"SELECT, cold", "SELECT INBOX"},
    {"SELECT, warm", "SELECT INBOX"},
    {"FETCH FLAGS of all", "FETCH 1:* (UID FLAGS)"},
    {"FETCH ENVELOPE, cold", "FETCH 1:* ENVELOPE"},
    {"FETCH ENVELOPE, warm", "FETCH 1:* ENVELOPE"},
    {"FETCH BODYSTRUCTURE", "FETCH 1:* BODYSTRUCTURE"},
    {"FETCH FAST", "FETCH 1:* FAST"},
    {"FETCH a header field", "FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]"},
    {"FETCH BODY[] of all", "FETCH 1:* BODY.PEEK[]"},
    {"SEARCH by flag", "SEARCH UNSEEN"},
    {"SEARCH by date", "SEARCH SENTSINCE 20-Nov-2026"},
    {"SEARCH by subject", "SEARCH SUBJECT rare"},
    {"SEARCH by text", "SEARCH BODY needle"},
    {"SORT by date", "SORT (DATE) UTF-8 ALL"},
    {"SORT by subject", "SORT (SUBJECT) UTF-8 ALL"},
    {"THREAD by references", "THREAD REFERENCES UTF-8 ALL"},
    {"STORE of all", "STORE 1:* +FLAGS.SILENT (\\Flagged)"},
    {"COPY of a tenth", NULL},
    {"MOVE of a tenth", NULL},
    {"EXPUNGE of a tenth", NULL},
    {"APPEND, 500 one by one", NULL},
    {"APPEND, 500 in one command", NULL},
};

/* `together`: RFC 3502. */
static void append(struct stream *io, const char *mailbox, int n, bool together)
{
    struct buf b = {0}, wire = {0};
    write_message(&b, 5);
    struct slice rest = buf_slice(&b), line;
    while (slice_next(&rest, '\n', &line) && line.p)
        buf_printf(&wire, "%.*s\r\n", SLICE_ARG(line));
    for (int i = 0; i < n; i++) {
        if (i == 0 || !together)
            stream_printf(io, "t APPEND %s", mailbox);
        stream_printf(io, " {%zu}\r\n", wire.len);
        stream_flush(io);
        read_until(io, "+");
        stream_write(io, wire.data, wire.len);
        if (together && i < n - 1)
            continue;
        stream_puts(io, "\r\n");
        stream_flush(io);
        read_until(io, "t ");
    }
    buf_free(&b);
    buf_free(&wire);
}

static void special(struct stream *io, const char *name, int n)
{
    char *tenth = xasprintf("%d:%d", n / 2 + 1, n / 2 + n / 10), *text = NULL;
    if (strncmp(name, "COPY", 4) == 0)
        text = xasprintf("COPY %s Copies", tenth);
    else if (strncmp(name, "MOVE", 4) == 0)
        text = xasprintf("MOVE %s Copies", tenth);
    else if (strncmp(name, "EXPUNGE", 7) == 0)
        text = xasprintf("EXPUNGE");
    else
        append(io, "Copies", 500, strstr(name, "in one") != NULL);
    if (text)
        command(io, text);
    free(text);
    free(tenth);
}

static int run_timed(char **a)
{
    struct stream *io = login(a[0], a[1], a[2], a[3]);
    int n = atoi(a[4]);
    for (size_t i = 0; i < sizeof timed / sizeof *timed; i++) {
        if (strcmp(timed[i].name, "SELECT, warm") == 0)
            command(io, "UNSELECT");
        if (strncmp(timed[i].name, "COPY", 4) == 0)
            command(io, "CREATE Copies");
        if (strncmp(timed[i].name, "EXPUNGE", 7) == 0) {
            char *mark = xasprintf("STORE 1:%d +FLAGS.SILENT (\\Deleted)", n / 10);
            command(io, mark);
            free(mark);
        }
        int64_t from = mono_us();
        if (timed[i].text)
            command(io, timed[i].text);
        else
            special(io, timed[i].name, n);
        printf("%s\t%.3f\n", timed[i].name, (double)(mono_us() - from) / 1000);
        fflush(stdout);
    }
    command(io, "LOGOUT");
    stream_close(io);
    return 0;
}

/* --- idle sessions ---------------------------------------------------------------------------- */

enum { IDLE_FEW = 20 };        /* as in imap-inside */

static struct stream *idle_session(char **a)
{
    struct stream *s = login(a[0], a[1], a[3], a[4]);
    command(s, "SELECT INBOX");
    stream_puts(s, "t IDLE\r\n");
    stream_flush(s);
    read_until(s, "+");
    return s;
}

static int run_idle(char **a)
{
    int n = atoi(a[2]), opened = 0;
    struct stream **s = xcalloc((size_t)n, sizeof *s);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int part = 0; part < 2; part++) {
        for (int upto = part ? n : IDLE_FEW; opened < upto && opened < n; opened++)
            s[opened] = idle_session(a);
        puts("ready");
        fflush(stdout);
        getchar();                 /* the memory is being read */
    }
    write_file(a[5], 2000000 + (int)getpid() % 100000, "");
    int64_t from = mono_us(), first = 0;
    for (int i = 0; i < n; i++) {
        struct pollfd p = {.fd = stream_fd(s[i]), .events = POLLIN};
        if (stream_buffered(s[i]) == 0 && poll(&p, 1, NOTICE_MS) != 1)
            die(76, "no notice within %d s", NOTICE_MS / 1000);
        first = first ? first : mono_us() - from;
    }
    printf("%.3f\t%.3f\n", (double)first / 1000, (double)(mono_us() - from) / 1000);
    for (int i = 0; i < n; i++)
        stream_abort(s[i]);
    free(s);
    return 0;
}

/* --- busy clients ----------------------------------------------------------------------------- */

enum { BUSY_ROUNDS = 200 };
static char **busy_args;

static void *busy_client(void *arg)
{
    struct stream *io = login(busy_args[0], busy_args[1], busy_args[3], busy_args[4]);
    (void)arg;
    command(io, "SELECT INBOX");
    for (int i = 0; i < BUSY_ROUNDS; i++) {
        char *fetch = xasprintf("FETCH %d (UID FLAGS ENVELOPE)", 1 + i * 7 % 500);
        command(io, fetch);
        command(io, i % 2 ? "NOOP" : "STATUS INBOX (UNSEEN)");
        free(fetch);
    }
    stream_close(io);
    return NULL;
}

static int run_busy(char **a)
{
    int n = atoi(a[2]);
    pthread_t *t = xcalloc((size_t)n, sizeof *t);
    busy_args = a;
    int64_t from = mono_us();
    for (int i = 0; i < n; i++)
        pthread_create(&t[i], NULL, busy_client, NULL);
    for (int i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    printf("%.0f\n", (double)n * BUSY_ROUNDS * 2 * 1e6 / (double)(mono_us() - from));
    free(t);
    return 0;
}

/* --- POP3 ------------------------------------------------------------------------------------- */

static void pop3_line(struct stream *io, bool multi)
{
    struct buf line = {0};
    enum line_end end;
    do {
        buf_clear(&line);
        if (stream_read_line(io, &line, LINE_MAX_OCTETS, &end) != IO_OK)
            die(76, "the POP3 server closed");
    } while (multi && strcmp(buf_str(&line), ".") != 0);
    buf_free(&line);
}

static int run_pop3(char **a)
{
    int n = atoi(a[4]);
    int64_t from = mono_us();
    struct stream *io = connect_to(a[0], a[1]);
    stream_printf(io, "USER %s\r\n", a[2]);
    stream_flush(io);
    pop3_line(io, false);
    stream_printf(io, "PASS %s\r\nUIDL\r\n", a[3]);
    stream_flush(io);
    pop3_line(io, false);
    pop3_line(io, true);
    for (int i = 1; i <= n; i++) {
        stream_printf(io, "RETR %d\r\n", i);
        stream_flush(io);
        pop3_line(io, true);
    }
    stream_puts(io, "QUIT\r\n");
    stream_flush(io);
    pop3_line(io, false);
    stream_close(io);
    printf("%.3f\n", (double)(mono_us() - from) / 1000);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "make") == 0) {
        for (int i = 0; i < atoi(argv[3]); i++)
            write_file(argv[2], i, i % 3 ? ":2,S" : ":2,");
        return 0;
    }
    if (argc == 7 && strcmp(argv[1], "time") == 0)
        return run_timed(argv + 2);
    if (argc == 8 && strcmp(argv[1], "idle") == 0)
        return run_idle(argv + 2);
    if (argc == 7 && strcmp(argv[1], "busy") == 0)
        return run_busy(argv + 2);
    if (argc == 7 && strcmp(argv[1], "pop3") == 0)
        return run_pop3(argv + 2);
    die(64, "use: imap-client make|time|idle|busy|pop3 ..., see its source");
}
