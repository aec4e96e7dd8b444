/* IMAP sessions of arbitrary bytes on a small mailbox; the first byte chooses who is logged in. */
#include "reference/imapd/imapd.h"
#include "reference/store/view.h"
#include "tests/fuzz/mail_folder.h"

#include <ftw.h>

static const char message[] =
    "From: Jerry <jerry@magedu.test>\nSubject: =?utf-8?q?h=C3=A9?= 1\nMIME-Version: 1.0\n"
    "Content-Type: multipart/mixed; boundary=b\n\n--b\n\ntext\n--b\nContent-Type: message/rfc822\n\n"
    "Subject: inner\n\ninner text\n--b\nContent-Transfer-Encoding: base64\n\nAGJj\n--b--\n";

static enum auth_status verify(void *arg, const char *user, const char *password, const char *peer,
                               struct account *out)
{
    (void)arg, (void)user, (void)password, (void)peer;
    *out = (struct account){.uid = -1, .gid = -1};
    out->user = strdup("tom");
    out->home = strdup("");
    return AUTH_OK;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind;
    return ftw->level > 0 ? remove(path) : 0;
}

static void put(const char *name, const char *text, size_t n)
{
    char path[200];
    snprintf(path, sizeof path, "%s/tom/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        abort();
    close(fd);
}

/* Every session finds the same mailboxes. */
static void set_up(void)
{
    static const char *folders[] = {"", "/cur", "/new", "/tmp"};
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; i < 4; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s/tom%s", folder, folders[i]);
        mkdir(path, 0700);
    }
    put("cur/1.a:2,S", message, sizeof message - 1);
    put("cur/2.b:2,", "Subject: two\n\nbody\n", 19);
    put("new/3.c", "\n", 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *c = (struct config *)(uintptr_t)folder_open();
    struct imap_ctx ctx = {.config = c};
    struct buf in = {0}, out = {0};
    c->mailbox_format = FORMAT_MAILDIR;
    c->auth_imap_login_without_tls = true;
    c->timeout_imap = 1000;
    set_up();
    if (size > 0 && data[0] % 4 != 0)
        buf_add_str(&in, "l LOGIN t p\r\ns SELECT INBOX\r\n");
    if (size > 0)
        buf_add(&in, data + 1, size - 1);
    struct stream *io = stream_new_memory(buf_slice(&in), &out);
    imap_session(io, &ctx, &(struct login_accounts){verify, NULL, NULL, NULL}, "192.0.2.1", 1);
    stream_close(io);
    store_account_forget_all();
    buf_free(&in);
    buf_free(&out);
    return 0;
}
