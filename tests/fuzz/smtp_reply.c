/* The client against whatever a server may say: SMTP, then LMTP, three recipients, two messages. */
#include "base/mem.h"
#include "reference/relay/client.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char text[] = "Subject: x\r\n\r\n.dot\r\nbody\r\n";

static void talk(struct slice server, bool lmtp, int file)
{
    static const struct config config = {.hostname = "relay.magedu.test"};
    static const char *const to[] = {"tom@hehuan.test", "ann@hehuan.test", "eve@hehuan.test"};
    struct buf said = {0};
    struct client *cl = client_new(&config, stream_new_memory(server, &said), lmtp, "mail", "::1");
    struct relay_message m = {.id = "m", .reverse_path = "", .dots = true, .eight_bit = true,
                              .fd = file, .size = sizeof text - 1};
    bool open = client_greet(cl);
    for (int round = 0; round < 2 && open && !cl->broken; round++) {
        struct relay_recipient *r = xcalloc(3, sizeof *r);
        for (size_t i = 0; i < 3; i++) {
            r[i].to = to[i];
            r[i].take = true;
        }
        client_transact(cl, &m, r, 3);
        for (size_t i = 0; i < 3; i++)
            if (r[i].verdict == VERDICT_NONE || !r[i].reply || !r[i].status[0])
                abort();         /* everybody gets a verdict, whatever was said */
        recipients_free(r, 3);
    }
    client_quit(cl, true);
    /* Nothing that the server says may appear in what we say. */
    if (slice_find(buf_slice(&said), SLICE("\n.\n")) >= 0)
        abort();
    buf_free(&said);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static int file = -1;
    if (file < 0) {
        file = memfd_create("message", 0);
        if (write(file, text, sizeof text - 1) < 0)
            abort();
    }
    talk(slice_of(data, n), false, file);
    talk(slice_of(data, n), true, file);
    return 0;
}
