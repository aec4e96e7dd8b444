/* event.h - everything worth knowing, as one JSON line an event.
 *
 *   event("queue.accepted", EV_STR("id", id), EV_INT("size", n));
 *
 * writes {"time":1764000000.123456,"host":"mail","role":"smtpd","pid":12,"event":"queue.accepted",
 * "id":"...","size":4096} with one write(2) to the log, which many processes may share
 * (O_APPEND). Secrets never go in. Names are "role.what-happened". */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include "base/slice.h"

enum event_type { EV_END_, EV_STR_, EV_SLICE_, EV_INT_, EV_BOOL_, EV_REAL_ };

struct event_field {
    const char *key;
    enum event_type type;
    union { const char *str; struct slice slice; int64_t i; double real; };
};

#define EV_STR(k, v) {.key = (k), .type = EV_STR_, .str = (v)}       /* NULL becomes null */
#define EV_SLICE(k, v) {.key = (k), .type = EV_SLICE_, .slice = (v)}
#define EV_INT(k, v) {.key = (k), .type = EV_INT_, .i = (v)}
#define EV_BOOL(k, v) {.key = (k), .type = EV_BOOL_, .i = (v)}
#define EV_REAL(k, v) {.key = (k), .type = EV_REAL_, .real = (v)}

/* At least one field. Thread-safe; never fails the caller. */
#define event(name, ...) event_emit((name), (const struct event_field[]){__VA_ARGS__, {0}})
void event_emit(const char *name, const struct event_field *fields);

/* Where events go: `json_path` appended to (NULL: nowhere; "-": standard output), `text` a line
 * for people on standard error as well. `host` and `role` stand in each event (copied; NULL: left
 * out). Before this call events go nowhere. 0, or -1 with errno when the file cannot be opened. */
int event_open(const char *json_path, bool text, const char *host, const char *role);
void event_set_role(const char *role);        /* after a fork */
/* Opens the file again, after log rotation. */
void event_reopen(void);
/* Verbose events (each command and reply) are written only when this is on. */
void event_set_verbose(bool on);
bool event_verbose(void);

#endif
