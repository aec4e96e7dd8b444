#include "base/event.h"

#include "base/event_count.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Set once before threads start, except fd (reopen) and verbose. */
static struct {
    atomic_int fd;
    atomic_bool verbose;
    bool text;
    char *path, *host, *role;
} log_ = {.fd = -1};

static int open_log(void)
{
    if (strcmp(log_.path, "-") == 0)
        return STDOUT_FILENO;
    return open(log_.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

static char *copy(const char *s) { return s ? xstrdup(s) : NULL; }

int event_open(const char *json_path, bool text, const char *host, const char *role)
{
    log_.text = text;
    log_.path = copy(json_path);
    log_.host = copy(host);
    log_.role = copy(role);
    if (!json_path)
        return 0;
    int fd = open_log();
    atomic_store(&log_.fd, fd);
    return fd < 0 ? -1 : 0;
}

void event_set_role(const char *role)
{
    free(log_.role);
    log_.role = copy(role);
}

void event_reopen(void)
{
    if (!log_.path || strcmp(log_.path, "-") == 0)
        return;
    int fd = open_log();
    if (fd < 0)
        return; /* better the old file than none */
    /* The number stays valid for writers in other threads. */
    if (atomic_load(&log_.fd) >= 0) {
        dup3(fd, atomic_load(&log_.fd), O_CLOEXEC);
        close(fd);
    } else {
        atomic_store(&log_.fd, fd);
    }
}

void event_set_verbose(bool on) { atomic_store(&log_.verbose, on); }
bool event_verbose(void) { return atomic_load(&log_.verbose); }

static void add_json_value(struct buf *b, const struct event_field *f)
{
    switch (f->type) {
    case EV_STR_:
        if (f->str)
            buf_add_json(b, slice_str(f->str));
        else
            buf_add_str(b, "null");
        break;
    case EV_SLICE_: buf_add_json(b, f->slice); break;
    case EV_INT_: buf_printf(b, "%lld", (long long)f->i); break;
    case EV_BOOL_: buf_add_str(b, f->i ? "true" : "false"); break;
    case EV_REAL_: buf_printf(b, "%.6f", f->real); break;
    case EV_END_: break;
    }
}

static void add_json(struct buf *b, int64_t now, const char *name, const struct event_field *fields)
{
    buf_printf(b, "{\"time\":%lld.%06lld", (long long)(now / 1000000), (long long)(now % 1000000));
    if (log_.host) {
        buf_add_str(b, ",\"host\":");
        buf_add_json(b, slice_str(log_.host));
    }
    if (log_.role) {
        buf_add_str(b, ",\"role\":");
        buf_add_json(b, slice_str(log_.role));
    }
    buf_printf(b, ",\"pid\":%d,\"event\":\"%s\"", (int)getpid(), name);
    for (; fields->type != EV_END_; fields++) {
        buf_printf(b, ",\"%s\":", fields->key);
        add_json_value(b, fields);
    }
    buf_add_str(b, "}\n");
}

static void add_text(struct buf *b, int64_t now, const char *name, const struct event_field *fields)
{
    time_t sec = (time_t)(now / 1000000);
    struct tm t;
    localtime_r(&sec, &t);
    buf_printf(b, "%02d:%02d:%02d.%03d %s", t.tm_hour, t.tm_min, t.tm_sec,
               (int)(now % 1000000 / 1000), name);
    for (; fields->type != EV_END_; fields++) {
        buf_printf(b, " %s=", fields->key);
        if (fields->type == EV_STR_)
            buf_add_escaped(b, slice_str(fields->str ? fields->str : "-"));
        else if (fields->type == EV_SLICE_)
            buf_add_escaped(b, fields->slice);
        else
            add_json_value(b, fields);
    }
    buf_add_byte(b, '\n');
}

static void write_whole(int fd, const struct buf *b)
{
    /* One write: lines of several processes do not mix (O_APPEND). A full disk loses events,
     * never mail. */
    ssize_t n = write(fd, b->data, b->len);
    (void)n;
}

void event_emit(const char *name, const struct event_field *fields)
{
    event_count(name);
    int fd = atomic_load(&log_.fd);
    if (fd < 0 && !log_.text)
        return;
    int saved = errno; /* "never fails the caller": errno is left as it was, too */
    int64_t now = wall_us();
    struct buf line = {0};
    if (fd >= 0) {
        add_json(&line, now, name, fields);
        write_whole(fd, &line);
        buf_clear(&line);
    }
    if (log_.text) {
        add_text(&line, now, name, fields);
        write_whole(STDERR_FILENO, &line);
    }
    buf_free(&line);
    errno = saved;
}
