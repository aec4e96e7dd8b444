/* ctl.c - the client side of the control socket: "dns-sim ctl PATH COMMAND...". */
#include "dns-sim/server.h"

#include <errno.h>
#include <stdio.h>

enum { REPLY_LINE_MAX = 1 << 20, REPLY_WAIT_MS = 30000 };

/* The command's words with single spaces. TXT data needs its double quotes past the shell. */
static void join_words(struct buf *line, int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        buf_printf(line, "%s%s", i ? " " : "", argv[i]);
}

static void add_standard_input(struct buf *out)
{
    char line[4096];
    while (fgets(line, sizeof line, stdin))
        buf_add_str(out, line);
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buf_add_byte(out, '\n');
    buf_add_str(out, ".\n");
}

static int print_reply(struct stream *s)
{
    struct buf line = {0};
    enum line_end end;
    uint64_t lines = 0;
    int status = 1;
    if (stream_read_line(s, &line, REPLY_LINE_MAX, &end) != IO_OK)
        fprintf(stderr, "dns-sim ctl: no reply\n");
    else if (!slice_starts(buf_slice(&line), SLICE("ok "))
             || !slice_number(slice_sub(buf_slice(&line), 3, line.len), UINT32_MAX, &lines))
        fprintf(stderr, "dns-sim ctl: %s\n", buf_str(&line));
    else
        status = 0;
    for (; lines > 0 && stream_read_line(s, &line, REPLY_LINE_MAX, &end) == IO_OK; lines--)
        puts(buf_str(&line));
    buf_free(&line);
    return lines > 0 ? 1 : status;
}

int ctl_main(const char *path, int argc, char **argv)
{
    struct netaddr address;
    struct buf text = {0};
    buf_printf(&text, "unix:%s", path);
    bool good = netaddr_parse(&address, buf_slice(&text), 0);
    int fd = good ? net_connect(&address, NULL, 5000) : -1;
    if (fd < 0) {
        fprintf(stderr, "dns-sim ctl: %s: %s\n", path,
                good ? strerror(errno) : "this path is no good for a socket");
        buf_free(&text);
        return 1;
    }
    struct stream *s = stream_new_fd(fd);
    stream_set_timeout(s, REPLY_WAIT_MS);
    buf_clear(&text);
    join_words(&text, argc, argv);
    buf_add_byte(&text, '\n');
    if (control_wants_body(buf_slice(&text)))
        add_standard_input(&text);
    stream_write(s, text.data, text.len);
    stream_flush(s);
    int status = print_reply(s);
    buf_free(&text);
    stream_close(s);
    return status;
}
