/* The tree of parts: what is in it, where it lies, and that portions and line ends change nothing. */
#include "tests/unit/message/mime_tools.h"

#include <criterion/criterion.h>

static const struct { const char *text, *tree; } TREES[] = {
    {"", "text/plain"},
    {"Subject: x\n\nbody\n", "text/plain"},
    {"Content-Type: text/html; charset=utf-8\n\n<p>\n", "text/html"},
    {"Content-Type: nonsense\n\n", "text/plain"},
    {"Content-Type: (c) IMAGE (d) / (e) Gif (f) ; a=b\n\n", "IMAGE/Gif"},
    {"content-type : multipart/mixed;\n boundary=\"a b\"\n\npreamble\n--a b\n\none\n--a b\n"
     "Content-Type: image/gif\n\nGIF\n--a b--\nepilogue\n--a b\n\n",
     "multipart/mixed(text/plain image/gif)"},
    /* the end of the outer ends the inner; padding after the delimiter (RFC 2046 5.1.1) */
    {"Content-Type: multipart/mixed; boundary=out\n\n--out\n"
     "Content-Type: multipart/alternative; boundary=in\n\n--in  \n\na\n--in\n\nb\n--out\n\nc\n",
     "multipart/mixed(multipart/alternative(text/plain text/plain) text/plain)"},
    /* one boundary is the start of the other */
    {"Content-Type: multipart/mixed; boundary=b\n\n--b\n"
     "Content-Type: multipart/mixed; boundary=bb\n\n--bb\n\na\n--bb--\n--b\n\nc\n--b--\n",
     "multipart/mixed(multipart/mixed(text/plain) text/plain)"},
    {"Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\n--x--\n",
     "message/rfc822(multipart/mixed(text/plain))"},
    /* RFC 2046 5.1.5 */
    {"Content-Type: multipart/digest; boundary=x\n\n--x\n\nSubject: a\n\nb\n--x\n"
     "Content-Type: text/plain\n\n--x--\n",
     "multipart/digest(message/rfc822(text/plain) text/plain)"},
    {"Content-Type: multipart/mixed\n\n--x\n\n--x--\n", "multipart/mixed"},
    {"Content-Type: multipart/mixed; boundary=x\n\nnothing\n", "multipart/mixed()"},
    {"Content-Type: multipart/mixed; boundary=x\n\n--x--", "multipart/mixed()"},
    {"Content-Type: multipart/mixed; boundary=x\n\n--x", "multipart/mixed(text/plain)"},
    /* a part header without an empty line, and a message in it that never begins */
    {"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: message/rfc822\n--x\n"
     "Content-Type: image/png\n--x--\n",
     "multipart/mixed(message/rfc822(text/plain) image/png)"},
    /* lines that are no fields are stepped over */
    {">From x\nno field\nContent-Type: image/png\n\n", "image/png"},
};

Test(mime, trees)
{
    for (size_t i = 0; i < sizeof TREES / sizeof TREES[0]; i++)
        for (int wire = 0; wire < 2; wire++) {
            struct buf text = {0}, tree = {0};
            if (wire)
                add_wire(&text, TREES[i].text);
            else
                buf_add_str(&text, TREES[i].text);
            struct mime_message *m = mime_parse(buf_slice(&text));
            add_tree(&tree, m->root);
            cr_assert_str_eq(buf_str(&tree), TREES[i].tree, "%s", TREES[i].text);
            cr_assert_eq(m->raw_size, text.len);
            mime_message_free(m);
            buf_free(&text);
            buf_free(&tree);
        }
}

static void same_extent(const struct mime_extent *a, const struct mime_extent *b, bool raw)
{
    cr_assert_eq(a->offset, b->offset);
    cr_assert_eq(a->size, b->size);
    cr_assert_eq(a->lines, b->lines);
    if (raw) {
        cr_assert_eq(a->raw_offset, b->raw_offset);
        cr_assert_eq(a->raw_size, b->raw_size);
    }
}

static void same_part(const struct mime_part *a, const struct mime_part *b, bool raw)
{
    same_extent(&a->header, &b->header, raw);
    same_extent(&a->body, &b->body, raw);
    cr_assert_eq(a->kind, b->kind);
    const struct mime_part *x = a->child, *y = b->child;
    for (; x && y; x = x->next, y = y->next)
        same_part(x, y, raw);
    cr_assert(!x && !y);
}

/* Octet by octet and in threes as in one piece; LF on disk gives the extents of CRLF in wire octets. */
Test(mime, portions_and_line_ends)
{
    for (size_t i = 0; i < sizeof TREES / sizeof TREES[0]; i++) {
        struct buf wire = {0};
        add_wire(&wire, TREES[i].text);
        struct mime_message *whole = mime_parse(buf_slice(&wire));
        cr_assert_eq(whole->size, wire.len);
        for (size_t step = 1; step <= 3; step += 2) {
            struct mime_parser *p = mime_parser_new();
            for (size_t at = 0; at < wire.len; at += step)
                mime_parser_push(p, slice_sub(buf_slice(&wire), at, at + step));
            struct mime_message *m = mime_parser_end(p);
            same_part(m->root, whole->root, true);
            mime_message_free(m);
        }
        struct mime_message *unix_ends = mime_parse(slice_str(TREES[i].text));
        cr_assert_eq(unix_ends->size, wire.len);
        same_part(unix_ends->root, whole->root, false);
        mime_message_free(unix_ends);
        mime_message_free(whole);
        buf_free(&wire);
    }
}

Test(mime, extents)
{
    const char *text = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nA: b\r\n\r\none\r\ntwo\r\n"
                       "--x\r\n\r\n--x--\r\nend\r\n";
    struct mime_message *m = mime_parse(slice_str(text));
    const struct mime_part *one = m->root->child, *two = one->next;
    cr_assert(slice_eq_str(one->header_text, "A: b\r\n"));
    cr_assert_eq(one->header.size, 8);
    cr_assert(slice_eq_str(slice_of(text + one->body.offset, one->body.size), "one\r\ntwo"));
    cr_assert_eq(one->body.lines, 1);
    cr_assert_eq(two->header.size, 2);
    cr_assert_eq(two->body.size, 0);
    cr_assert_eq(m->root->body.offset + m->root->body.size, strlen(text));
    mime_message_free(m);
}

Test(mime, header_alone)
{
    struct mime_parser *p = mime_parser_new();
    mime_parser_push(p, SLICE("Subject: x\nTo: y\n"));
    cr_assert_not(mime_parser_header_done(p));
    mime_parser_push(p, SLICE("\n"));
    cr_assert(mime_parser_header_done(p));
    struct mime_message *m = mime_parser_end(p);
    cr_assert(slice_eq_str(m->root->header_text, "Subject: x\nTo: y\n"));
    mime_message_free(m);
}

Test(mime, bounds)
{
    struct buf text = {0};
    for (int i = 0; i < 2 * MIME_DEPTH_MAX; i++)      /* depth */
        buf_printf(&text, "Content-Type: multipart/mixed; boundary=b%dz\n\n--b%dz\n", i, i);
    struct mime_message *m = mime_parse(buf_slice(&text));
    int depth = 0;
    for (const struct mime_part *p = m->root; p->child; p = p->child)
        depth++;
    cr_assert_eq(depth, MIME_DEPTH_MAX);
    mime_message_free(m);

    buf_clear(&text);                                 /* number of parts */
    buf_add_str(&text, "Content-Type: multipart/mixed; boundary=b\n\n");
    for (int i = 0; i < 2 * MIME_PARTS_MAX; i++)
        buf_add_str(&text, "--b\n\n");
    buf_add_str(&text, "--b--\nend");
    m = mime_parse(buf_slice(&text));
    cr_assert_eq(m->root->children, MIME_PARTS_MAX - 1);
    mime_message_free(m);

    buf_clear(&text);                                 /* header text: long lines, many lines */
    for (int i = 0; i < 2 * MIME_HEADER_MAX / 4; i++)
        buf_add_str(&text, "a: b");
    for (int i = 0; i < 1000; i++)
        buf_add_str(&text, "\nb: c");
    buf_add_str(&text, "\n\nbody\n");
    m = mime_parse(buf_slice(&text));
    cr_assert_leq(m->root->header_text.n, MIME_HEADER_MAX);
    cr_assert_eq(m->root->header.size + m->root->body.size, m->size);
    cr_assert_eq(m->root->body.size, 6);
    mime_message_free(m);
    buf_free(&text);
}

static const struct { const char *value, *name, *text; } PARAMETERS[] = {
    {"; a=b", "a", "b"},
    {"; A=\"b \\\"c\\\" ;d\" ; e=f", "a", "b \"c\" ;d"},
    {"; x=1; a = (comment) b (another)", "a", "b"},
    {"; filename=my file.txt; a=b", "filename", "my file.txt"},
    {"; a*0=one; a*1=\"two\"; a*2=three", "a", "onetwothree"},
    {"; a*1=two; b=c; a*0=one", "a", "onetwo"},                  /* RFC 2231 3: any order */
    {"; a*0=one; a*2=three", "a", "one"},                        /* a gap */
    {"; a*=iso-8859-1'en'%E4%E4x", "a", "\xc3\xa4\xc3\xa4x"},
    {"; a*0*=utf-8''%c3; a*1*=%a4; a*2=%41", "a", "\xc3\xa4%41"},
    {"; a=plain; a*=utf-8''better", "a", "better"},
    {"; a*=%41", "a", "A"},                                      /* no charset: as it is */
    {"; a==?utf-8?q?=C3=A4?=", "a", "\xc3\xa4"},
    {"; a=\xe4", "a", "\xc3\xa4"},
    {"; a=b; a=c", "a", "b"},
    {"; a", "a", NULL},
    {"; a=\"never ends", "a", "never ends"},
    {";;;=x; a=b;", "a", "b"},
};

Test(mime, parameters)
{
    for (size_t i = 0; i < sizeof PARAMETERS / sizeof PARAMETERS[0]; i++) {
        struct mime_parameters list;
        mime_parameters_parse(&list, slice_str(PARAMETERS[i].value));
        const char *got = mime_parameter(&list, PARAMETERS[i].name);
        if (PARAMETERS[i].text)
            cr_assert_str_eq(got ? got : "(none)", PARAMETERS[i].text, "%s", PARAMETERS[i].value);
        else
            cr_assert_null(got);
        mime_parameters_free(&list);
    }
}
