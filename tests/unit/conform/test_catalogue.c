#include "conformance/runner/catalogue.h"

#include <criterion/criterion.h>

Test(catalogue, rows)
{
    struct catalogue c = {0};
    struct diags d = {0};
    catalogue_read(&c, "r.req",
                   SLICE("# comment\n\nrfc5321/4.5.2/dot\n  level   MUST NOT\n  binds   server\n"
                         "  text    One,\n          two.\n  seen    wire\n  serves  D05 D06\n\n"
                         "rfc5321/4.5.3/x\n  level   MAY\n  text    X.\n  seen    no: hidden\n"
                         "D05\n  text    A behaviour.\n"), &d);
    catalogue_finish(&c, &d);
    cr_assert_eq(d.errors, 0, "%s", buf_str(&d.text));
    cr_assert_eq(c.n, 3);
    const struct requirement *r = catalogue_find(&c, "rfc5321/4.5.2/dot");
    cr_assert_str_eq(r->text, "One, two.");
    cr_assert_str_eq(r->section, "4.5.2");
    cr_assert_eq(r->level, LEVEL_MUST);
    cr_assert_eq(r->serves.n, 2);
    cr_assert_not(catalogue_find(&c, "rfc5321/4.5.3/x")->observable);
    cr_assert_str_eq(catalogue_find(&c, "D05")->document, "behaviours");
    cr_assert_null(catalogue_find(&c, "D06"));
    cr_assert_str_eq(catalogue_nearest(&c, "rfc5321/4.5.2/dto"), "rfc5321/4.5.2/dot");
    catalogue_free(&c);
    buf_free(&d.text);
}

Test(catalogue, complaints)
{
    struct catalogue c = {0};
    struct diags d = {0};
    catalogue_read(&c, "r.req", SLICE("  level MUST\n\na/1/b\n  levle MUST\n  text T.\n  seen wire\n\n"
                                      "a/1/b\n  level MUST\n  seen dns\n"), &d);
    catalogue_finish(&c, &d);
    const char *text = buf_str(&d.text);
    cr_assert(strstr(text, "r.req:1: error: this belongs to no row"));
    cr_assert(strstr(text, "r.req:4: error: \"levle\" is no field"));
    cr_assert(strstr(text, "a/1/b: level must be"));
    cr_assert(strstr(text, "a/1/b: the text is missing"));
    cr_assert(strstr(text, "a/1/b is there twice"));
    catalogue_free(&c);
    buf_free(&d.text);
}

Test(catalogue, prefixes)
{
    cr_assert(id_under("rfc5321/4.5.2/dot", "rfc5321"));
    cr_assert(id_under("rfc5321/4.5.2/dot", "rfc5321/4.5"));
    cr_assert(id_under("rfc5321/4.5.2/dot", "rfc5321/4.5/"));
    cr_assert_not(id_under("rfc5321/4.51/dot", "rfc5321/4.5"));
    cr_assert_not(id_under("rfc53211/4.5/dot", "rfc5321"));
    cr_assert(id_under("smtp/x#row", "smtp/x"));
    cr_assert(id_under("D05", "D05"));
    cr_assert_not(id_under("D050", "D05"));
}
