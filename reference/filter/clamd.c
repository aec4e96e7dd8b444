/* clamd.c - asking ClamAV's daemon. INSTREAM sends the message in portions that are led by their
 * length; FILDES hands over a descriptor on a Unix socket, so that nothing is copied through it. */
#include "reference/filter/filter.h"

#include "base/stream.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ANSWER_MAX = 1024, PORTION = 64 * 1024 };

/* The session form "z": command and answer end in NUL, so that a name may have a line end. */
static bool send_stream(struct stream *io, const struct filter_conf *c,
                        const struct filter_mail *mail, struct filter_result *out)
{
    static const char zinstream[] = "zINSTREAM", end[4] = {0};
    if (c->clamd_way == CLAMD_INSTREAM)
        stream_puts(io, "nINSTREAM\n");
    else
        stream_write(io, zinstream, sizeof zinstream);
    if (!filter_send_mail(io, mail, true, out))
        return false;
    stream_write(io, end, sizeof end);
    return stream_flush(io) == IO_OK;
}

/* A nameless file of the message alone: what is in the spool begins with the envelope. */
static int copy_of(const struct filter_mail *mail)
{
    static _Thread_local char portion[PORTION];
    int fd = memfd_create("message", MFD_CLOEXEC);
    int64_t at = 0;
    while (fd >= 0 && at < mail->size) {
        ssize_t n = mail->read(mail->arg, portion, sizeof portion, at);
        if (n <= 0 || write(fd, portion, (size_t)n) != n) {
            close(fd);
            return -1;
        }
        at += n;
    }
    return fd;
}

static bool send_descriptor(struct stream *io, const struct filter_mail *mail,
                            struct filter_result *out)
{
    static const char fildes[] = "zFILDES";
    union { struct cmsghdr align; char bytes[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct iovec one = {.iov_base = "", .iov_len = 1};
    struct msghdr m = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control,
                       .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&m);
    int fd = copy_of(mail);
    if (fd < 0) {
        filter_failed(out, "the message cannot be copied: %s", strerror(errno));
        return false;
    }
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    stream_write(io, fildes, sizeof fildes);
    bool good = stream_flush(io) == IO_OK && sendmsg(stream_fd(io), &m, MSG_NOSIGNAL) == 1;
    close(fd);
    if (!good)
        filter_failed(out, "the descriptor cannot be handed over (%s); FILDES needs a unix: address",
                      strerror(errno));
    return good;
}

/* To the NUL or the line end. */
static bool read_answer(struct stream *io, struct buf *answer)
{
    char c;
    while (answer->len < ANSWER_MAX && stream_read_exact(io, &c, 1) == IO_OK) {
        if (c == '\0' || c == '\n')
            return true;
        buf_add_byte(answer, c);
    }
    return false;
}

static void found(const struct filter_conf *c, struct slice name, struct filter_result *out)
{
    snprintf(out->why, sizeof out->why, "virus %.*s", SLICE_ARG(name));
    for (char *p = out->why; *p; p++) {
        if (*p < 32 || *p > 126)
            *p = '?';
    }
    if (c->found == FOUND_QUARANTINE) {
        out->action = FILTER_QUARANTINE;
    } else if (c->found == FOUND_DISCARD) {
        out->action = FILTER_DISCARD;
    } else {
        out->action = FILTER_REFUSE;
        verdict_set(&out->verdict, 550, "5.7.1", "virus", "RFC 5321 7.8", "%s found", out->why);
    }
}

/* "stream: OK", "stream: Eicar-Test-Signature FOUND", "... ERROR" */
static void understand(const struct filter_conf *c, struct slice answer, struct filter_changes *changes,
                       struct filter_result *out)
{
    ptrdiff_t colon = slice_find(answer, SLICE(": "));
    struct slice text = slice_sub(answer, colon < 0 ? answer.n : (size_t)colon + 2, answer.n);
    if (slice_eq_str(text, "OK")) {
        if (c->mark_clean)
            changes_add(changes, CHANGE_ADD, 0, SLICE("X-Virus-Status"), SLICE("Clean"));
        return;
    }
    if (slice_ends(text, SLICE(" FOUND")) && text.n > 6)
        found(c, slice_sub(text, 0, text.n - 6), out);
    else
        filter_failed(out, "clamd says: %.*s", SLICE_ARG(answer));
}

void clamd_ask(const struct filter_conf *c, const struct filter_facts *facts,
               const struct filter_mail *mail, struct filter_changes *changes,
               struct filter_result *out)
{
    (void)facts;
    if (c->max_size > 0 && (uint64_t)mail->size > c->max_size) {
        snprintf(out->why, sizeof out->why, "over max-size, not looked at");
        return;
    }
    struct stream *io = filter_connect(c, out);
    if (!io)
        return;
    struct buf answer = {0};
    bool sent = c->clamd_way == CLAMD_FILDES ? send_descriptor(io, mail, out)
                                             : send_stream(io, c, mail, out);
    /* clamd answers and closes in the middle of a message over its own limit: the answer counts. */
    if (read_answer(io, &answer)) {
        out->action = FILTER_PASS;
        out->why[0] = '\0';
        understand(c, buf_slice(&answer), changes, out);
    } else if (sent || out->action != FILTER_FAILED) {
        filter_failed(out, "no answer");
    }
    buf_free(&answer);
    stream_abort(io);
}
