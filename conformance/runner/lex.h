/* lex.h - reading one line of a scenario: words, numbers, durations, quoted bytes, patterns. */
#ifndef RUNNER_LEX_H
#define RUNNER_LEX_H

#include "conformance/runner/ast.h"
#include "conformance/runner/source.h"

struct cursor {
    const char *start, *p;
    struct place at;           /* of start */
    struct arena *arena;
    struct diags *diags;
    bool failed;               /* an error was reported: the rest of the line means nothing */
};

struct cursor cursor_of(struct arena *a, struct diags *d, const struct line *line);
/* Reports at the cursor; always false. */
bool lex_error(struct cursor *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void lex_blanks(struct cursor *c);
bool lex_at_end(struct cursor *c);             /* after blanks */
/* Complains unless nothing is left. */
bool lex_end(struct cursor *c);
/* Takes the word if it is the next one. `words` may be several, with one blank between. */
bool lex_accept(struct cursor *c, const char *words);
/* The next run of non-blanks; NULL with a complaint that says what was expected. A comma, colon at
 * its end stays part of it. */
const char *lex_word(struct cursor *c, const char *what);
const char *lex_peek(struct cursor *c);        /* the next word, not taken; "" at the end */
const char *lex_rest(struct cursor *c);        /* all that is left, trimmed */
bool lex_number(struct cursor *c, int64_t max, int64_t *out);
bool lex_duration(struct cursor *c, int64_t *ms);
/* "no", "N", "exactly N", "at least N", "at most N", "once", "twice". False, silently, when the
 * cursor is at none of them. */
bool lex_count(struct cursor *c, struct count *out);
/* <path>, the text between the angle brackets with escapes and variables. */
bool lex_path(struct cursor *c, struct text *out);
/* "quoted" or /expression/ or bare words up to the end: a pattern. */
struct pattern *lex_pattern(struct cursor *c, const char *stop);
/* Cuts a trailing " [id, id]" off the line, where the bracket holds ids. */
void lex_tags(struct cursor *c, struct ids *out);

/* Bytes with escapes (\r \n \t \0 \e \s \xHH \\ \" \$ \/ \{N TEXT}) and $variables. */
bool text_parse(struct cursor *c, const char *from, const char *to, struct text *out);
/* The same, with /expressions/ and "exact" parts: a pattern. */
struct pattern *pattern_parse(struct cursor *c, const char *from, const char *to);

#endif
