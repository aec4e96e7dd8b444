/* deliver.c - from the message at hand into a mailbox. */
#include "reference/mda/mda.h"
#include "reference/store/account.h"
#include "reference/store/store.h"

#include <errno.h>

static int give_to_append(void *append, const void *p, size_t n)
{
    return append_write(append, p, n);
}

int mda_deliver(const struct config *c, const struct account *a, const char *sender,
                struct incoming *message, struct buf *path)
{
    struct mailbox_place place;
    if (!mailbox_place_init(&place, c, a->user, a->uid, a->gid)) {
        errno = EINVAL;
        return -1;
    }
    struct buf field = {0};
    struct append *append = NULL;
    int result = -1;
    if (store_quota_room(c, a->user, a->home, a->uid, a->gid, (uint64_t)a->quota,
                         message->octets) == 0)
        append = append_begin(&place, sender);
    if (append) {
        /* RFC 5321 4.4: final delivery keeps the reverse-path at the top of the message. */
        buf_printf(&field, "Return-Path: <%s>\n", sender);
        if (append_write(append, field.data, field.len) == 0 &&
            spill_copy(&message->text, give_to_append, append) == 0) {
            result = append_commit(append, path);
        } else {
            int error = errno;
            append_abandon(append);
            errno = error;
        }
    }
    int error = errno;
    buf_free(&field);
    mailbox_place_free(&place);
    errno = error;
    return result;
}
