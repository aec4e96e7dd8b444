#include "reference/policy/header_pattern.h"

#include "base/mem.h"
#include "reference/message/decode.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <time.h>

/* Of one field, and of pcre2's search in it. */
enum { VALUE_MAX = 10000, MATCH_STEPS_MAX = 100000, SHOWN_MAX = 100 };
/* Of our processor, for one header: thousands of fields may each take nearly all their steps. */
enum { HEADER_MS_MAX = 300 };

struct header_pattern {
    char *name;              /* NULL: any field */
    char *words;             /* NULL: an expression, or nothing is asked of the value */
    pcre2_code *expression;
};

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)          /* RFC 5322 3.6.8 */
        if (s.p[i] <= ' ' || s.p[i] >= 127 || s.p[i] == ':')
            return false;
    return s.n > 0;
}

static pcre2_code *compile(struct slice text, struct buf *why)
{
    int error;
    PCRE2_SIZE at;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)text.p, text.n,
                                     PCRE2_CASELESS | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);
    if (!code) {
        PCRE2_UCHAR message[120];
        pcre2_get_error_message(error, message, sizeof message);
        buf_printf(why, "in the expression at %zu: %s", (size_t)at, (const char *)message);
    }
    return code;
}

struct header_pattern *header_pattern_new(const char *text, struct buf *why)
{
    struct slice value = slice_str(text), name;
    bool asks_value = slice_index(value, ':') >= 0;
    if (!slice_next(&value, ':', &name) || !is_name(slice_trim(name))) {
        buf_add_str(why, "write \"Subject: cheap pills\", \"Subject: /expression/\" or \"List-Id\"");
        return NULL;
    }
    value = slice_trim(value);
    if (asks_value && (value.n == 0 || (value.p[0] == '/' && (value.n < 3 || value.p[value.n - 1] != '/')))) {
        buf_add_str(why, "nothing stands behind the colon, or no / ends the expression");
        return NULL;
    }
    struct header_pattern *p = xcalloc(1, sizeof *p);
    name = slice_trim(name);
    p->name = slice_eq_str(name, "*") ? NULL : slice_dup(name);
    if (asks_value && value.p[0] == '/')
        p->expression = compile(slice_sub(value, 1, value.n - 1), why);
    else if (asks_value)
        p->words = slice_dup(value);
    if (asks_value && !p->words && !p->expression) {
        header_pattern_free(p);
        return NULL;
    }
    return p;
}

void header_pattern_free(struct header_pattern *p)
{
    if (!p)
        return;
    free(p->name);
    free(p->words);
    pcre2_code_free(p->expression);
    free(p);
}

static bool has_words(struct slice value, struct slice words)
{
    for (size_t i = 0; i + words.n <= value.n; i++)
        if (slice_ieq(slice_sub(value, i, i + words.n), words))
            return true;
    return false;
}

/* pcre2's data and limits are made anew: patterns belong to all sessions at once. */
static enum header_found search(const pcre2_code *code, struct slice value)
{
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);
    pcre2_set_match_limit(limits, MATCH_STEPS_MAX);
    int r = pcre2_match(code, (PCRE2_SPTR)value.p, value.n, 0, 0, data, limits);
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return r >= 0 ? HEADER_FOUND : r == PCRE2_ERROR_NOMATCH ? HEADER_ABSENT : HEADER_GIVEN_UP;
}

static enum header_found look_at(const struct header_pattern *p, struct slice field, struct buf *why)
{
    struct slice value = field, name;
    if (!slice_next(&value, ':', &name))
        return HEADER_ABSENT;
    name = slice_trim(name);
    if (p->name && !slice_ieq_str(name, p->name))
        return HEADER_ABSENT;
    struct buf text = {0};
    decode_header(&text, slice_sub(value, 0, value.n < VALUE_MAX ? value.n : VALUE_MAX));
    struct slice shown = slice_trim(buf_slice(&text));
    enum header_found r = p->expression ? search(p->expression, shown)
                          : !p->words || has_words(shown, slice_str(p->words)) ? HEADER_FOUND
                                                                               : HEADER_ABSENT;
    if (r == HEADER_GIVEN_UP)
        buf_printf(why, "the expression takes too long for %.*s", SLICE_ARG(name));
    else if (r == HEADER_FOUND)
        buf_printf(why, "%.*s: %.*s", SLICE_ARG(name),
                   (int)(shown.n < SHOWN_MAX ? shown.n : SHOWN_MAX), shown.p);
    buf_free(&text);
    return r;
}

static int64_t processor_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

enum header_found header_pattern_find(const struct header_pattern *p, struct slice header,
                                      struct buf *why)
{
    enum header_found r = HEADER_ABSENT;
    int64_t end = p->expression ? processor_ms() + HEADER_MS_MAX : 0;
    while (header.n > 0 && r == HEADER_ABSENT) {
        /* a field ends before the next line that does not begin with white space (RFC 5322 2.2.3) */
        size_t n = 0;
        do {
            ptrdiff_t lf = slice_index(slice_sub(header, n, header.n), '\n');
            n = lf < 0 ? header.n : n + (size_t)lf + 1;
        } while (n < header.n && (header.p[n] == ' ' || header.p[n] == '\t'));
        r = look_at(p, slice_sub(header, 0, n), why);
        if (r == HEADER_ABSENT && p->expression && processor_ms() > end) {
            buf_add_str(why, "the expression takes too long for so many fields");
            r = HEADER_GIVEN_UP;
        }
        header = slice_sub(header, n, header.n);
    }
    return r;
}
