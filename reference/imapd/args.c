/* args.c - takes the pieces of a command off its lines: atoms, strings, numbers, lists. The lines and
 * literals themselves: args_line.c. */
#include "reference/imapd/args.h"

#include "reference/store/utf7.h"

bool args_fail(struct args *a, const char *expected)
{
    if (a->status == ARGS_GOOD) {
        a->status = ARGS_WRONG;
        a->error = expected;
    }
    return false;
}

/* ---- characters (RFC 9051 9) ------------------------------------------------------------------ */

static bool is_atom_char(char c)
{
    return c > ' ' && c < 0x7f && !strchr("(){%*\"\\]", c);
}
static bool is_astring_char(char c) { return is_atom_char(c) || c == ']'; }
static bool is_tag_char(char c) { return is_astring_char(c) && c != '+'; }
static bool is_pattern_char(char c) { return is_astring_char(c) || c == '%' || c == '*'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_set_char(char c) { return is_digit(c) || (c && strchr(":,*", c)); }
/* Raw UTF-8 outside quotes is no syntax of any RFC, so is_atom_char has none (char may be signed). */

/* The octets at the front that fit; may be none. */
static struct slice run_of(struct args *a, bool (*fits)(char))
{
    size_t n = 0;
    while (n < a->rest.n && fits(a->rest.p[n]))
        n++;
    struct slice run = slice_sub(a->rest, 0, n);
    a->rest = slice_sub(a->rest, n, a->rest.n);
    return run;
}

static bool take_run(struct args *a, bool (*fits)(char), const char *expected, struct slice *out)
{
    if (a->status != ARGS_GOOD)
        return false;
    *out = run_of(a, fits);
    return out->n > 0 || args_fail(a, expected);
}

/* ---- punctuation ------------------------------------------------------------------------------ */

bool args_next_is(const struct args *a, char c)
{
    return a->status == ARGS_GOOD && a->rest.n > 0 && a->rest.p[0] == c;
}

bool args_char(struct args *a, char c)
{
    if (args_next_is(a, c)) {
        a->rest = slice_sub(a->rest, 1, a->rest.n);
        return true;
    }
    return args_fail(a, c == ' '   ? "a space"
                        : c == '(' ? "\"(\""
                        : c == ')' ? "\")\""
                        : c == ']' ? "\"]\""
                        : c == '.' ? "\".\""
                        : c == '>' ? "\">\""
                                   : "punctuation");
}

bool args_space(struct args *a)
{
    return args_char(a, ' ');
}

bool args_at_end(const struct args *a)
{
    return a->status == ARGS_GOOD && a->rest.n == 0 && a->line_is_over;
}

bool args_end(struct args *a)
{
    if (a->status != ARGS_GOOD)
        return false;
    if (slice_trim(a->rest).n > 0 || !a->line_is_over)
        return args_fail(a, "the end of the command");
    a->rest = (struct slice){0};
    return true;
}

bool args_keyword(struct args *a, const char *word)
{
    size_t n = strlen(word);
    if (a->status != ARGS_GOOD || !slice_istarts(a->rest, slice_str(word)) ||
        (a->rest.n > n && is_atom_char(a->rest.p[n])))
        return false;
    a->rest = slice_sub(a->rest, n, a->rest.n);
    return true;
}

bool args_open(struct args *a)
{
    return args_char(a, '(');
}

bool args_more(struct args *a, bool *first)
{
    if (a->status != ARGS_GOOD)
        return false;
    if (args_next_is(a, ')')) {
        args_char(a, ')');
        return false;
    }
    if (!*first && !args_space(a))
        return false;
    *first = false;
    return true;
}

/* ---- atoms and numbers ------------------------------------------------------------------------ */

bool args_tag(struct args *a, struct slice *out)
{
    return take_run(a, is_tag_char, "a tag", out);
}

bool args_atom(struct args *a, struct slice *out)
{
    return take_run(a, is_atom_char, "an atom", out);
}

static bool is_name_char(char c)
{
    return is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '.' || c == '-';
}
static bool is_section_char(char c) { return is_atom_char(c) && c != '['; }

bool args_name(struct args *a, struct slice *out)
{
    return take_run(a, is_name_char, "an item", out);
}

bool args_section(struct args *a, struct slice *out)
{
    *out = a->status == ARGS_GOOD ? run_of(a, is_section_char) : (struct slice){0};
    return a->status == ARGS_GOOD;
}

bool args_number(struct args *a, uint64_t max, uint64_t *out)
{
    struct slice digits;
    if (!take_run(a, is_digit, "a number", &digits))
        return false;
    return slice_number(digits, max, out) || args_fail(a, "a smaller number");
}

bool args_sequence_set(struct args *a, struct number_set *out)
{
    struct slice text;
    *out = (struct number_set){0};
    if (args_next_is(a, '$')) {
        out->saved = true;
        return args_char(a, '$');
    }
    if (!take_run(a, is_set_char, "a set of numbers", &text))
        return false;
    return number_set_parse(out, text) || args_fail(a, "a set of numbers such as 1:3,5,7:*");
}

bool args_use(struct args *a, struct slice *out)
{
    return args_next_is(a, '\\') ? args_flag(a, out)
                                 : args_fail(a, "a special use such as \\Sent");
}

bool args_flag(struct args *a, struct slice *out)
{
    struct slice whole = a->rest, name;
    bool system = args_next_is(a, '\\');
    if (system)
        args_char(a, '\\');
    if (!take_run(a, is_atom_char, "a flag", &name))
        return false;
    *out = slice_sub(whole, 0, name.n + system);
    return true;
}

/* ---- strings ---------------------------------------------------------------------------------- */

/* Quoted: the escapes are undone in place, in memory of our own. */
static bool take_quoted(struct args *a, struct slice *out)
{
    char *text = (char *)(uintptr_t)a->rest.p + 1;
    size_t n = a->rest.n - 1, kept = 0, i = 0;
    while (i < n && text[i] != '"') {
        if (text[i] == '\\' && (i + 1 >= n || (text[i + 1] != '"' && text[i + 1] != '\\')))
            return args_fail(a, "\\\" or \\\\ (a backslash in quotes escapes these only)");
        if (text[i] == '\r' || text[i] == '\0')
            return args_fail(a, "text without CR, LF or NUL in quotes");
        i += text[i] == '\\';
        text[kept++] = text[i++];
    }
    if (i >= n)
        return args_fail(a, "a closing quote");
    *out = slice_of(text, kept);
    a->rest = slice_sub(a->rest, i + 2, a->rest.n);
    /* RFC 9051 4.3: quoted strings may be UTF-8; nothing else has a meaning. */
    return utf8_valid(*out) || args_fail(a, "ASCII or UTF-8 in quotes");
}

bool args_string(struct args *a, struct slice *out)
{
    if (args_next_is(a, '"'))
        return take_quoted(a, out);
    if (!args_literal_next(a))
        return args_fail(a, "a string");
    struct literal l;
    return args_literal_head(a, &l) && !l.binary ? args_literal_keep(a, &l, out)
                                                 : args_fail(a, "a string");
}

static bool string_is_next(const struct args *a)
{
    return args_next_is(a, '"') || args_literal_next(a);
}

bool args_astring(struct args *a, struct slice *out)
{
    return string_is_next(a) ? args_string(a, out)
                             : take_run(a, is_astring_char, "an atom or a string", out);
}

bool args_pattern(struct args *a, struct slice *out)
{
    return string_is_next(a) ? args_string(a, out)
                             : take_run(a, is_pattern_char, "a pattern", out);
}

bool args_nstring(struct args *a, struct slice *out)
{
    if (args_keyword(a, "NIL")) {
        *out = (struct slice){0};
        return true;
    }
    return args_string(a, out);
}

bool args_mailbox(struct args *a, struct buf *out)
{
    struct slice name;
    return args_astring(a, &name) && args_name_text(a, name, out);
}

bool args_name_text(struct args *a, struct slice name, struct buf *out)
{
    size_t before = out->len;
    if (slice_ieq_str(name, "INBOX")) {
        buf_add_str(out, "INBOX");
        return true;
    }
    if (a->utf8) {
        if (!utf8_valid(name))
            return args_fail(a, "a mailbox name in UTF-8");
        buf_add_slice(out, name);
    } else if (!utf7_to_utf8(name, out)) {
        /* RFC 3501 5.1.3; clients that send UTF-8 without ENABLE are understood where that is unambiguous. */
        if (slice_index(name, '&') >= 0 || !utf8_valid(name))
            return args_fail(a, "a mailbox name in modified UTF-7");
        buf_add_slice(out, name);
    }
    /* INBOX in any case, also as the first name of a path. */
    struct slice got = slice_sub(buf_slice(out), before, out->len);
    if (slice_istarts(got, SLICE("INBOX/")))
        memcpy(out->data + before, "INBOX", 5);
    return true;
}
