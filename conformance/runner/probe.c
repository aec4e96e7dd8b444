#include "conformance/runner/probe.h"

#include "base/mem.h"
#include "conformance/runner/match.h"

#include <stdlib.h>
#include <unistd.h>

enum { PROBE_MS = 3000 };

static struct stream *open_service(struct world_up *w, const char *name, int usual_port)
{
    const struct target_service *s = target_service(w->target, name);
    struct netaddr to;
    const char *address = s && s->address ? s->address : w->target->address;
    if (!netaddr_parse(&to, slice_str(address), (uint16_t)(s ? s->port : usual_port)))
        return NULL;
    int fd = world_connect(w, &to, NULL, PROBE_MS);
    if (fd < 0)
        return NULL;
    struct stream *stream = stream_new_fd(fd);
    stream_set_timeout(stream, PROBE_MS);
    return stream;
}

/* Is the keyword in the answer to EHLO? */
static bool ehlo_offers(struct world_up *w, const char *service, int port, const char *keyword)
{
    struct stream *s = open_service(w, service, port);
    struct reply r = {0};
    bool found = false;
    if (s) {
        answer_read(s, PROTO_SMTP, false, &r);
        answer_free(&r);
        stream_puts(s, "EHLO probe.magedu.test\r\n");
        answer_read(s, PROTO_SMTP, false, &r);
        for (size_t i = 1; i < r.count && !r.fault; i++) {
            struct slice rest = slice_sub(buf_slice(&r.lines[i]), 4, r.lines[i].len), word;
            found |= slice_word(&rest, &word) && slice_ieq_str(word, keyword);
        }
    }
    answer_free(&r);
    stream_close(s);
    return found;
}

/* Is the capability among the lines of CAPA? */
static bool capa_offers(struct world_up *w, const char *keyword)
{
    struct stream *s = open_service(w, "pop3", 110);
    struct reply r = {0};
    bool found = false;
    if (s) {
        answer_read(s, PROTO_POP3, false, &r);
        answer_free(&r);
        stream_puts(s, "CAPA\r\n");
        answer_read(s, PROTO_POP3, true, &r);
        for (size_t i = 1; i < r.count && !r.fault; i++) {
            struct slice rest = buf_slice(&r.lines[i]), word;
            found |= slice_word(&rest, &word) && slice_ieq_str(word, keyword);
        }
    }
    answer_free(&r);
    stream_close(s);
    return found;
}

static bool service_there(struct world_up *w, const char *name, int port)
{
    struct stream *s = open_service(w, name, port);
    bool there = s != NULL;
    stream_close(s);
    return there;
}

bool need_is_probed(const char *need)
{
    need += *need == '!';
    return strncmp(need, "ehlo:", 5) == 0 || strncmp(need, "capa:", 5) == 0;
}

bool probe_needs(struct world_up *w, const struct scenario *s, struct buf *reason)
{
    for (size_t i = 0; i < s->needs.n; i++) {
        const char *need = s->needs.v[i];
        bool absent = *need == '!';
        const char *name = need + absent, *keyword = strchr(name, ':');
        bool declared = absent && (strncmp(name, "smtp:", 5) == 0 || strncmp(name, "submission:", 11) == 0);
        if (!need_is_probed(need) && !declared)
            continue;
        keyword++;
        bool submission = *name == 's' && name[1] == 'u';
        bool there = strncmp(name, "capa:", 5) == 0 ? capa_offers(w, keyword)
                   : ehlo_offers(w, submission ? "submission" : "smtp", submission ? 587 : 25, keyword);
        if (there == absent) {
            buf_printf(reason, "%s %s %s", *name == 'c' ? "CAPA" : "EHLO",
                       there ? "offers" : "does not offer", keyword);
            return false;
        }
    }
    return true;
}

enum verdict probe_confirm(struct world_up *w, const struct scenario *s, struct buf *reason)
{
    static const struct { const char *need; int port; } services[] = {
        {"smtp", 25}, {"submission", 587}, {"submissions", 465}, {"lmtp", 24}, {"pop3", 110},
        {"pop3s", 995}, {"imap", 143}, {"imaps", 993}};
    for (size_t i = 0; i < s->needs.n; i++) {
        const char *need = s->needs.v[i];
        bool probed = false, there = false;
        if (!target_lacks(w->target, s->profile, need))
            continue;
        for (size_t k = 0; k < sizeof services / sizeof *services; k++)
            if (strcmp(need, services[k].need) == 0) {
                probed = true;
                there = service_there(w, need, services[k].port);
            }
        if (strncmp(need, "smtp:", 5) == 0 || strncmp(need, "submission:", 11) == 0) {
            bool smtp = need[1] == 'm';
            probed = true;
            there = ehlo_offers(w, smtp ? "smtp" : "submission", smtp ? 25 : 587,
                                strchr(need, ':') + 1);
        }
        if (there) {
            buf_printf(reason, ", but a probe finds it: target.conf is wrong about %s", need);
            return V_ERROR;
        }
        buf_add_str(reason, probed ? ", and a probe confirms it" : " (there is no probe for it)");
        break;
    }
    return V_UNSUPPORTED;
}
