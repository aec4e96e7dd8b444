#include "conformance/runner/version.h"

#include <criterion/criterion.h>

Test(version, ranges)
{
    const char *v = "Postfix 3.7.11, Dovecot 2.3.19.1 (9b53102964)";
    cr_assert(version_is_need("postfix>=3.5"));
    cr_assert_not(version_is_need("smtp:SIZE"));
    cr_assert_not(version_is_need("imap:AUTH=PLAIN"));
    cr_assert(version_agrees("postfix>=3.5", v));
    cr_assert(version_agrees("postfix>=3.7.11", v));
    cr_assert(version_agrees("postfix=3.7.11", v));
    cr_assert_not(version_agrees("postfix>3.7.11", v));
    cr_assert_not(version_agrees("postfix>=3.10", v));
    cr_assert(version_agrees("postfix<3.10", v));
    cr_assert(version_agrees("dovecot<=2.3.19.1", v));
    cr_assert_not(version_agrees("dovecot<2.3.19.1", v));
    cr_assert_not(version_agrees("dovecot<2.3", v));
    cr_assert(version_agrees("exim>=99", v), "another program");
    cr_assert(version_agrees("post>=99", v), "part of a name");
    cr_assert(version_agrees("postfix>=3.7", "postfix 3.7"));
    cr_assert_not(version_agrees("postfix>3.7.0", "postfix 3.7"));
    cr_assert(version_agrees("postfix>=99", "Postfix"), "no version is told");
}
