/* POP3 sessions of arbitrary bytes on a small mailbox: without a QUIT command nothing is removed. */
#include "reference/pop3d/pop3d.h"
#include "tests/fuzz/mail_folder.h"

static const char mailbox[] =
    "From a@b.test Tue Nov 24 08:07:54 2026\nSubject: 1\n\n.\n..\n>From x\nlast\n\n"
    "From a@b.test Tue Nov 24 08:07:55 2026\nSubject: 2\n\n\n"
    "From a@b.test Tue Nov 24 08:07:56 2026\nSubject: 3\n\nbody\n\n";

static enum auth_status verify(void *arg, const char *user, const char *password, const char *peer,
                               struct account *out)
{
    (void)arg, (void)peer;
    *out = (struct account){.uid = -1, .gid = -1};
    if (password[0] == 'x')
        return password[1] ? AUTH_TEMPFAIL : AUTH_NO;
    out->user = strdup(user[0] == '.' ? user : "tom");
    out->home = strdup("");
    return AUTH_OK;
}

static bool has_quit(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i + 4 <= size; i++) {
        if (slice_ieq_str(slice_of(data + i, 4), "quit"))
            return true;
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pop3_ctx ctx = {.config = folder_open()};
    struct buf out = {0}, now = {0};
    folder_put(mailbox, sizeof mailbox - 1);
    struct stream *io = stream_new_memory(slice_of(data, size), &out);
    pop3_session(io, &ctx, &(struct login_accounts){verify, NULL, NULL, NULL}, "192.0.2.1", 1);
    stream_close(io);
    char path[96];
    snprintf(path, sizeof path, "%s/tom", folder);
    if (buf_read_file(&now, path, 1 << 20) != 0)
        abort();
    if (!has_quit(data, size) && !slice_eq_str(buf_slice(&now), mailbox))
        abort();
    buf_free(&now);
    buf_free(&out);
    return 0;
}
