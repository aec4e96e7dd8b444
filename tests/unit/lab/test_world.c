#include "conformance/lab/lab.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct netaddr addr(const char *text)
{
    struct netaddr a;
    cr_assert(netaddr_parse(&a, slice_str(text), 0), "%s", text);
    return a;
}

/* A file with this text; its path in a static buffer. */
static const char *file(const char *text)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/world-test-%d", (int)getpid());
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
    return path;
}

Test(world, reads_hosts_and_sources)
{
    struct buf errors = {0};
    char text[64];
    const char *path = file("source = {\"2001:db8::9\"}  # one family only\n"
                            "host mail { addresses = {\"192.0.2.25\", \"2001:db8::25\"} }\n"
                            "host mail1 { addresses = {\"192.0.2.26\"} }\n");
    struct world *w = world_load(path, &errors);
    unlink(path);
    cr_assert(w, "%s", buf_str(&errors));
    cr_assert_eq(w->host_count, 2);
    cr_assert_str_eq(w->hosts[0].name, "mail");
    cr_assert_eq(w->hosts[0].addr_count, 2);
    netaddr_host(&w->hosts[0].addrs[1], text);
    cr_assert_str_eq(text, "2001:db8::25");
    netaddr_host(&w->source_v6, text);
    cr_assert_str_eq(text, "2001:db8::9");
    netaddr_host(&w->source_v4, text);
    cr_assert_str_eq(text, "198.51.100.1");
    cr_assert_eq(world_find(w, "192.0.2.26"), &w->hosts[1]);
    cr_assert_eq(world_find(w, "2001:DB8:0::25"), &w->hosts[0]);
    cr_assert_eq(world_find(w, "mail1"), &w->hosts[1]);
    cr_assert_null(world_find(w, "192.0.2.27"));
    world_free(w);
}

Test(world, refuses_an_address_twice)
{
    struct world *w = world_new();
    struct netaddr a = addr("192.0.2.1"), b = addr("2001:db8::1");
    cr_assert(world_add_address(w, "a", &a));
    cr_assert(world_add_address(w, "a", &b));
    cr_assert_not(world_add_address(w, "b", &b));
    cr_assert_not(world_add_address(w, "a", &a));
    cr_assert_eq(w->host_count, 1);
    world_free(w);
}

Test(world, what_is_written_reads_the_same)
{
    struct buf errors = {0}, once = {0}, twice = {0};
    struct world *w = world_new();
    struct netaddr a = addr("192.0.2.1"), b = addr("2001:db8::1"), c = addr("192.0.2.2");
    world_add_address(w, "a", &a);
    world_add_address(w, "b.example", &c);
    world_add_address(w, "a", &b);
    world_add_zone(w, "/etc/passwd"); /* any file that is there */
    world_write(w, &once);
    const char *path = file(buf_str(&once));
    struct world *again = world_load(path, &errors);
    unlink(path);
    cr_assert(again, "%s", buf_str(&errors));
    world_write(again, &twice);
    cr_assert_str_eq(buf_str(&once), buf_str(&twice));
    world_free(w);
    world_free(again);
    buf_free(&once);
    buf_free(&twice);
}

Test(world, states_have_names)
{
    for (int s = LAB_UP; s <= LAB_SLOW; s++)
        cr_assert_eq(lab_state_by_name(lab_state_name((enum lab_state)s)), s);
    cr_assert_eq(lab_state_by_name("Up"), -1);
    cr_assert_eq(lab_state_by_name(""), -1);
}
