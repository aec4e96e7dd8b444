/* dialogue.h - IMAP dialogues over memory, on real mailboxes. */
#ifndef TESTS_UNIT_IMAPD_DIALOGUE_H
#define TESTS_UNIT_IMAPD_DIALOGUE_H

#include "reference/imapd/imapd.h"
#include "tests/unit/store/mailbox_world.h"

static inline enum auth_status dialogue_verify(void *arg, const char *user, const char *password,
                                               const char *peer, struct account *out)
{
    (void)arg, (void)peer;
    *out = (struct account){.uid = -1, .gid = -1};
    if (strcmp(user, "down") == 0)
        return AUTH_TEMPFAIL;
    if (strcmp(user, "tom") != 0 || strcmp(password, "a b ") != 0)
        return AUTH_NO;
    out->user = strdup("tom");
    out->home = strdup("");
    return AUTH_OK;
}

static inline void dialogue_begin(enum mailbox_format format)
{
    world_begin(format);
    world_config.errors = 20;
    world_config.timeout_imap = world_config.timeout_command = 1000;
    world_config.auth_imap_login_without_tls = true;
}

/* All that the server says to all that the client says, the greeting left out. */
static inline const char *answers_to(struct slice input)
{
    static struct buf out;
    struct imap_ctx ctx = {.config = &world_config};
    const char *greeting = "* OK [CAPABILITY ";
    buf_clear(&out);
    struct stream *io = stream_new_memory(input, &out);
    imap_session(io, &ctx, &(struct login_accounts){dialogue_verify, NULL, NULL, NULL}, "192.0.2.1", 1);
    stream_close(io);
    cr_assert(slice_starts(buf_slice(&out), slice_str(greeting)), "%s", buf_str(&out));
    return strchr(buf_str(&out), '\n') + 1;
}

#define LOGIN "l LOGIN tom \"a b \"\r\n"

/* The same after LOGIN, whose answer is left out. */
#define answers(text)                                                                              \
    (strchr(strstr(answers_to(SLICE(LOGIN text)), "l OK [CAPABILITY "), '\n') + 1)
#define golden(input, output) cr_assert_str_eq(answers(input), output)
#define stranger(input, output) cr_assert_str_eq(answers_to(SLICE(input)), output)

#endif
