/* action.c - reading a verdict of the configuration, filling in its text. */
#include "reference/policy/action.h"

#include "base/mem.h"

#include <stdlib.h>

static const char *const names[] = {
    [ACTION_ACCEPT] = "accept",         [ACTION_REJECT] = "reject", [ACTION_DEFER] = "defer",
    [ACTION_TAG] = "tag",               [ACTION_QUARANTINE] = "quarantine",
    [ACTION_HOLD] = "hold",             [ACTION_DISCARD] = "discard",
};

enum { ACTIONS = sizeof names / sizeof *names };

const char *action_name(enum action_kind kind) { return names[kind]; }

/* RFC 3463 2: class, subject and detail, here of the class that goes with the code. */
static bool is_enhanced(struct slice s, char class)
{
    struct slice part;
    int parts = 0;
    uint64_t n;
    if (s.n < 5 || s.p[0] != class)
        return false;
    while (slice_next(&s, '.', &part)) {
        if (!slice_number(part, 999, &n))
            return false;
        parts++;
    }
    return parts == 3;
}

/* "[code] [enhanced] [text]" of reject and defer. */
static bool parse_reply(struct slice rest, char class, struct action *out, const char **why)
{
    struct slice before = rest, word;
    uint64_t code;
    if (slice_word(&rest, &word) && slice_number(word, 999, &code)) {
        if (word.n != 3 || word.p[0] != class) {
            *why = class == '5' ? "the code of reject is 5yz (RFC 5321 4.2.1); for 4yz write defer"
                                : "the code of defer is 4yz (RFC 5321 4.2.1); for 5yz write reject";
            return false;
        }
        out->code = (int)code;
        before = rest;
    } else {
        rest = before;
    }
    if (slice_word(&rest, &word) && is_enhanced(word, class)) {
        out->enhanced = slice_dup(word);
        before = rest;
    }
    before = slice_trim(before);
    out->text = before.n > 0 ? slice_dup(before) : NULL;
    return true;
}

/* RFC 5322 2.2, 3.6.8: a name of printable ASCII, a colon, the text. */
static bool is_field(struct slice s)
{
    ptrdiff_t colon = slice_index(s, ':');
    if (colon <= 0)
        return false;
    for (ptrdiff_t i = 0; i < colon; i++)
        if (s.p[i] < 33 || s.p[i] > 126)
            return false;
    return true;
}

bool action_parse(struct slice text, struct action *out, const char **why)
{
    struct slice rest = text, word;
    *out = (struct action){0};
    *why = "write accept, reject, defer, tag, quarantine, hold or discard";
    if (!slice_word(&rest, &word))
        return false;
    size_t kind = 0;
    while (kind < ACTIONS && !slice_eq_str(word, names[kind]))
        kind++;
    if (kind == ACTIONS)
        return false;
    out->kind = (enum action_kind)kind;
    rest = slice_trim(rest);
    switch (out->kind) {
    case ACTION_REJECT:
        return parse_reply(rest, '5', out, why);
    case ACTION_DEFER:
        return parse_reply(rest, '4', out, why);
    case ACTION_TAG:
        *why = "tag takes a header field; write \"tag X-Listed: by $list\"";
        out->text = slice_dup(rest);
        return is_field(rest);
    case ACTION_QUARANTINE:
        *why = "quarantine takes one address; write \"quarantine spam@example.org\"";
        out->text = rest.n > 0 ? slice_dup(rest) : NULL;
        return slice_index(rest, ' ') < 0;
    default:
        *why = "accept, hold and discard take nothing more";
        return rest.n == 0;
    }
}

void action_free(struct action *a)
{
    free(a->enhanced);
    free(a->text);
    *a = (struct action){0};
}

/* The word that begins at text (behind the "$"); NULL: none of ours. */
static const struct action_word *find_word(const char *text, const struct action_word *words)
{
    const struct action_word *best = NULL;
    for (; words->name; words++) {
        size_t n = strlen(words->name);
        if (strncmp(text, words->name, n) == 0 && (!best || n > strlen(best->name)))
            best = words;
    }
    return best;
}

void action_text(struct buf *out, const char *text, const struct action_word *words)
{
    size_t from = out->len;
    while (*text) {
        const struct action_word *w = *text == '$' ? find_word(text + 1, words) : NULL;
        if (w) {
            buf_add_str(out, w->value && *w->value ? w->value : "-");
            text += 1 + strlen(w->name);
        } else {
            buf_add_byte(out, *text++);
        }
    }
    for (size_t i = from; i < out->len; i++)
        if (out->data[i] < 32 || out->data[i] > 126)
            out->data[i] = '?';
}
