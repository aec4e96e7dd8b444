/* Paths, mailboxes, literals: whatever is accepted is what the grammar says, and parses again. */
#include "reference/message/address.h"

#include <stdlib.h>
#include <unistr.h>

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* RFC 5321 4.1.2, 4.5.3.1: printable octets only, or UTF-8 (RFC 6531 3.3), the limits kept, and one
 * canonical form. */
static void check_path(const struct path *p)
{
    size_t n = strlen(p->address);
    for (size_t i = 0; i < n; i++)
        check((unsigned char)p->address[i] >= 32 && p->address[i] != 127);
    check(u8_check((const uint8_t *)p->address, n) == NULL);
    check(n <= 254 && strlen(p->local) <= 64 && strlen(p->domain) <= 255);
    if (p->domain[0] == 0)
        return;
    struct netaddr literal;
    check(domain_valid(slice_str(p->domain)) ||
          address_literal_parse(slice_str(p->domain), &literal));

    struct buf once = {0}, twice = {0};
    struct path again;
    path_canonical(p, &once);
    enum address_error err = mailbox_parse(buf_slice(&once), &again);
    check(err == ADDRESS_OK || err == ADDRESS_LOCAL_LONG); /* quoting may make it longer */
    if (err == ADDRESS_OK) {
        check(strcmp(again.local, p->local) == 0 && strcmp(again.domain, p->domain) == 0);
        path_canonical(&again, &twice);
        check(slice_eq(buf_slice(&once), buf_slice(&twice)));
        path_free(&again);
    }
    buf_free(&once);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size), rest;
    struct path p;
    for (int mode = 0; mode < 4; mode++) {
        if (path_parse(text, mode & 1, mode & 2, &p, &rest) != ADDRESS_OK)
            continue;
        check(rest.p != NULL && rest.p + rest.n == text.p + text.n);
        check_path(&p);
        path_free(&p);
    }
    if (mailbox_parse(text, &p) == ADDRESS_OK) {
        check_path(&p);
        path_free(&p);
    }
    struct netaddr a;
    if (address_literal_parse(text, &a))
        check(a.sa.sa_family == AF_INET || a.sa.sa_family == AF_INET6);
    domain_valid(text);
    return 0;
}
