/* The syntax of aliases(5). */
#include "reference/auth/aliases.h"
#include "tests/unit/auth/files.h"

static struct aliases parsed(const char *text)
{
    struct aliases a;
    struct buf errors = {0};
    bool good = aliases_parse(&a, slice_str(text), "aliases", &errors);
    cr_assert(good, "%s", buf_str(&errors));
    buf_free(&errors);
    return a;
}

static void items_are(const struct aliases *a, const char *name, size_t n, const char *const want[])
{
    const struct alias *found = aliases_find(a, slice_str(name));
    cr_assert(found, "no alias %s", name);
    cr_assert_eq(found->items.n, n, "%s has %zu items", name, found->items.n);
    for (size_t i = 0; i < n; i++)
        cr_expect_str_eq(found->items.v[i], want[i]);
}
#define ITEMS_ARE(a, name, ...)                                                                    \
    items_are(a, name, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                     \
              (const char *[]){__VA_ARGS__})

static void refused(const char *text, const char *message)
{
    struct aliases a;
    struct buf errors = {0};
    cr_expect_not(aliases_parse(&a, slice_str(text), "aliases", &errors), "accepted: %s", text);
    cr_expect(strstr(buf_str(&errors), message), "for %s: %s", text, buf_str(&errors));
    cr_expect_eq(a.n, 0);
    buf_free(&errors);
}

Test(aliases, lists_comments_and_continuations)
{
    struct aliases a = parsed("# comment\n"
                              "postmaster: jerry\n"
                              "\n"
                              "Staff:  jerry , tom,\n"
                              "# between the lines\n"
                              "\tann,\n"
                              "\n"
                              "   bob@magedu.test\n"
                              "last:x");
    ITEMS_ARE(&a, "postmaster", "jerry");
    ITEMS_ARE(&a, "staff", "jerry", "tom", "ann", "bob@magedu.test");
    ITEMS_ARE(&a, "STAFF", "jerry", "tom", "ann", "bob@magedu.test");
    ITEMS_ARE(&a, "last", "x");
    cr_expect_null(aliases_find(&a, SLICE("comment")));
    cr_expect_null(aliases_find(&a, SLICE("")));
    cr_expect_null(aliases_find(&a, SLICE("last\0x")));
    aliases_free(&a);
}

Test(aliases, quotes)
{
    struct aliases a = parsed("\"ann lee\": ann\n"
                              "cmd: \"|/bin/sort -k 2, -u\", \"/var/mail/a b\", |/bin/cat\n"
                              "who: \"ann lee\"@magedu.test, \"ann lee\", \"a,b\"@x.test\n"
                              "esc: \"|echo \\\"hello\\\"\", \\tom\n"
                              "\"with:colon\": tom\n"
                              "inc: \":include:/etc/a list\", :include:/etc/list\n");
    ITEMS_ARE(&a, "ann lee", "ann");
    ITEMS_ARE(&a, "cmd", "|/bin/sort -k 2, -u", "/var/mail/a b", "|/bin/cat");
    ITEMS_ARE(&a, "who", "\"ann lee\"@magedu.test", "\"ann lee\"", "\"a,b\"@x.test");
    ITEMS_ARE(&a, "esc", "|echo \"hello\"", "\\tom");
    ITEMS_ARE(&a, "with:colon", "tom");
    ITEMS_ARE(&a, "inc", ":include:/etc/a list", ":include:/etc/list");
    aliases_free(&a);
}

Test(aliases, errors_name_file_line_and_remedy)
{
    refused("a: b\n\nno colon here\n", "aliases:3: no colon");
    refused("a: b\nA: c\n", "aliases:2: a is also in line 1");
    refused("a:\n", "aliases:1: an alias without an address");
    refused("a: , ,\n", "aliases:1: an alias without an address");
    refused("  b: c\n", "aliases:1: a continuation of nothing");
    refused("a: \"open, b\n", "aliases:1: a quotation mark");
    refused("\"a: b\n", "aliases:1: a quotation mark");
    refused("a b: c\n", "aliases:1: a name with a space");
    refused("a@x.test: c\n", "aliases:1: a name with a domain");
    refused(": c\n", "aliases:1: a name that is empty");
    refused("\"\": c\n", "aliases:1: a name that is empty");
    refused("a: b c\n", "aliases:1: a space inside an item");
    refused("a: :include:relative\n", "aliases:1: a file name that is not absolute");
    refused("a: :other:/x\n", "only :include:/file is known");
    refused("a: \"| \"\n", "aliases:1: a pipe without a command");
    refused("a: Tom<tom@x.test>\n", "aliases:1: angle brackets");
    refused("a: \\\n", "aliases:1: a backslash");
    struct aliases a;
    struct buf errors = {0};
    cr_expect_not(aliases_parse(&a, SLICE("a: b\0c\n"), "aliases", &errors));
    cr_expect(strstr(buf_str(&errors), "aliases:1: a NUL"));
    buf_free(&errors);
}

Test(aliases, names_of_bounded_length)
{
    char text[400];
    memset(text, 'a', sizeof text);
    text[ALIASES_NAME_MAX] = ':';
    text[ALIASES_NAME_MAX + 1] = 'b';
    struct aliases a;
    struct buf errors = {0};
    cr_expect(aliases_parse(&a, slice_of(text, ALIASES_NAME_MAX + 2), "aliases", &errors));
    aliases_free(&a);
    text[ALIASES_NAME_MAX] = 'a';
    text[ALIASES_NAME_MAX + 1] = ':';
    text[ALIASES_NAME_MAX + 2] = 'b';
    cr_expect_not(aliases_parse(&a, slice_of(text, ALIASES_NAME_MAX + 3), "aliases", &errors));
    buf_free(&errors);
}

static bool expanded(const char *item, struct alias_items *out, struct buf *errors)
{
    struct alias_items from = {0};
    alias_items_add(&from, xstrdup(item));
    alias_items_add(&from, xstrdup("end"));
    *out = (struct alias_items){0};
    bool good = aliases_expand_includes(&from, out, errors);
    alias_items_free(&from);
    return good;
}

Test(aliases, includes_are_read_in)
{
    char *inner = make_file("# list\nann,\n  tom@x.test\n");
    char *text = xasprintf("jerry, bob\n:include:%s\n", inner), *outer = make_file(text);
    char *item = xasprintf(":include:%s", outer);
    struct alias_items out;
    struct buf errors = {0};
    cr_assert(expanded(item, &out, &errors), "%s", buf_str(&errors));
    const char *want[] = {"jerry", "bob", "ann", "tom@x.test", "end"};
    cr_assert_eq(out.n, 5);
    for (size_t i = 0; i < 5; i++)
        cr_expect_str_eq(out.v[i], want[i]);
    alias_items_free(&out);
    drop_file(inner);
    cr_expect_not(expanded(item, &out, &errors));
    cr_expect(strstr(buf_str(&errors), "cannot read the included file"));
    alias_items_free(&out);
    buf_free(&errors);
    drop_file(outer);
    free(text);
    free(item);
}

Test(aliases, include_of_itself_ends, .timeout = 10)
{
    char *file = make_file("");
    FILE *f = fopen(file, "w");
    for (int i = 0; i < 50; i++)
        fprintf(f, "a, :include:%s\n", file);
    fclose(f);
    char *item = xasprintf(":include:%s", file);
    struct alias_items out;
    struct buf errors = {0};
    cr_expect_not(expanded(item, &out, &errors));
    cr_expect(strstr(buf_str(&errors), "does it include itself?"));
    cr_expect_lt(out.n, 10000);
    alias_items_free(&out);
    buf_free(&errors);
    free(item);
    drop_file(file);
}

Test(aliases, unquoting)
{
    const char *pairs[][2] = {{"tom", "tom"}, {"\"ann lee\"", "ann lee"}, {"\"a\\\"b\"", "a\"b"},
                              {"\"\"", ""}, {"\"", "\""}, {"\"a\\\\\"", "a\\"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char *got = local_part_unquote(slice_str(pairs[i][0]));
        cr_expect_str_eq(got, pairs[i][1]);
        free(got);
    }
}
