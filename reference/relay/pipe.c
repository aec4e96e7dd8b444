/* pipe.c - a program as the next hop. */
#include "reference/relay/pipe.h"

#include "base/mem.h"
#include "reference/mda/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 65536 };

static bool write_all(int fd, struct slice s)
{
    while (s.n > 0) {
        ssize_t n = write(fd, s.p, s.n);
        if (n < 0 && errno != EINTR)
            return false;
        s = slice_sub(s, n > 0 ? (size_t)n : 0, s.n);
    }
    return true;
}

/* Programs of this system end lines in LF. A CR at the end of a piece waits for the next. */
static bool write_lines(int fd, struct slice text, bool *cr)
{
    struct buf out = {0};
    for (size_t i = 0; i < text.n; i++) {
        if (*cr && text.p[i] != '\n')
            buf_add_byte(&out, '\r');
        *cr = text.p[i] == '\r';
        if (!*cr)
            buf_add_byte(&out, text.p[i]);
    }
    bool good = write_all(fd, buf_slice(&out));
    buf_free(&out);
    return good;
}

/* The message as a file for the program; -1: no room. */
static int make_input(const struct config *c, const struct relay_message *m, const char *to)
{
    char *folder = xasprintf("%s/incoming", c->spool), *piece = xmalloc(PIECE);
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char *head = xasprintf("Return-Path: <%s>\nDelivered-To: %s\n", m->reverse_path, to);
    bool cr = false, good = fd >= 0 && write_all(fd, slice_str(head));
    for (int64_t at = 0; good && at < m->size;) {
        int64_t left = m->size - at;
        ssize_t n = pread(m->fd, piece, left < PIECE ? (size_t)left : PIECE, m->offset + at);
        good = n > 0 && write_lines(fd, slice_of(piece, n > 0 ? (size_t)n : 0), &cr);
        at += n > 0 ? n : 0;
    }
    free(folder);
    free(piece);
    free(head);
    if (!good && fd >= 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void run_for(const struct config *c, const struct transport *t,
                    const struct relay_message *m, struct relay_recipient *r)
{
    struct command_result result;
    /* It would be taken for an option. */
    if (r->to[0] == '-' || m->reverse_path[0] == '-') {
        recipient_settle(r, m, VERDICT_FAIL, "5.1.3",
                         "an address that begins with a hyphen is not given to a program", NULL);
        return;
    }
    int input = make_input(c, m, r->to);
    if (input < 0) {
        recipient_settle(r, m, VERDICT_DEFER, "4.3.1", "no room for the program's input", NULL);
        return;
    }
    char *sender = xasprintf("SENDER=%s", m->reverse_path), *to = xasprintf("RECIPIENT=%s", r->to);
    char *environment[] = {"PATH=/usr/bin:/bin", sender, to, NULL};
    char **words = transport_words(t->text, m->reverse_path, r->to);
    program_run(&(struct command_run){.words = words, .environment = environment, .input = input,
                                      .uid = -1, .gid = -1, .timeout_ms = c->timeout_command_run},
                &result);
    recipient_settle(r, m, result.delivered   ? VERDICT_DELIVERED
                           : result.temporary ? VERDICT_DEFER
                                              : VERDICT_FAIL,
                     result.status, result.text, NULL);
    transport_words_free(words);
    free(sender);
    free(to);
    close(input);
}

void relay_pipe(const struct config *c, const struct transport *t, const struct relay_message *m,
                struct relay_recipient *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (r[i].verdict == VERDICT_NONE || r[i].verdict == VERDICT_DEFER)
            run_for(c, t, m, &r[i]);
}
