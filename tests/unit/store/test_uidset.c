/* Sets of numbers as ranges. */
#include "base/mem.h"
#include "reference/store/uidset.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static void expect(const struct uid_set *s, const char *text)
{
    struct buf b = {0};
    uid_set_text(s, &b);
    cr_assert_str_eq(buf_str(&b), text);
    buf_free(&b);
}

Test(uidset, ranges_join)
{
    struct uid_set s = {0};
    expect(&s, "");
    uid_set_add(&s, 5, 5);
    uid_set_add(&s, 9, 7);
    expect(&s, "5,7:9");
    uid_set_add(&s, 6, 6);
    expect(&s, "5:9");
    uid_set_add(&s, 1, 2);
    uid_set_add(&s, 20, 30);
    uid_set_add(&s, 0, 0);
    expect(&s, "1:2,5:9,20:30");
    cr_assert_eq(uid_set_count(&s), 18);
    cr_assert_eq(uid_set_at(&s, 2), 5);
    cr_assert_eq(uid_set_at(&s, 17), 30);
    cr_assert_eq(uid_set_at(&s, 18), 0);
    uid_set_add(&s, 3, 25);
    expect(&s, "1:30");
    uid_set_add(&s, UINT32_MAX, 40);
    uid_set_add(&s, UINT32_MAX, UINT32_MAX);
    expect(&s, "1:30,40:4294967295");
    cr_assert(uid_set_has(&s, 30) && !uid_set_has(&s, 31) && uid_set_has(&s, UINT32_MAX));
    uid_set_free(&s);
}

Test(uidset, pushed_in_any_order)
{
    struct uid_set s = {0};
    uid_set_push(&s, 4);
    uid_set_push(&s, 5);
    uid_set_push(&s, 2);
    uid_set_push(&s, 3);
    expect(&s, "4:5,2:3");
    cr_assert_eq(uid_set_at(&s, 2), 2);
    uid_set_free(&s);
}

/* Against a plain array of truth values. */
Test(uidset, random_additions)
{
    struct uid_set s = {0};
    bool model[101] = {0};
    unsigned seed = 7;
    for (int i = 0; i < 3000; i++) {
        if (i % 30 == 0) {
            uid_set_clear(&s);
            memset(model, 0, sizeof model);
        }
        uint32_t from = (uint32_t)rand_r(&seed) % 100 + 1, to = from + (uint32_t)rand_r(&seed) % 5;
        if (to > 100)
            to = 100;
        uid_set_add(&s, to, from);
        for (uint32_t k = from; k <= to; k++)
            model[k] = true;
        uint64_t count = 0;
        for (uint32_t k = 1; k <= 100; k++) {
            count += model[k];
            cr_assert_eq(uid_set_has(&s, k), model[k]);
        }
        cr_assert_eq(uid_set_count(&s), count);
        for (size_t k = 1; k < s.n; k++)
            cr_assert_gt(s.v[k].first, s.v[k - 1].last + 1, "ranges do not touch");
    }
    uid_set_free(&s);
}
