/* Who has guessed wrong waits, by address and by user, longer each time, and not for ever. */
#include "reference/auth/throttle.h"

#include <criterion/criterion.h>
#include <stdio.h>

static void guess(const char *peer, const char *user, int n, int64_t now)
{
    for (int i = 0; i < n; i++)
        throttle_refused(peer, user, now);
}

Test(throttle, by_address)
{
    char user[16];
    throttle_init(3);
    for (int i = 0; i < 2; i++) {
        snprintf(user, sizeof user, "u%d", i);
        throttle_refused("192.0.2.1", user, 1000);
    }
    cr_expect_eq(throttle_delay("192.0.2.1", "tom", 1000), 0);
    throttle_refused("192.0.2.1", "u9", 1000);
    cr_expect_eq(throttle_delay("192.0.2.1", "tom", 1000), THROTTLE_STEP_MS);
    throttle_refused("192.0.2.1", "u8", 1000);
    cr_expect_eq(throttle_delay("192.0.2.1", "tom", 1000), 2 * THROTTLE_STEP_MS);
    guess("192.0.2.1", "u7", 1000, 1000);
    cr_expect_eq(throttle_delay("192.0.2.1", "tom", 1000), THROTTLE_MAX_MS);
    cr_expect_eq(throttle_delay("192.0.2.2", "tom", 1000), 0, "another address is free");
    cr_expect_eq(throttle_delay("192.0.2.1", "tom", 1001 + THROTTLE_FORGET_MS), 0);
}

Test(throttle, by_user_from_many_addresses)
{
    char peer[32];
    throttle_init(3);
    for (int i = 0; i < 3 * THROTTLE_USER_FREE; i++) {
        snprintf(peer, sizeof peer, "192.0.2.%d", i);
        throttle_refused(peer, "Tom", 1000);
    }
    cr_expect_gt(throttle_delay("198.51.100.1", "tom", 1000), 0);
    cr_expect_eq(throttle_delay("198.51.100.1", "ann", 1000), 0);
}

Test(throttle, an_ipv6_network_is_one_client)
{
    throttle_init(3);
    throttle_refused("2001:db8::1", "a", 1000);
    throttle_refused("2001:db8::2", "b", 1000);
    throttle_refused("2001:db8:0:0:ffff::3", "c", 1000);
    cr_expect_gt(throttle_delay("2001:db8::4", "tom", 1000), 0);
    cr_expect_eq(throttle_delay("2001:db8:1::4", "tom", 1000), 0);
}

Test(throttle, switched_off)
{
    throttle_init(0);
    guess("192.0.2.1", "tom", 1000, 1000);
    cr_expect_eq(throttle_delay("192.0.2.1", "tom", 1000), 0);
}
