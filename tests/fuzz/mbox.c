/* mbox files of arbitrary bytes: every message has the size that was told, identifiers are unique,
 * removing some leaves exactly the others; and a message of arbitrary bytes comes out of a delivery
 * as it went in. */
#include "tests/fuzz/mail_folder.h"

static void text_of(struct mailbox *m, size_t i, struct buf *out)
{
    struct line_piece p;
    int more;
    buf_clear(out);
    struct message_reader *r = mailbox_read(m, i);
    if (!r)
        abort();
    while ((more = message_line(r, &p)) == 1) {
        buf_add_slice(out, p.text);
        if (p.ends)
            buf_add_str(out, "\r\n");
    }
    if (more != 0 || (int64_t)out->len != mailbox_message(m, i).size)
        abort();
    message_reader_free(r);
}

static void read_all(struct mailbox *m)
{
    struct buf text = {0};
    for (size_t i = 0; i < mailbox_count(m); i++) {
        text_of(m, i, &text);
        if (strlen(mailbox_message(m, i).uid) > STORE_UID_MAX)
            abort();
        for (size_t j = 0; j < i && j < 50; j++) {
            if (strcmp(mailbox_message(m, i).uid, mailbox_message(m, j).uid) == 0)
                abort();
        }
    }
    buf_free(&text);
}

/* Removes a third of the messages; the digests of the others stay, in their order. */
static void remove_some(const struct mailbox_place *place, struct mailbox *m)
{
    size_t n = mailbox_count(m), kept = 0;
    bool *doomed = calloc(n + 1, sizeof *doomed);
    for (size_t i = 0; i < n; i++)
        doomed[i] = i % 3 == n % 2;
    if (mailbox_expunge(m, doomed) != 0)
        abort();
    struct mailbox *after = mailbox_open(place, false);
    if (!after)
        abort();
    for (size_t i = 0; i < n; i++) {
        if (doomed[i])
            continue;
        if (kept >= mailbox_count(after) || strncmp(mailbox_message(after, kept).uid,
                                                    mailbox_message(m, i).uid, 32) != 0)
            abort();
        kept++;
    }
    if (kept != mailbox_count(after))
        abort();
    free(doomed);
    mailbox_close(after);
}

/* As the delivery agent gives messages to the store: without CR. */
static void deliver_and_read(const struct mailbox_place *place, const uint8_t *data, size_t size)
{
    struct buf in = {0}, want = {0}, got = {0};
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\r')
            continue;
        buf_add_byte(&in, (char)data[i]);
        if (data[i] == '\n')
            buf_add_byte(&want, '\r');
        buf_add_byte(&want, (char)data[i]);
    }
    if (want.len == 0 || want.data[want.len - 1] != '\n')
        buf_add_str(&want, "\r\n");
    folder_put("", 0);
    for (int copies = 0; copies < 2; copies++) {
        struct append *a = append_begin(place, "");
        size_t half = in.len / 2;
        const char *text = buf_str(&in);
        if (!a || append_write(a, text, half) || append_write(a, text + half, in.len - half) ||
            append_commit(a, NULL))
            abort();
    }
    struct mailbox *m = mailbox_open(place, false);
    if (!m || mailbox_count(m) != 2)
        abort();
    for (size_t i = 0; i < 2 && in.len > 0; i++) {
        text_of(m, i, &got);
        if (!slice_eq(buf_slice(&got), buf_slice(&want)))
            abort();
    }
    mailbox_close(m);
    buf_free(&in), buf_free(&want), buf_free(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mailbox_place place;
    mailbox_place_init(&place, folder_open(), "tom", -1, -1);
    folder_put(data, size);
    struct mailbox *m = mailbox_open(&place, true);
    if (m) {
        read_all(m);
        remove_some(&place, m);
    }
    mailbox_close(m);
    if (size > 0 && slice_index(slice_of(data, size), '\0') < 0)
        deliver_and_read(&place, data, size);
    mailbox_place_free(&place);
    return 0;
}
