/* dialogue.h - golden dialogues: what the client sends, how each reply must begin. */
#ifndef TESTS_DIALOGUE_H
#define TESTS_DIALOGUE_H

#include "tests/unit/smtpd/memory_world.h"

#include <criterion/criterion.h>

/* A step: octets to send (NULs allowed), and the replies that must begin so, several separated by
 * "|"; "" when there must be none. */
struct step {
    struct slice send;
    const char *want;
};

#define STEP(send_, want_) {SLICE(send_), want_}
#define STEPS(...) (const struct step[]){__VA_ARGS__, {{0}, NULL}}

/* RFC 5321 4.5.3.1.5, 4.2; RFC 2034 4: the shape of every reply line after the greeting. */
static inline void check_reply_line(struct slice line, bool hello)
{
    cr_assert_leq(line.n, 510, "reply line of %zu octets", line.n);
    cr_assert_geq(line.n, 4);
    cr_assert(line.p[3] == ' ' || line.p[3] == '-');
    for (size_t i = 0; i < line.n; i++)
        cr_assert(line.p[i] >= 32 && line.p[i] <= 126, "octet %d in a reply", line.p[i]);
    if (hello || line.p[0] == '3')
        return;
    cr_assert(line.n > 9 && line.p[4] == line.p[0] && line.p[5] == '.',
              "no fitting enhanced code: %.*s", SLICE_ARG(line));
}

/* Cuts one reply, of one or more lines, off *rest; gives its last line. */
static inline struct slice next_reply(struct slice *rest, bool *hello)
{
    for (;;) {
        ptrdiff_t end = slice_find(*rest, SLICE("\r\n"));
        cr_assert_geq(end, 0, "the server said no more, or an unfinished line");
        struct slice line = slice_sub(*rest, 0, (size_t)end);
        *rest = slice_sub(*rest, (size_t)end + 2, rest->n);
        check_reply_line(line, *hello);
        if (line.p[3] == ' ')
            return line;
    }
}

static inline void check_steps(const struct step *steps, struct slice output)
{
    bool hello = true;
    struct slice greeting = next_reply(&output, &hello);
    cr_assert(slice_starts(greeting, SLICE("220 mail.hehuan.test ")));
    for (const struct step *step = steps; step->want != NULL; step++) {
        struct slice wants = slice_str(step->want), want;
        while (wants.n > 0 && slice_next(&wants, '|', &want)) {
            hello = slice_istarts(step->send, SLICE("EHLO")) ||
                    slice_istarts(step->send, SLICE("HELO"));
            hello = hello && want.p[0] == '2';
            cr_assert(output.n > 0, "no reply to %.*s, wanted %.*s", SLICE_ARG(step->send),
                      SLICE_ARG(want));
            struct slice got = next_reply(&output, &hello);
            cr_assert(slice_starts(got, want), "to %.*s: got %.*s, wanted %.*s",
                      SLICE_ARG(step->send), SLICE_ARG(got), SLICE_ARG(want));
        }
    }
    cr_assert_eq(output.n, 0, "more was said: %.*s", SLICE_ARG(output));
}

/* Sends all steps in one go (pipelined) and checks the replies. The spool stays for the caller,
 * who clears it. */
static inline void dialogue_with(const struct config *c, const char *client,
                                 enum service_kind service, const struct step *steps)
{
    struct buf input = {0}, output = {0};
    for (const struct step *step = steps; step->want != NULL; step++)
        buf_add_slice(&input, step->send);
    memory_session(c, memory_peer(client, service), buf_slice(&input), &output);
    check_steps(steps, buf_slice(&output));
    buf_free(&input);
    buf_free(&output);
}

static inline void dialogue(const char *client, const struct step *steps)
{
    const struct config c = memory_config();
    dialogue_with(&c, client, SERVICE_SMTP, steps);
}

#define STRANGER "198.51.100.7"
#define TRUSTED "192.0.2.7"

/* To the point where a message can be sent. */
#define OPENING \
    STEP("EHLO client.magedu.test\r\n", "250"), \
    STEP("MAIL FROM:<jerry@magedu.test>\r\n", "250 2.1.0"), \
    STEP("RCPT TO:<tom@hehuan.test>\r\n", "250 2.1.5")

#endif
