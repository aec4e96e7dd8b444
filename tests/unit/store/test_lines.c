/* lines.h and spill.h: bounded pieces, and the same text from memory and from a file. */
#include "reference/store/spill.h"
#include "tests/unit/store/mailbox_world.h"

/* Puts the pieces together again, checking what each says about itself. */
static void collect(struct lines *l, struct buf *out, size_t *pieces)
{
    struct line_piece p;
    bool begins = true;
    int more;
    *pieces = 0;
    while ((more = lines_next(l, &p)) == 1) {
        cr_assert_eq(p.begins, begins);
        cr_assert_leq(p.text.n, LINES_PIECE_MAX);
        cr_assert(p.ends || (p.text.n > 0 && p.text.p[p.text.n - 1] != '\r'));
        buf_add_slice(out, p.text);
        if (p.raw > p.text.n)
            buf_add_byte(out, '\n');
        begins = p.ends;
        ++*pieces;
    }
    cr_assert_eq(more, 0);
    lines_free(l);
}

Test(lines, pieces_of_every_length)
{
    for (size_t n = LINES_PIECE_MAX - 3; n < LINES_PIECE_MAX + 4; n++) {
        struct buf text = {0}, memory = {0}, file = {0};
        size_t a, b;
        for (size_t i = 0; i < n; i++)
            buf_add_byte(&text, 'a');
        buf_add_str(&text, "\r\nb\n\nc");
        struct spill s;
        spill_init(&s, "/tmp");
        for (int i = 0; i < 6; i++)
            spill_add(&s, text.data, text.len);
        struct buf six = {0};
        for (int i = 0; i < 6; i++)
            buf_add(&six, text.data, text.len);
        struct lines l;
        lines_init_memory(&l, buf_slice(&six));
        collect(&l, &memory, &a);
        cr_assert_eq(spill_lines(&s, &l), 0);
        cr_assert_neq(s.fd, -1, "it was too much for memory");
        collect(&l, &file, &b);
        cr_assert(slice_eq(buf_slice(&six), buf_slice(&memory)));
        cr_assert(slice_eq(buf_slice(&six), buf_slice(&file)));
        cr_assert_eq(a, b);
        spill_free(&s);
        buf_free(&text), buf_free(&six), buf_free(&memory), buf_free(&file);
    }
}

Test(lines, a_spill_that_has_nowhere_to_go)
{
    struct spill s;
    char *big = calloc(1, SPILL_MEMORY + 1);
    spill_init(&s, "/nonexistent");
    cr_assert_eq(spill_add(&s, big, SPILL_MEMORY), 0);
    cr_assert_eq(spill_add(&s, big, 1), -1);
    cr_assert_eq(errno, ENOENT);
    errno = 0;
    cr_assert_eq(spill_add(&s, big, 1), -1, "the failure sticks");
    cr_assert_eq(errno, ENOENT);
    spill_free(&s);
    free(big);
}
