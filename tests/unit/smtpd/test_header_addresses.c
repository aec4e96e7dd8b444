/* Addresses in a submitted header: which name of a domain is not whole. */
#include "reference/smtpd/header_addresses.h"

#include <criterion/criterion.h>

static void check(const char *header, const char *wrong)
{
    struct header_addresses h = {0};
    struct slice rest = slice_str(header), line;
    while (slice_next(&rest, '\n', &line))
        header_addresses_line(&h, line);
    header_addresses_end(&h);
    cr_expect_eq(h.wrong != NULL, wrong != NULL, "%s", header);
    if (h.wrong && wrong)
        cr_expect_str_eq(h.wrong, wrong);
    header_addresses_free(&h);
}

Test(header_addresses, whole_and_short_names)
{
    check("", NULL);
    check("From: jerry@magedu.test\nTo: a@b.c, \"x, y@z\" <tom@hehuan.test>", NULL);
    check("From: jerry@magedu", "jerry@magedu");
    check("Subject: tom@hehuan\nX-To: tom@hehuan", NULL);
    check("To: a@b.test,\n\t<tom@hehuan>\nSubject: x", "tom@hehuan");
    check("RESENT-CC : friends: ann@b.test, tom@hehuan;", "tom@hehuan");
    check("To: undisclosed-recipients:;\nCc: tom\nBcc:", NULL);
    check("From: tom@[192.0.2.1]", NULL);
    check("Sender: (a@b) tom (c) @ (d) hehuan", "tom@hehuan");
    check(" folded@nothing\nFrom:\n\n", NULL);
    check("From: \"never ended@x\nTo: <", NULL);
}

Test(header_addresses, a_field_without_end)
{
    struct header_addresses h = {0};
    header_addresses_line(&h, SLICE("To: a@b.test,"));
    for (int i = 0; i < 100000; i++)
        header_addresses_line(&h, SLICE(" somebody@hehuan.test,"));
    cr_expect_lt(h.field.len, (size_t)300000);
    header_addresses_end(&h);
    cr_expect_null(h.wrong);
    header_addresses_free(&h);
}
