/* events.h - what the demo's programs have logged: one list in the order of time. */
#ifndef DEMO_EVENTS_H
#define DEMO_EVENTS_H

#include "base/buf.h"

#include <jansson.h>

/* The logs of a demo's folder: three servers, the simulated DNS, the demo itself. */
enum source { LOG_SENDER, LOG_MAIL, LOG_MAIL1, LOG_DNS, LOG_DEMO, LOGS };

struct event_line {
    int64_t us;              /* since 1970 */
    enum source source;
    size_t number;           /* line of its log, from 0 */
    const char *name;        /* "smtpd.command"; of the object */
    json_t *object;
};

struct events {
    struct event_line *v;
    size_t n;
    size_t lines[LOGS];      /* in each log */
};

/* Reads all logs of the folder; those that are missing have no events yet. */
void events_load(struct events *e, const char *dir);
void events_free(struct events *e);
/* A string field, "" when it has none; a number field, 0 when it has none. */
const char *event_text(const struct event_line *e, const char *key);
int64_t event_number(const struct event_line *e, const char *key);

#endif
