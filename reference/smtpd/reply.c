/* reply.c - replies, and the events that go with them. */
#include "base/event.h"
#include "reference/smtpd/session.h"

#include <stdarg.h>
#include <stdio.h>

/* RFC 5321 4.5.3.1.5: 512 octets with CRLF. */
enum { REPLY_MAX = 510 };

static void reply_line(struct session *s, int code, char mark, const char *enhanced,
                       struct slice text)
{
    char line[REPLY_MAX + 2];
    int n = snprintf(line, REPLY_MAX + 1, "%d%c%s%s%.*s", code, mark, enhanced ? enhanced : "",
                     enhanced ? " " : "", SLICE_ARG(text));
    size_t len = n > REPLY_MAX ? REPLY_MAX : (size_t)n;
    /* RFC 5321 2.4: replies are ASCII; an address that is not is shown as far as it goes. */
    for (size_t i = 0; i < len; i++)
        if (line[i] & 0x80)
            line[i] = '?';
    if (event_verbose())
        event("smtpd.reply", EV_INT("session", (int64_t)s->peer->session),
              EV_SLICE("line", slice_of(line, len)));
    memcpy(line + len, "\r\n", 2);
    stream_write(s->io, line, len + 2);
}

void smtpd_reply(struct session *s, int code, const char *enhanced, const char *fmt, ...)
{
    char text[REPLY_MAX + 1];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    reply_line(s, code, ' ', enhanced, slice_str(text));
}

void smtpd_reply_lines(struct session *s, int code, const char *enhanced, struct slice lines)
{
    struct slice line;
    while (slice_next(&lines, '\n', &line) && (lines.n > 0 || line.n > 0)) {
        bool last = lines.n == 0;
        reply_line(s, code, last ? ' ' : '-', enhanced, line);
        if (last)
            break;
    }
}

/* Replies to commands that could not be understood or came at the wrong time. */
static bool is_bad_command(int code) { return (code >= 500 && code <= 504) || code == 555; }

void smtpd_answer(struct session *s, const struct verdict *v)
{
    smtpd_reply(s, v->code, v->enhanced, "%s", v->text);
    if (verdict_accepts(v))
        return;
    if (is_bad_command(v->code))
        s->errors++;
    char text[sizeof v->text + 32];
    snprintf(text, sizeof text, "%d %s%s%s", v->code, v->enhanced ? v->enhanced : "",
             v->enhanced ? " " : "", v->text);
    event("smtpd.refused", EV_INT("session", (int64_t)s->peer->session),
          EV_STR("client", s->client), EV_STR("helo", s->helo),
          EV_STR("from", s->phase >= PHASE_MAIL ? s->envelope.reverse_path : NULL),
          EV_SLICE("command", buf_slice(&s->line)), EV_STR("reply", text), EV_STR("rule", v->rule),
          EV_STR("clause", v->clause));
}

void smtpd_refuse(struct session *s, int code, const char *enhanced, const char *rule,
            const char *clause, const char *fmt, ...)
{
    char text[sizeof ((struct verdict *)0)->text];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct verdict v;
    verdict_set(&v, code, enhanced, rule, clause, "%s", text);
    smtpd_answer(s, &v);
}

void smtpd_close_421(struct session *s, const char *enhanced, const char *rule, const char *text)
{
    /* RFC 5321 4.2.3: the name of the server comes first. */
    smtpd_refuse(s, 421, enhanced, rule, "RFC 5321 3.8", "%s %s", s->config->hostname, text);
    s->closing = true;
    s->end = rule;
}
