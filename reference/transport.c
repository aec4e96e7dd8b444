/* transport.c - finding the transport of an address. */
#include "reference/transport.h"

#include "base/mem.h"

#include <stdlib.h>

static const struct transport *by_pattern(const struct config *c, struct slice pattern)
{
    for (size_t i = 0; i < c->transport_count; i++)
        if (slice_ieq_str(pattern, c->transports[i].pattern))
            return &c->transports[i];
    return NULL;
}

const struct transport *transport_find(const struct config *c, const char *address,
                                       struct slice domain, bool local)
{
    const struct transport *t = NULL;
    if (c->transport_count == 0)
        return NULL;
    if ((t = by_pattern(c, slice_str(address))) || (t = by_pattern(c, domain)))
        return t;
    for (size_t i = 1; i < domain.n; i++)
        if (domain.p[i] == '.' && (t = by_pattern(c, slice_sub(domain, i, domain.n))))
            return t;
    return local ? NULL : by_pattern(c, SLICE("*"));
}

static void add_replaced(struct buf *b, struct slice word, const char *sender,
                         const char *recipient)
{
    struct slice to = slice_str(recipient);
    ptrdiff_t at = slice_rindex(to, '@');
    struct slice local = slice_sub(to, 0, at < 0 ? to.n : (size_t)at);
    ptrdiff_t plus = slice_index(local, '+');
    const struct { struct slice name, value; } known[] = {
        {SLICE("{recipient}"), to},
        {SLICE("{sender}"), slice_str(sender)},
        {SLICE("{domain}"), at < 0 ? SLICE("") : slice_sub(to, (size_t)at + 1, to.n)},
        {SLICE("{user}"), slice_sub(local, 0, plus < 0 ? local.n : (size_t)plus)},
        {SLICE("{extension}"),
         plus < 0 ? SLICE("") : slice_sub(local, (size_t)plus + 1, local.n)},
    };
    while (word.n > 0) {
        size_t i = 0, n = sizeof known / sizeof *known;
        while (i < n && !slice_starts(word, known[i].name))
            i++;
        if (i < n)
            buf_add_slice(b, known[i].value);
        else
            buf_add_byte(b, word.p[0]);
        word = slice_sub(word, i < n ? known[i].name.n : 1, word.n);
    }
}

char **transport_words(const char *command, const char *sender, const char *recipient)
{
    struct slice rest = slice_str(command), word;
    char **words = NULL;
    size_t n = 0;
    while (slice_word(&rest, &word)) {
        struct buf b = {0};
        add_replaced(&b, word, sender, recipient);
        words = xreallocarray(words, n + 2, sizeof *words);
        words[n++] = buf_take(&b);
        words[n] = NULL;
    }
    return words;
}

void transport_words_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}
