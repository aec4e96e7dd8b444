/* Content for servers that take less: what is encoded, what stays, what cannot be done. */
#include "reference/message/downgrade.h"

#include <criterion/criterion.h>

static int add(void *arg, const void *p, size_t n)
{
    buf_add(arg, p, n);
    return 0;
}

static void becomes(enum downgrade_to to, struct slice in, const char *want)
{
    struct buf out = {0};
    const char *why;
    enum downgrade_result r = message_downgrade(in, to, add, &out, &why);
    if (want) {
        cr_assert_eq(r, DOWNGRADE_OK, "impossible: %s", why);
        cr_assert_str_eq(buf_str(&out), want);
    } else {
        cr_assert_eq(r, DOWNGRADE_IMPOSSIBLE, "got %s", buf_str(&out));
        cr_assert_eq(out.len, 0);
        cr_assert(why);
    }
    buf_free(&out);
}

#define MIME "MIME-Version: 1.0\r\n"

Test(downgrade, text_becomes_quoted_printable)
{
    becomes(DOWNGRADE_TO_7BIT,
            SLICE(MIME "Content-Type: text/plain; charset=utf-8\r\n"
                  "Content-Transfer-Encoding: 8bit\r\nSubject: x\r\n\r\n"
                  "S\xc3\xbc" "den = 1 \r\n.\r\nend"),
            MIME "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\nSubject: x\r\n\r\n"
            "S=C3=BCden =3D 1=20\r\n.\r\nend");
    becomes(DOWNGRADE_TO_7BIT, SLICE(MIME "\r\n\xff"),
            MIME "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FF");
    /* 76 characters a line, "=" included; never inside "=XX". */
    becomes(DOWNGRADE_TO_7BIT,
            SLICE(MIME "\r\n" "0123456789012345678901234567890123456789012345678901234567890123456789"
                  "0123\xff" "45\r\n"),
            MIME "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            "01234567890123456789012345678901234567890123456789012345678901234567890123=\r\n"
            "=FF45\r\n");
}

Test(downgrade, other_things_become_base64)
{
    becomes(DOWNGRADE_TO_LINES,
            SLICE(MIME "Content-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n"
                  "\0\n\xff\r"),
            MIME "Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\nAAr/DQ==\r\n");
    becomes(DOWNGRADE_TO_7BIT, SLICE(MIME "Content-Type: image/x\r\n\r\n\xff\r\n"),
            MIME "Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n/w0K\r\n");
    /* Lines already: only the label is wrong. */
    becomes(DOWNGRADE_TO_LINES,
            SLICE(MIME "Content-Transfer-Encoding: binary\r\n\r\n\xff\r\n"),
            MIME "Content-Transfer-Encoding: 8bit\r\n\r\n\xff\r\n");
}

#define OUTER "Content-Type: multipart/mixed; (a) boundary=\"b 1\"\r\n"

Test(downgrade, parts_are_changed_one_by_one)
{
    becomes(DOWNGRADE_TO_7BIT,
            SLICE(MIME OUTER "Content-Transfer-Encoding: 8bit\r\n\r\n"
                  "pre\r\n--b 1\r\n\r\nplain\r\n--b 1 \r\nContent-Type: message/rfc822\r\n\r\n"
                  "Subject: in\r\nContent-Type: application/x\r\n\r\n\xff"
                  "\r\n--b 10\r\n--b 1--\r\npost"),
            MIME OUTER "Content-Transfer-Encoding: 7bit\r\n\r\n"
            "pre\r\n--b 1\r\n\r\nplain\r\n--b 1 \r\nContent-Type: message/rfc822\r\n"
            "Content-Transfer-Encoding: 7bit\r\n\r\n"
            "Subject: in\r\nContent-Type: application/x\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n/w0KLS1iIDEw\r\n"
            "\r\n--b 1--\r\npost");
}

Test(downgrade, what_cannot_be_done)
{
    becomes(DOWNGRADE_TO_7BIT, SLICE("Subject: x\r\n\r\n\xff"), NULL);
    becomes(DOWNGRADE_TO_7BIT, SLICE(MIME "Subject: \xff\r\n\r\nx"), NULL);
    becomes(DOWNGRADE_TO_7BIT, SLICE(MIME "Content-Transfer-Encoding: base64\r\n\r\n\xff"), NULL);
    becomes(DOWNGRADE_TO_7BIT, SLICE(MIME "Content-Type: multipart/signed; boundary=a\r\n\r\n"
                                     "--a\r\n\r\n\xff\r\n--a--\r\n"), NULL);
    becomes(DOWNGRADE_TO_7BIT, SLICE(MIME OUTER "\r\n\xff\r\n--b 1\r\n\r\nx\r\n--b 1--\r\n"), NULL);
    becomes(DOWNGRADE_TO_7BIT, SLICE(MIME OUTER "\r\nno part\xff"), NULL);
    becomes(DOWNGRADE_TO_7BIT, SLICE(MIME "Content-Type: message/partial\r\n\r\n\xff"), NULL);
}

Test(downgrade, ascii_stays_as_it_is)
{
    becomes(DOWNGRADE_TO_7BIT, SLICE(MIME "Subject: x\r\n\r\n=41 \r\n"), MIME "Subject: x\r\n\r\n=41 \r\n");
}
