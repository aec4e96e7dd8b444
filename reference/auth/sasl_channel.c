/* sasl_channel.c - what a stream tells the mechanisms. */
#include "reference/auth/sasl.h"

#include "reference/tls/tls.h"

void sasl_channel_fill(struct sasl_channel *ch, struct stream *io, struct buf *store)
{
    SSL *ssl = stream_ssl(io);
    buf_clear(store);
    ch->tls = ssl != NULL;
    ch->exporter = ch->unique = (struct slice){0};
    ch->external = NULL;
    if (!ssl)
        return;
    tls_exporter_binding(ssl, store);
    size_t exporter = store->len;
    tls_unique_binding(ssl, store);
    size_t unique = store->len;
    bool named = tls_client_identity(ssl, store);
    /* The store no longer moves. */
    ch->exporter = slice_sub(buf_slice(store), 0, exporter);
    ch->unique = slice_sub(buf_slice(store), exporter, unique);
    ch->external = named ? store->data + unique : NULL;
}
