/* spool_read.c - reading a message file's head back, and changing its marks. */
#include "reference/queue/queue.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_CHUNK 8192          /* the head of a message with few recipients */

static const char *const marks[] = {"todo", "done", "fail", "sent", "late"};
enum { MARKS = sizeof marks / sizeof *marks };

const char *recipient_mark(enum recipient_state state) { return marks[state]; }

void envelope_drop_recipients(struct envelope *e, size_t keep)
{
    while (e->rcpt_count > keep) {
        struct recipient *r = &e->rcpt[--e->rcpt_count];
        free(r->address);
        free(r->via);
        free(r->orcpt);
    }
}

void envelope_free(struct envelope *e)
{
    envelope_drop_recipients(e, 0);
    free(e->rcpt);
    free(e->protocol);
    free(e->client);
    free(e->helo);
    free(e->reverse_path);
    free(e->envid);
    *e = (struct envelope){0};
}

void envelope_add_recipient(struct envelope *e, struct slice address)
{
    /* Room is made in powers of two: the count says when it is used up. */
    if ((e->rcpt_count & (e->rcpt_count - 1)) == 0)
        e->rcpt = xreallocarray(e->rcpt, e->rcpt_count ? e->rcpt_count * 2 : 1, sizeof *e->rcpt);
    e->rcpt[e->rcpt_count++] = (struct recipient){.address = slice_dup(address)};
}

/* "<...>" to what is inside. */
static bool unbracket(struct slice s, struct slice *inside)
{
    *inside = slice_sub(s, 1, s.n ? s.n - 1 : 0);
    return s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>';
}

static bool read_arrived(struct slice s, int64_t *us)
{
    struct slice seconds;
    uint64_t whole, part;

    if (!slice_next(&s, '.', &seconds) || s.n != 6 || !slice_number(s, 999999, &part)
        || !slice_number(seconds, INT64_MAX / 2000000, &whole))
        return false;
    *us = (int64_t)(whole * 1000000 + part);
    return true;
}

static bool read_digit(struct slice s, char no, char yes, bool *out)
{
    *out = s.n == 1 && s.p[0] == yes;
    return *out || (s.n == 1 && s.p[0] == no);
}

static bool read_text(struct slice s, char **out)
{
    free(*out);
    *out = slice_dup(s);
    return true;
}

static bool read_recipient(struct envelope *e, enum recipient_state state, struct slice value,
                           int64_t mark_offset)
{
    struct slice address;

    if (!unbracket(value, &address))
        return false;
    envelope_add_recipient(e, address);
    e->rcpt[e->rcpt_count - 1].state = state;
    e->rcpt[e->rcpt_count - 1].mark_offset = mark_offset;
    return true;
}

/* The lines below a recipient's own. */
static bool read_about_recipient(struct recipient *r, struct slice word, struct slice value)
{
    struct slice inside;
    if (slice_eq_str(word, "via"))
        return unbracket(value, &inside) && read_text(inside, &r->via);
    if (slice_eq_str(word, "notify"))
        return notify_parse(value, &r->notify);
    return slice_eq_str(word, "orcpt") && orcpt_valid(value) && read_text(value, &r->orcpt);
}

static bool read_line(struct envelope *e, struct slice word, struct slice value, int64_t offset)
{
    struct slice inside;
    uint64_t number;

    for (int state = 0; state < MARKS; state++)
        if (slice_eq_str(word, marks[state]))
            return read_recipient(e, (enum recipient_state)state, value, offset);
    if (e->rcpt_count > 0)
        return read_about_recipient(&e->rcpt[e->rcpt_count - 1], word, value);
    if (slice_eq_str(word, "from"))
        return unbracket(value, &inside) && read_text(inside, &e->reverse_path);
    if (slice_eq_str(word, "utf8"))
        return read_digit(value, '0', '1', &e->utf8);
    if (slice_eq_str(word, "envid"))
        return read_text(value, &e->envid);
    if (slice_eq_str(word, "ret")) {
        e->ret = slice_eq_str(value, "FULL") ? RETURN_FULL : RETURN_HEADERS;
        return e->ret == RETURN_FULL || slice_eq_str(value, "HDRS");
    }
    if (slice_eq_str(word, "id")) {
        if (value.n == 0 || value.n >= sizeof e->id)
            return false;
        memcpy(e->id, value.p, value.n);
        e->id[value.n] = 0;
        return queue_id_valid(e->id);
    }
    if (slice_eq_str(word, "size")) {
        bool good = slice_number(value, INT64_MAX / 2, &number);
        e->size = good ? (int64_t)number : 0;
        return good;
    }
    if (slice_eq_str(word, "arrived"))
        return read_arrived(value, &e->arrived_us);
    if (slice_eq_str(word, "dots"))
        return read_digit(value, '0', '1', &e->dots);
    if (slice_eq_str(word, "octets"))
        return read_digit(value, '7', '8', &e->high_octets);
    if (slice_eq_str(word, "body")) {
        e->eight_bit = slice_eq_str(value, "8BITMIME");
        e->binary = slice_eq_str(value, "BINARYMIME");
        return e->eight_bit || e->binary || slice_eq_str(value, "7BIT");
    }
    if (slice_eq_str(word, "filter")) {
        e->unfiltered = slice_eq_str(value, "todo");
        return e->unfiltered;
    }
    if (slice_eq_str(word, "protocol"))
        return read_text(value, &e->protocol);
    if (slice_eq_str(word, "client"))
        return read_text(value, &e->client);
    if (slice_eq_str(word, "helo"))
        return read_text(value, &e->helo);
    return false;
}

static const char *what_is_missing(const struct envelope *e)
{
    if (!e->id[0])
        return "no id line";
    if (!e->arrived_us)
        return "no arrived line";
    if (!e->reverse_path)
        return "no from line";
    if (!e->rcpt_count)
        return "no recipient";
    if (!e->size)
        return "never completed: size is zero";
    return NULL;
}

static bool parse(struct slice head, struct envelope *e, const char **why)
{
    struct slice rest = head, line, word;

    if (memchr(head.p ? head.p : "", 0, head.n)) {
        *why = "NUL in the head";
        return false;
    }
    if (!slice_next(&rest, '\n', &line) || !slice_eq_str(line, "postroad 1")) {
        *why = "does not begin with \"postroad 1\"";
        return false;
    }
    while (slice_next(&rest, '\n', &line) && line.n > 0) {
        int64_t offset = line.p - head.p;
        if (!slice_next(&line, ' ', &word) || !read_line(e, word, line, offset)) {
            *why = "a line of the head that is not understood";
            return false;
        }
    }
    if (!rest.p) {
        *why = "no empty line after the head";
        return false;
    }
    e->message_offset = rest.p - head.p;
    *why = what_is_missing(e);
    return !*why;
}

bool envelope_parse(struct slice head, struct envelope *e, const char **why)
{
    const char *reason;

    *e = (struct envelope){0};
    if (parse(head, e, &reason)) {
        if (!e->protocol)
            e->protocol = xstrdup("");
        if (!e->client)
            e->client = xstrdup("");
        if (!e->helo)
            e->helo = xstrdup("");
        return true;
    }
    envelope_free(e);
    if (why)
        *why = reason;
    return false;
}

/* The file's beginning up to and including the empty line. */
static int read_head(int fd, struct buf *head, const char **why)
{
    size_t chunk = HEAD_CHUNK;

    for (;;) {
        size_t from = head->len ? head->len - 1 : 0;
        ptrdiff_t end;
        ssize_t n;

        buf_reserve(head, chunk);
        n = pread(fd, head->data + head->len, chunk, (off_t)head->len);
        if (n < 0)
            return -1;
        head->len += (size_t)n;
        head->data[head->len] = 0;
        end = slice_find(slice_sub(buf_slice(head), from, head->len), SLICE("\n\n"));
        if (end >= 0) {
            buf_truncate(head, from + (size_t)end + 2);
            return 0;
        }
        if (n == 0 || head->len >= QUEUE_HEAD_MAX) {
            *why = n == 0 ? "ends inside the head" : "head too large";
            errno = EBADMSG;
            return -1;
        }
        chunk = head->len;
    }
}

static int open_checked(int fd, const char *id, struct envelope *e, const char **why)
{
    struct buf head = {0};
    struct stat st;
    int r = -1;

    if (fstat(fd, &st) == 0 && read_head(fd, &head, why) == 0) {
        if (!envelope_parse(buf_slice(&head), e, why)) {
            errno = EBADMSG;
        } else if (strcmp(e->id, id) != 0 || st.st_size != e->message_offset + e->size) {
            *why = strcmp(e->id, id) ? "id line and file name differ" : "size and file differ";
            envelope_free(e);
            errno = EBADMSG;
        } else {
            r = fd;
        }
    }
    buf_free(&head);
    return r;
}

int queue_open(const struct config *c, const char *folder, const char *id, struct envelope *e,
               const char **why)
{
    char *path = queue_path(c, folder, id);
    const char *reason = NULL;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

    free(path);
    *e = (struct envelope){0};
    if (fd >= 0 && open_checked(fd, id, e, &reason) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
    if (why)
        *why = fd < 0 ? reason : NULL;
    return fd;
}

int queue_mark(int fd, struct recipient *r, enum recipient_state state, bool sync)
{
    if (pwrite(fd, marks[state], 4, r->mark_offset) != 4)
        return -1;
    r->state = state;
    return sync ? fdatasync(fd) : 0;
}
