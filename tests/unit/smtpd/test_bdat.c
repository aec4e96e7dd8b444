/* BDAT (RFC 3030): chunks, their order, their sizes, and what a failed one leaves. */
#include "tests/unit/smtpd/dialogue.h"

TestSuite(bdat, .init = world_begin, .fini = spool_clear);

static void expect_text(size_t i, const char *end)
{
    cr_assert(slice_ends(buf_slice(&spool.v[i].text), slice_str(end)), "got %s",
              buf_str(&spool.v[i].text));
}

Test(bdat, chunks_make_a_message)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT 14\r\nSubject: x\r\n\r\n", "250 2.0.0"),
                             STEP("BDAT 3\r\n.\r\n", "250 2.0.0"),
                             STEP("BDAT 5 last\r\n..\r\n\r", "554 5.6.0"), STEP("NOOP\r\n", "250")));
    spool_clear();
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT 14\r\nSubject: x\r\n\r\n", "250 2.0.0"),
                             STEP("BDAT 3\r\n.\r\n", "250"), STEP("BDAT 2\r\na\r", "250"),
                             STEP("BDAT 1\r\n\n", "250"), STEP("BDAT 0 LAST\r\n", "250 2.0.0"),
                             STEP("BDAT 0 LAST\r\n", "503"), STEP("QUIT\r\n", "221")));
    cr_assert_eq(spool_committed(), 1);
    expect_text(0, "\r\nSubject: x\r\n\r\n.\r\na\r\n");
}

Test(bdat, the_last_line_need_not_end)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT 17 LAST\r\nSubject: x\r\n\r\nabc", "250")));
    expect_text(0, "Subject: x\r\n\r\nabc");
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT 10 LAST\r\nSubject: x", "250")));
    expect_text(1, "\r\nSubject: x\r\n");
}

Test(bdat, out_of_order_is_refused_after_its_octets)
{
    dialogue(STRANGER, STEPS(
        STEP("BDAT 6\r\nQUIT\r\n", "503"), STEP("EHLO client.magedu.test\r\n", "250"),
        STEP("BDAT 6 LAST\r\nQUIT\r\n", "503 5.5.1"), STEP("MAIL FROM:<a@magedu.test>\r\n", "250"),
        STEP("BDAT 6 LAST\r\nQUIT\r\n", "554 5.5.1"), STEP("RCPT TO:<tom@hehuan.test>\r\n", "250"),
        STEP("BDAT 3\r\na\r\n", "250"), STEP("DATA\r\n", "503"), STEP("MAIL FROM:<>\r\n", "503"),
        STEP("RCPT TO:<tom@hehuan.test>\r\n", "503"), STEP("NOOP\r\n", "250"),
        STEP("RSET\r\n", "250"), STEP("BDAT 6 LAST\r\nQUIT\r\n", "503"), OPENING,
        STEP("BDAT 3 LAST\r\nb\r\n", "250")));
    cr_assert_eq(spool_committed(), 1);
    expect_text(1, "\r\nb\r\n");
}

Test(bdat, wrong_syntax)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT 6 FIRST\r\nQUIT\r\n", "501 5.5.4"),
                             STEP("NOOP\r\n", "250"), STEP("DATA\r\n", "503")));
    /* No size: nothing that follows can be told from content. */
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT LAST\r\nNOOP\r\n", "501 5.5.4")));
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT -1\r\n", "501")));
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT 99999999999999999999\r\n", "501")));
    cr_assert_eq(spool_committed(), 0);
}

Test(bdat, faults_are_told_at_the_chunk_and_the_rest_is_dropped)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT 4\r\na\nb\n", "554 5.6.0"),
                             STEP("BDAT 6 LAST\r\nQUIT\r\n", "503"), STEP("RSET\r\n", "250")));
    struct config c = memory_config();
    c.message_size = 10;
    dialogue_with(&c, STRANGER, SERVICE_SMTP,
                  STEPS(OPENING, STEP("BDAT 6\r\nabcd\r\n", "250"),
                        STEP("BDAT 6\r\nabcd\r\n", "552 5.3.4"),
                        STEP("BDAT 6 LAST\r\nQUIT\r\n", "503")));
    spool.fail_create = ENOSPC;
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT 6\r\nQUIT\r\n", "452 4.3.1"),
                             STEP("BDAT 6 LAST\r\nQUIT\r\n", "503")));
    cr_assert_eq(spool_committed(), 0);
}

#define BINARY \
    STEP("EHLO client.magedu.test\r\n", "250"), \
    STEP("MAIL FROM:<jerry@magedu.test> BODY=BINARYMIME\r\n", "250 2.1.0"), \
    STEP("RCPT TO:<tom@hehuan.test>\r\n", "250 2.1.5")

Test(bdat, binary_content_is_kept_to_the_octet)
{
    dialogue(STRANGER, STEPS(BINARY, STEP("DATA\r\n", "503 5.5.1"),
                             STEP("BDAT 12\r\nSubject: x\r\n", "250"),
                             STEP("BDAT 8 LAST\r\n\r\n\0\n\r.\xff\n", "250")));
    cr_assert_eq(spool_committed(), 1);
    struct slice end = SLICE("Subject: x\r\n\r\n\0\n\r.\xff\n");
    cr_assert(slice_ends(buf_slice(&spool.v[0].text), end));
    /* The header is text all the same. */
    dialogue(STRANGER, STEPS(BINARY, STEP("BDAT 6 LAST\r\na: b\n\n", "554 5.6.0")));
    cr_assert_eq(spool_committed(), 1);
}

Test(bdat, a_cut_off_chunk_leaves_nothing)
{
    dialogue(STRANGER, STEPS(OPENING, STEP("BDAT 100 LAST\r\nSubject: x\r\n", "")));
    cr_assert_eq(spool_committed(), 0);
}
