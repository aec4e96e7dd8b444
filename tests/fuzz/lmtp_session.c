/* LMTP sessions of arbitrary bytes. What reaches a mailbox has LF line ends, no NUL, and its header
 * no Return-Path. */
#include "reference/mda/mda.h"
#include "tests/fuzz/mail_folder.h"

static enum auth_status lookup(void *arg, const char *address, struct account *out)
{
    (void)arg;
    *out = (struct account){.uid = -1, .gid = -1};
    if (address[0] == 'x')
        return AUTH_NO;
    if (address[0] == 'y')
        return AUTH_TEMPFAIL;
    out->user = strdup(address[0] == 't' ? "tom" : address);
    out->home = strdup("");
    return address[0] == 'z' ? AUTH_ALIAS : AUTH_OK;
}

static int take(void *out, const void *p, size_t n)
{
    buf_add(out, p, n);
    return 0;
}

static int deliver(const struct config *c, const struct account *a, const char *sender,
                   struct incoming *message, struct buf *path)
{
    struct buf text = {0};
    struct slice rest, line;
    (void)c, (void)path;
    if (!store_user_valid(slice_str(a->user)) || strlen(sender) > 256)
        abort();
    if (spill_copy(&message->text, take, &text) != 0)
        abort();
    rest = buf_slice(&text);
    if (slice_index(rest, '\r') >= 0 || slice_index(rest, '\0') >= 0)
        abort();
    struct header_scan scan = {0};
    while (slice_next(&rest, '\n', &line) && header_scan_line(&scan, line) == HEADER_FIELD) {
        if (slice_istarts(line, SLICE("Return-Path:")))
            abort();
    }
    buf_free(&text);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mda_ctx ctx = {.config = folder_open(), .deliver = deliver};
    struct buf out = {0};
    struct stream *io = stream_new_memory(slice_of(data, size), &out);
    mda_session(io, &ctx, &(struct mda_accounts){lookup, NULL}, 1);
    stream_close(io);
    if (!slice_starts(buf_slice(&out), SLICE("220 ")))
        abort();
    buf_free(&out);
    return 0;
}
