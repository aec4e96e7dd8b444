/* milter_wire.c - reading and writing the packets. */
#include "reference/filter/milter_wire.h"

#include "base/net.h"

#include <arpa/inet.h>
#include <stdio.h>

void milter_send(struct stream *io, enum milter_command command, struct slice data)
{
    const uint32_t length = htonl((uint32_t)data.n + 1);
    const char c = (char)command;
    stream_write(io, &length, sizeof length);
    stream_write(io, &c, 1);
    stream_write(io, data.p, data.n);
}

enum io milter_read(struct stream *io, unsigned char *answer, struct buf *data)
{
    uint32_t length;
    buf_clear(data);
    enum io r = stream_read_exact(io, &length, sizeof length);
    if (r != IO_OK)
        return r;
    length = ntohl(length);
    if (length == 0 || length > MILTER_PACKET_MAX)
        return IO_TOO_LONG;
    r = stream_read_exact(io, answer, 1);
    buf_reserve(data, length);
    if (r == IO_OK && length > 1)
        r = stream_read_exact(io, data->data, length - 1);
    if (r == IO_OK)
        data->len = length - 1;
    return r;
}

void milter_add_text(struct buf *b, const char *text)
{
    buf_add_str(b, text ? text : "");
    buf_add_byte(b, '\0');
}

bool milter_next_text(struct slice *rest, struct slice *text)
{
    ptrdiff_t end = slice_index(*rest, '\0');
    if (end < 0)
        return false;
    *text = slice_sub(*rest, 0, (size_t)end);
    *rest = slice_sub(*rest, (size_t)end + 1, rest->n);
    return true;
}

bool milter_next_number(struct slice *rest, uint32_t *number)
{
    if (rest->n < sizeof *number)
        return false;
    memcpy(number, rest->p, sizeof *number);
    *number = ntohl(*number);
    *rest = slice_sub(*rest, sizeof *number, rest->n);
    return true;
}

/* --- macros ----------------------------------------------------------------------------------- */

static void macro(struct buf *b, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    milter_add_text(b, name);
    milter_add_text(b, value);
}

static void connect_macros(struct buf *b, const struct filter_facts *f)
{
    char host[64], port[16];
    macro(b, "j", f->config->hostname);
    macro(b, "{daemon_name}", f->service);
    netaddr_host(f->local, host);
    macro(b, "{if_addr}", host);
    macro(b, "{if_name}", f->config->hostname);
    macro(b, "v", "Postroad");
    netaddr_host(f->client, host);
    macro(b, "{client_addr}", host);
    snprintf(port, sizeof port, "%u", netaddr_port(f->client));
    macro(b, "{client_port}", port);
    macro(b, "{client_name}", f->client_name ? f->client_name : "unknown");
    macro(b, "{client_resolve}", f->client_name ? "OK" : "FAIL");
}

static void address_macros(struct buf *b, const char *prefix, const char *address)
{
    char name[32];
    const char *at = address ? strrchr(address, '@') : NULL;
    snprintf(name, sizeof name, "{%s_addr}", prefix);
    macro(b, name, address);
    snprintf(name, sizeof name, "{%s_host}", prefix);
    macro(b, name, at ? at + 1 : NULL);
    snprintf(name, sizeof name, "{%s_mailer}", prefix);
    macro(b, name, at ? "smtp" : "local");
}

void milter_add_macros(struct buf *b, enum milter_command step, const struct milter_macros *m)
{
    char bits[16];
    const struct filter_facts *f = m->facts;
    buf_add_byte(b, (char)step);
    switch (step) {
    case SMFIC_CONNECT:
        connect_macros(b, f);
        break;
    case SMFIC_HELO:
        snprintf(bits, sizeof bits, "%d", f->cipher_bits);
        macro(b, "{tls_version}", f->tls_version);
        macro(b, "{cipher}", f->cipher);
        macro(b, "{cipher_bits}", f->cipher ? bits : NULL);
        break;
    case SMFIC_MAIL:
        macro(b, "i", m->id);
        macro(b, "{auth_type}", f->mechanism);
        macro(b, "{auth_authen}", f->user);
        address_macros(b, "mail", m->from);
        break;
    case SMFIC_RCPT:
        address_macros(b, "rcpt", m->to);
        break;
    default:
        macro(b, "i", m->id);
    }
}

/* --- changes ---------------------------------------------------------------------------------- */

static bool take_field(unsigned char answer, struct slice data, struct filter_changes *changes)
{
    struct slice name, value;
    uint32_t index = 0;
    enum change_kind kind = answer == SMFIR_ADDHEADER   ? CHANGE_ADD
                            : answer == SMFIR_INSHEADER ? CHANGE_INSERT
                                                        : CHANGE_SET;
    return (kind == CHANGE_ADD || milter_next_number(&data, &index)) &&
           milter_next_text(&data, &name) && milter_next_text(&data, &value) &&
           changes_add(changes, kind, index, name, value);
}

static bool take_address(enum change_kind kind, struct slice data, struct filter_changes *changes)
{
    struct slice address;          /* ESMTP parameters that may follow are for other MTAs */
    return milter_next_text(&data, &address) &&
           changes_add(changes, kind, 0, (struct slice){0}, address);
}

static bool take_body(struct slice data, struct filter_changes *changes)
{
    changes->body_replaced = true;
    return changes_add_text(changes, data);
}

bool milter_take_change(unsigned char answer, struct slice data, uint32_t actions,
                        struct filter_changes *changes)
{
    switch (answer) {
    case SMFIR_ADDHEADER:
    case SMFIR_INSHEADER:
        return (actions & SMFIF_ADDHDRS) && take_field(answer, data, changes);
    case SMFIR_CHGHEADER:
        return (actions & SMFIF_CHGHDRS) && take_field(answer, data, changes);
    case SMFIR_REPLBODY:
        return (actions & SMFIF_CHGBODY) && take_body(data, changes);
    case SMFIR_CHGFROM:
        return (actions & SMFIF_CHGFROM) && take_address(CHANGE_FROM, data, changes);
    case SMFIR_ADDRCPT:
        return (actions & SMFIF_ADDRCPT) && take_address(CHANGE_ADD_RCPT, data, changes);
    case SMFIR_ADDRCPT_PAR:
        return (actions & SMFIF_ADDRCPT_PAR) && take_address(CHANGE_ADD_RCPT, data, changes);
    case SMFIR_DELRCPT:
        return (actions & SMFIF_DELRCPT) && take_address(CHANGE_DELETE_RCPT, data, changes);
    default:
        return false;
    }
}

/* --- refusals --------------------------------------------------------------------------------- */

/* "550 5.7.1 text": the enhanced code may be missing. Several lines become one. */
static bool take_reply(struct slice data, struct filter_result *out)
{
    struct slice text, line;
    static const char *const plain[] = {"4.7.1", "5.7.1"};
    static _Thread_local char enhanced[16];
    uint64_t code;
    if (!milter_next_text(&data, &text) || !slice_next(&text, '\n', &line) || line.n < 4 ||
        !slice_number(slice_sub(line, 0, 3), 599, &code) || code < 400)
        return false;
    line = slice_trim(slice_sub(line, 4, line.n));
    struct slice rest = line, word;
    snprintf(enhanced, sizeof enhanced, "%s", plain[code / 100 - 4]);
    if (slice_word(&rest, &word) && word.n < sizeof enhanced && word.n >= 5 &&
        word.p[0] == (char)('0' + code / 100) && word.p[1] == '.') {
        snprintf(enhanced, sizeof enhanced, "%.*s", SLICE_ARG(word));
        line = slice_trim(rest);
    }
    verdict_set(&out->verdict, (int)code, enhanced, "milter", "RFC 5321 7.8", "%.*s",
                SLICE_ARG(line));
    for (char *p = out->verdict.text; *p; p++) {       /* RFC 5321 4.2: printable */
        if (*p < 32 || *p > 126)
            *p = '?';
    }
    return true;
}

bool milter_take_refusal(const char *filter, unsigned char answer, struct slice data,
                         struct filter_result *out)
{
    out->action = FILTER_REFUSE;
    if (answer == SMFIR_REPLYCODE)
        return take_reply(data, out);
    if (answer == SMFIR_REJECT)
        verdict_set(&out->verdict, 550, "5.7.1", "milter", "RFC 5321 7.8", "refused by %s", filter);
    else
        verdict_set(&out->verdict, 451, "4.7.1", "milter", "RFC 5321 7.8",
                    "%s asks you to try later", filter);
    return true;
}
