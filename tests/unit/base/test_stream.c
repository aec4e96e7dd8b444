/* stream.h over memory and over socket pairs */
#include "base/stream.h"
#include "base/timing.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

struct want { enum io io; const char *line; enum line_end end; };

static void check_lines(struct slice input, size_t max, const struct want *want)
{
    struct stream *s = stream_new_memory(input, NULL);
    struct buf line = {0};
    for (;; want++) {
        enum line_end end = LINE_LF;
        enum io got = stream_read_line(s, &line, max, &end);
        cr_assert_eq(got, want->io, "got %d, want %d at \"%s\"", got, want->io, want->line);
        if (got == IO_OK) {
            cr_assert_str_eq(buf_str(&line), want->line);
            cr_assert_eq(end, want->end);
        }
        if (got == IO_EOF || got == IO_ERROR)
            break;
    }
    buf_free(&line);
    stream_close(s);
}

Test(stream, line_ends_are_told_apart)
{
    check_lines(SLICE("a\r\nb\nc\rd\r\n\r\r\n\n\r\n"), 100, (struct want[]){
        {IO_OK, "a", LINE_CRLF}, {IO_OK, "b", LINE_LF}, {IO_OK, "c\rd", LINE_CRLF},
        {IO_OK, "\r", LINE_CRLF}, {IO_OK, "", LINE_LF}, {IO_OK, "", LINE_CRLF}, {IO_EOF, "", 0}});
}

Test(stream, the_longest_line_and_one_more)
{
    check_lines(SLICE("12345\r\n123456\r\nok\r\n12345\n123456\n"), 5, (struct want[]){
        {IO_OK, "12345", LINE_CRLF}, {IO_TOO_LONG, "", 0}, {IO_OK, "ok", LINE_CRLF},
        {IO_OK, "12345", LINE_LF}, {IO_TOO_LONG, "", 0}, {IO_EOF, "", 0}});
}

Test(stream, an_end_inside_a_line_is_no_line)
{
    check_lines(SLICE("a\r\nb"), 10, (struct want[]){{IO_OK, "a", LINE_CRLF}, {IO_ERROR, "", 0}});
}

Test(stream, a_line_across_many_reads)
{
    struct buf big = {0};
    for (int i = 0; i < 200000; i++)
        buf_add_byte(&big, (char)('a' + i % 26));
    buf_add_str(&big, "\r\nnext\r\n");
    struct stream *s = stream_new_memory(buf_slice(&big), NULL);
    struct buf line = {0};
    enum line_end end;
    cr_assert_eq(stream_read_line(s, &line, 200000, &end), IO_OK);
    cr_assert_eq(line.len, 200000);
    cr_assert_eq(stream_read_line(s, &line, 200000, &end), IO_OK);
    cr_assert_str_eq(buf_str(&line), "next");
    stream_close(s);
    buf_free(&line);
    buf_free(&big);
}

Test(stream, literals)
{
    struct stream *s = stream_new_memory(SLICE("abc\r\ndefg"), NULL);
    char p[8] = {0};
    cr_assert_eq(stream_read_exact(s, p, 5), IO_OK);
    cr_assert_eq(memcmp(p, "abc\r\n", 5), 0);
    cr_assert_eq(stream_read_exact(s, p, 5), IO_ERROR);
    stream_close(s);
}

static void pair(struct stream *s[2])
{
    int fd[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    s[0] = stream_new_fd(fd[0]);
    s[1] = stream_new_fd(fd[1]);
}

Test(stream, output_waits_until_a_read_would)
{
    struct stream *s[2];
    pair(s);
    stream_puts(s[0], "220 hello\r\n");
    char p[64];
    cr_assert_eq(recv(stream_fd(s[1]), p, sizeof p, MSG_DONTWAIT), -1, "corked");
    stream_set_timeout(s[0], 30);
    struct slice bytes;
    int64_t t = mono_ms();
    cr_assert_eq(stream_peek(s[0], &bytes), IO_TIMEOUT);
    cr_assert_geq(mono_ms() - t, 25);
    cr_assert_eq(recv(stream_fd(s[1]), p, sizeof p, MSG_DONTWAIT), 11, "sent before waiting");
    stream_close(s[0]);
    cr_assert_eq(stream_peek(s[1], &bytes), IO_EOF);
    stream_close(s[1]);
}

Test(stream, a_deadline_bounds_a_slow_writer_of_lines)
{
    struct stream *s[2];
    pair(s);
    stream_set_timeout(s[0], 1000);
    stream_set_deadline(s[0], mono_ms() + 50);
    struct buf line = {0};
    enum line_end end;
    cr_assert_eq(write(stream_fd(s[1]), "no end", 6), 6);
    cr_assert_eq(stream_read_line(s[0], &line, 100, &end), IO_TIMEOUT);
    stream_close(s[0]);
    stream_close(s[1]);
    buf_free(&line);
}

static void *interrupt_soon(void *s)
{
    sleep_ms(30);
    stream_interrupt(s);
    return NULL;
}

Test(stream, another_thread_interrupts, .timeout = 5)
{
    struct stream *s[2];
    pair(s);
    pthread_t t;
    pthread_create(&t, NULL, interrupt_soon, s[0]);
    struct slice bytes;
    enum io got = stream_peek(s[0], &bytes);
    cr_assert(got == IO_ERROR || got == IO_EOF);
    cr_assert_eq(stream_peek(s[0], &bytes), IO_ERROR);
    pthread_join(t, NULL);
    stream_close(s[0]);
    stream_close(s[1]);
}

Test(stream, a_write_that_failed_stays_failed)
{
    struct stream *s[2];
    pair(s);
    stream_close(s[1]);
    stream_puts(s[0], "x");
    cr_assert_lt(stream_flush(s[0]), IO_OK);
    cr_assert_lt(stream_puts(s[0], "y"), IO_OK);
    stream_close(s[0]);
}

static void note(void *arg, char direction, struct slice bytes)
{
    buf_printf(arg, "%c%.*s|", direction, SLICE_ARG(bytes));
}

Test(stream, the_tap_sees_both_directions)
{
    struct buf seen = {0}, out = {0};
    struct stream *s = stream_new_memory(SLICE("QUIT\r\n"), &out);
    stream_set_tap(s, note, &seen);
    struct buf line = {0};
    enum line_end end;
    stream_puts(s, "220 x\r\n");
    stream_flush(s);
    stream_read_line(s, &line, 100, &end);
    cr_assert_str_eq(buf_str(&seen), ">220 x\r\n|<QUIT\r\n|");
    stream_close(s);
    buf_free(&seen);
    buf_free(&out);
    buf_free(&line);
}

Test(stream, sends_part_of_a_file)
{
    char path[] = "/tmp/postroad-unit-XXXXXX";
    int fd = mkstemp(path);
    unlink(path);
    cr_assert_eq(write(fd, "0123456789", 10), 10);
    struct buf out = {0};
    struct stream *s = stream_new_memory(SLICE(""), &out);
    cr_assert_eq(stream_send_file(s, fd, 3, 4), IO_OK);
    cr_assert_eq(stream_flush(s), IO_OK);
    cr_assert_str_eq(buf_str(&out), "3456");
    cr_assert_eq(stream_send_file(s, fd, 8, 4), IO_ERROR);
    stream_close(s);
    buf_free(&out);
    close(fd);
}

/* --- compression (RFC 4978) ------------------------------------------------------------------- */

static void *echo_compressed(void *arg)
{
    struct stream *s = arg;
    struct buf line = {0};
    enum line_end end;
    cr_assert_eq(stream_start_deflate(s), IO_OK);
    while (stream_read_line(s, &line, 1 << 20, &end) == IO_OK)
        stream_printf(s, "%s\r\n", buf_str(&line));
    buf_free(&line);
    stream_close(s);
    return NULL;
}

Test(stream, compressed_there_and_back)
{
    int pair[2];
    pthread_t thread;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pthread_create(&thread, NULL, echo_compressed, stream_new_fd(pair[1]));
    struct stream *s = stream_new_fd(pair[0]);
    stream_set_timeout(s, 5000);
    cr_assert_eq(stream_start_deflate(s), IO_OK);
    struct buf big = {0}, line = {0};
    enum line_end end;
    for (int i = 0; i < 300000; i++)
        buf_add_byte(&big, (char)('a' + i % 97 * 7 % 26));
    const char *texts[] = {"hello", "", buf_str(&big), "bye"};
    for (size_t i = 0; i < 4; i++) {
        stream_printf(s, "%s\r\n", texts[i]);
        cr_assert_eq(stream_read_line(s, &line, 1 << 20, &end), IO_OK);
        cr_assert_str_eq(buf_str(&line), texts[i]);
    }
    stream_close(s);
    pthread_join(thread, NULL);
    buf_free(&big);
    buf_free(&line);
}

Test(stream, damaged_compression_is_an_error)
{
    struct stream *s = stream_new_memory(SLICE("\xff\xff plain text is no deflate\r\n"), NULL);
    struct buf line = {0};
    enum line_end end;
    cr_assert_eq(stream_start_deflate(s), IO_OK);
    cr_assert_eq(stream_read_line(s, &line, 100, &end), IO_ERROR);
    buf_free(&line);
    stream_close(s);
}

Test(stream, waiting_beside_another_descriptor)
{
    int pair[2], other[2];
    bool ready;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    cr_assert_eq(pipe(other), 0);
    struct stream *s = stream_new_fd(pair[0]);
    cr_expect_eq(stream_wait_beside(s, other[0], 20, &ready), IO_TIMEOUT);
    cr_assert_eq(write(other[1], "x", 1), 1);
    cr_expect_eq(stream_wait_beside(s, other[0], 5000, &ready), IO_OK);
    cr_expect(ready);
    cr_assert_eq(write(pair[1], "y", 1), 1);
    cr_expect_eq(stream_wait_beside(s, other[0], 5000, &ready), IO_OK);
    cr_expect(!ready, "input goes first");
    close(pair[1]);
    stream_consume(s, 1);
    cr_expect_eq(stream_wait_beside(s, -1, 5000, &ready), IO_EOF);
    stream_close(s);
    close(other[0]);
    close(other[1]);
}
