/* Whole SMTP sessions: any input gives well-formed replies, never an open relay, and no message
 * that was not ended by CRLF.CRLF. The first octet chooses the client and the service. */
#include "tests/unit/smtpd/memory_world.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_replies(struct slice out)
{
    while (out.n > 0) {
        ptrdiff_t end = slice_find(out, SLICE("\r\n"));
        check(end >= 4 && end <= 510);
        check(out.p[0] >= '2' && out.p[0] <= '5' && (out.p[3] == ' ' || out.p[3] == '-'));
        for (ptrdiff_t i = 0; i < end; i++)
            check(out.p[i] >= 32 && out.p[i] <= 126);
        out = slice_sub(out, (size_t)end + 2, out.n);
    }
}

static void check_message(const struct config *c, const struct kept *k, bool trusted)
{
    struct slice text = buf_slice(&k->text);
    check(slice_starts(text, SLICE("Received: from ")) && slice_ends(text, SLICE("\r\n")));
    check(k->to_count > 0);
    for (size_t i = 0; i < text.n; i++) {
        check(text.p[i] != 0);
        check(text.p[i] != '\n' || (i > 0 && text.p[i - 1] == '\r'));
        check(text.p[i] != '\r' || (i + 1 < text.n && text.p[i + 1] == '\n'));
    }
    for (size_t i = 0; i < k->to_count; i++) {
        struct path p;
        check(mailbox_parse(slice_str(k->to[i]), &p) == ADDRESS_OK);
        struct slice domain = slice_str(p.domain);
        check(trusted || config_is_local(c, domain) ||
              (config_is_relay(c, domain) && strpbrk(p.local, "@%!") == NULL));
        path_free(&p);
    }
}

static size_t count(struct slice in, struct slice what)
{
    size_t n = 0;
    for (ptrdiff_t at; (at = slice_find(in, what)) >= 0; n++)
        in = slice_sub(in, (size_t)at + what.n, in.n);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool trusted = data[0] & 1;
    struct config c = memory_config();
    c.recipients = 5; /* within reach of a fuzzer */
    struct slice in = slice_of(data + 1, size - 1);
    struct buf out = {0};
    memory_session(&c, memory_peer(trusted ? "192.0.2.7" : "198.51.100.7",
                                   data[0] & 2 ? SERVICE_SUBMISSION : SERVICE_SMTP),
                   in, &out);
    check_replies(buf_slice(&out));
    check(spool_committed() <= count(in, SLICE("\n.\r\n")));
    for (size_t i = 0; i < spool.n; i++)
        if (spool.v[i].committed)
            check_message(&c, &spool.v[i], trusted);
    spool_clear();
    buf_free(&out);
    return 0;
}
