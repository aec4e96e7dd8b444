/* explain_events.c - what the event log has about an address, a message, a session or a client. */
#include "reference/ctl/ctl.h"

#include "base/mem.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum { EVENTS_SHOWN = 40 };      /* the newest ones */

/* Each command and reply on its own would bury the answer. */
static bool is_detail(const char *name)
{
    static const char *const endings[] = {".command", ".reply", ".connect",
                                          ".close",   ".query", ".answer"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    return !dot || strncmp(name, "master.", 7) == 0;
}

/* Does a field say just that, or does the refused command name the address? */
static bool concerns(json_t *e, const char *wanted)
{
    static const char *const keys[] = {"id", "client", "from", "to", "user", "peer", "address"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = json_string_value(json_object_get(e, keys[i]));
        if (value && strcasecmp(value, wanted) == 0)
            return true;
    }
    const json_t *session = json_object_get(e, "session");
    if (json_is_integer(session)) {
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(session));
        if (strcmp(number, wanted) == 0)
            return true;
    }
    const char *command = json_string_value(json_object_get(e, "command"));
    return command && strchr(wanted, '@') && strcasestr(command, wanted);
}

static void time_text(json_t *e, char out[32])
{
    double seconds = json_number_value(json_object_get(e, "time"));
    time_t t = (time_t)seconds;
    struct tm tm;
    out[0] = 0;
    if (localtime_r(&t, &tm))
        strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm);
}

/* A field's text with the octets of the wire made harmless. */
static char *field_text(json_t *e, const char *key)
{
    struct buf b = {0};
    const char *s = json_string_value(json_object_get(e, key));
    buf_add_escaped(&b, slice_str(s ? s : "-"));
    return buf_take(&b);
}

static void describe_refusal(json_t *e, const char *when, struct buf *out)
{
    char *client = field_text(e, "client"), *helo = field_text(e, "helo"),
         *command = field_text(e, "command"), *reply = field_text(e, "reply"),
         *rule = field_text(e, "rule"), *clause = field_text(e, "clause");
    buf_printf(out,
               "%s  refused to %s (named %s): %s\n                     answer: %s\n"
               "                     rule: %s; clause: %s\n",
               when, client, helo, command, reply, rule, clause);
    char *all[] = {client, helo, command, reply, rule, clause};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static char *describe(json_t *e)
{
    static const char *const left_out[] = {"time", "host", "role", "pid", "event"};
    struct buf out = {0};
    const char *name = json_string_value(json_object_get(e, "event")), *key;
    char when[32];
    json_t *value;
    time_text(e, when);
    if (strcmp(name, "smtpd.refused") == 0) {
        describe_refusal(e, when, &out);
        return buf_take(&out);
    }
    buf_printf(&out, "%s  %s", when, name);
    json_object_foreach(e, key, value) {
        bool skip = json_is_null(value);
        for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
            skip |= strcmp(key, left_out[i]) == 0;
        if (skip)
            continue;
        buf_printf(&out, "  %s=", key);
        if (json_is_string(value)) {
            buf_add_escaped(&out, slice_str(json_string_value(value)));
        } else {
            char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
            buf_add_str(&out, text ? text : "");
            free(text);
        }
    }
    buf_add_byte(&out, '\n');
    return buf_take(&out);
}

int explain_events(const struct config *c, const char *wanted)
{
    if (!c->event_log || strcmp(c->event_log, "-") == 0)
        return -1;
    FILE *f = fopen(c->event_log, "r");
    if (!f) {
        fprintf(stderr, "postroad: %s: %s\n", c->event_log, strerror(errno));
        return -1;
    }
    char *shown[EVENTS_SHOWN] = {0}, *line = NULL;
    size_t room = 0, found = 0;
    ssize_t n;
    while ((n = getline(&line, &room, f)) > 0) {
        json_t *e = json_loadb(line, (size_t)n, 0, NULL);
        const char *name = json_string_value(json_object_get(e, "event"));
        if (name && !is_detail(name) && concerns(e, wanted)) {
            char **slot = &shown[found++ % EVENTS_SHOWN];
            free(*slot);
            *slot = describe(e);
        }
        json_decref(e);
    }
    free(line);
    fclose(f);
    if (found > 0)
        printf("what happened (%s):\n", c->event_log);
    if (found > EVENTS_SHOWN)
        printf("... %zu older events\n", found - EVENTS_SHOWN);
    for (size_t i = found > EVENTS_SHOWN ? found - EVENTS_SHOWN : 0; i < found; i++)
        fputs(shown[i % EVENTS_SHOWN], stdout);
    for (size_t i = 0; i < EVENTS_SHOWN; i++)
        free(shown[i]);
    return (int)found;
}
