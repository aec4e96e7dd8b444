/* compress.c - COMPRESS (RFC 4978). */
#include "reference/imapd/session.h"

void imap_compress(struct session *s, struct args *a)
{
    if (!args_space(a) || !args_keyword(a, "DEFLATE")) {
        args_fail(a, "DEFLATE");
        imap_bad_args(s, a);
    } else if (!args_end(a)) {
        imap_bad_args(s, a);
    } else if (s->compressed) {
        imap_no(s, "[COMPRESSIONACTIVE] it is compressed already");
    } else {
        imap_ok(s, "compression begins");
        s->compressed = stream_start_deflate(s->io) == IO_OK;
        s->closing = !s->compressed;
        s->end = s->compressed ? NULL : "lost";
    }
}
