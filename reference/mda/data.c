/* data.c - the end of a message: into the mailboxes, and a reply for each recipient (RFC 2033 4.2). */
#include "base/event.h"
#include "base/timing.h"
#include "reference/mda/program.h"
#include "reference/mda/session.h"
#include "reference/store/account.h"
#include "reference/store/store.h"

#include <errno.h>

/* Bound on one message that never comes to its end. */
#define DATA_TIME_MAX_MS (3600 * 1000LL)

static const char *failure_text(int error)
{
    switch (error) {
    case EAGAIN: return "450 4.2.0 the mailbox is in use, try later";
    case ENOSPC: return "452 4.3.1 no room on the disk, try later";
    case EDQUOT:
    case EFBIG: return "452 4.2.2 no room in the mailbox, try later";
    case EMSGSIZE: return "552 5.2.2 the message is larger than all mail of the user may be";
    case EBADMSG: return "451 4.2.0 the mailbox is damaged or not of this format";
    default: return "451 4.3.0 the mailbox cannot be written, try later";
    }
}

/* A program in the place of the mailbox (program.h). */
static void deliver_by_program(struct session *s, const struct to *to, struct incoming *message)
{
    const char *id = message->id[0] ? message->id : NULL;
    struct command_result result;
    if (to->what == TO_ALIAS)
        mda_run_alias(s->config, &to->account, s->sender, to->address, message, &result);
    else if (to->what == TO_FORWARD)
        mda_run_forward(s->config, &to->account, s->sender, to->address, message, &result);
    else
        mda_run_program(s->config, &to->account, s->sender, to->address, message, &result);
    event(result.delivered ? "mda.delivered" : "mda.failed", EV_INT("session", s->number),
          EV_STR("id", id), EV_STR("user", to->account.user), EV_STR("to", to->address),
          EV_STR("path", to->what == TO_MAILBOX ? s->config->mailbox_program : "commands"),
          EV_STR("reply", result.text));
    mda_reply(s, "%d %s %s", result.delivered ? 250 : result.temporary ? 451 : 554, result.status,
          result.text);
    stream_flush(s->io);
}

static void refuse(struct session *s, const struct to *to, const struct incoming *message, int error)
{
    const char *text = failure_text(error);
    event("mda.failed", EV_INT("session", s->number),
          EV_STR("id", message->id[0] ? message->id : NULL), EV_STR("user", to->account.user),
          EV_STR("to", to->address), EV_STR("reply", text), EV_STR("error", strerror(error)));
    mda_reply(s, "%s", text);
    stream_flush(s->io);
}

/* mda_deliver looks for room itself; a program knows nothing of the account's limit. */
static bool program_has_room(struct session *s, const struct to *to, const struct incoming *message)
{
    const struct account *a = &to->account;
    return to->what != TO_MAILBOX || a->quota <= 0 ||
           store_quota_room(s->config, a->user, a->home, a->uid, a->gid, (uint64_t)a->quota,
                            message->octets) == 0;
}

static void deliver_to(struct session *s, const struct to *to, struct incoming *message)
{
    struct buf path = {0};
    const char *id = message->id[0] ? message->id : NULL;
    if (to->what != TO_MAILBOX || s->config->mailbox_program) {
        if (program_has_room(s, to, message))
            deliver_by_program(s, to, message);
        else
            refuse(s, to, message, errno);
        return;
    }
    if (s->ctx->deliver(s->config, &to->account, s->sender, message, &path) == 0) {
        event("mda.delivered", EV_INT("session", s->number), EV_STR("id", id),
              EV_STR("user", to->account.user), EV_STR("to", to->address),
              EV_STR("path", buf_str(&path)), EV_INT("size", (int64_t)message->octets),
              EV_STR("format", mailbox_format_name(s->config->mailbox_format)));
        s->errors = 0;
        mda_reply(s, "250 2.0.0 <%s> delivered", to->address);
    } else {
        refuse(s, to, message, errno);
    }
    buf_free(&path);
    /* RFC 2033 5: each reply as soon as it is known. */
    stream_flush(s->io);
}

/* To the end of the message. IO_OK, or what happened to the connection. */
static enum io read_message(struct session *s, struct incoming *message)
{
    struct slice bytes;
    enum io r;
    stream_set_deadline(s->io, mono_ms() + DATA_TIME_MAX_MS);
    while ((r = stream_peek(s->io, &bytes)) == IO_OK) {
        stream_consume(s->io, incoming_feed(message, bytes));
        if (message->reader.state == DATA_END)
            break;
    }
    stream_set_deadline(s->io, 0);
    return r;
}

void mda_run_data(struct session *s, struct slice argument)
{
    (void)argument;
    if (s->to_count == 0) {    /* RFC 2033 4.2 */
        mda_reply(s, "503 5.5.1 no recipient was accepted");
        return;
    }
    struct incoming message;
    incoming_init(&message, s->config->mail_dir, mda_size_max(s));
    mda_reply(s, "354 send the message, end it with a line of one dot");
    enum io r = read_message(s, &message);
    if (r == IO_OK) {
        const char *refusal = incoming_refusal(&message);
        /* RFC 2033 4.2: one reply for each successful RCPT, in their order. */
        for (size_t i = 0; i < s->to_count; i++) {
            if (refusal)
                mda_reply(s, "%s", refusal);
            else
                deliver_to(s, &s->to[i], &message);
        }
    } else {
        s->closing = true;     /* RFC 5321 4.1.1.10: as if nothing had been sent */
        if (r == IO_TIMEOUT)
            mda_reply(s, "421 4.4.2 time-out inside the message, closing");
    }
    incoming_free(&message);
    mda_reset(s);
}

