/* header_addresses.c - fields with addresses, put together and looked through. */
#include "reference/smtpd/header_addresses.h"

#include "base/mem.h"
#include "reference/message/mailboxes.h"

#include <stdlib.h>

enum { FIELD_MAX = 256 * 1024 };   /* octets; what is beyond is not looked at */

static bool has_addresses(struct slice line)
{
    static const char *const names[] = {"from", "sender", "reply-to", "to", "cc", "bcc"};
    ptrdiff_t colon = slice_index(line, ':');
    struct slice name = slice_trim(slice_sub(line, 0, colon < 0 ? 0 : (size_t)colon));
    if (slice_istarts(name, SLICE("Resent-")))
        name = slice_sub(name, 7, name.n);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_ieq_str(name, names[i]))
            return true;
    return false;
}

/* A name without a dot is short for another. Address literals are whole, and so is nothing at all. */
static bool is_whole(struct slice host)
{
    return host.p == NULL || host.n == 0 || host.p[0] == '[' || slice_index(host, '.') >= 0;
}

void header_addresses_end(struct header_addresses *h)
{
    struct mailbox_list list = {0};
    struct slice value = buf_slice(&h->field);
    ptrdiff_t colon = slice_index(value, ':');
    if (colon >= 0 && !h->wrong) {
        mailbox_list_parse(&list, slice_sub(value, (size_t)colon + 1, value.n));
        for (size_t i = 0; i < list.count && !h->wrong; i++)
            if (!is_whole(list.all[i].host))
                h->wrong = xasprintf("%.*s@%.*s", SLICE_ARG(list.all[i].mailbox),
                                     SLICE_ARG(list.all[i].host));
        mailbox_list_free(&list);
    }
    buf_clear(&h->field);
}

void header_addresses_line(struct header_addresses *h, struct slice line)
{
    bool folded = line.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t');
    if (!folded)
        header_addresses_end(h);
    if ((folded ? h->field.len > 0 : has_addresses(line)) && h->field.len + line.n < FIELD_MAX)
        buf_add_slice(&h->field, line);
}

void header_addresses_free(struct header_addresses *h)
{
    buf_free(&h->field);
    free(h->wrong);
    *h = (struct header_addresses){0};
}
