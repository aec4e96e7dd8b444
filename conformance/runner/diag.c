#include "conformance/runner/diag.h"

#include <ctype.h>

void place_text(struct buf *b, struct place at)
{
    buf_printf(b, "%s:%d", at.file ? at.file : "?", at.line);
    if (at.col)
        buf_printf(b, ":%d", at.col);
}

void diag_error(struct diags *d, struct place at, const char *fmt, ...)
{
    d->errors++;
    if (d->errors > DIAGS_MAX)
        return;
    place_text(&d->text, at);
    buf_add_str(&d->text, ": error: ");
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&d->text, fmt, ap);
    va_end(ap);
    buf_add_byte(&d->text, '\n');
}

enum { WORD_MAX = 64 };

static int distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX)
        return WORD_MAX;
    int row[WORD_MAX + 1];
    for (size_t j = 0; j <= m; j++)
        row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int change = diagonal + (tolower((unsigned char)a[i - 1]) !=
                                     tolower((unsigned char)b[j - 1]));
            diagonal = row[j];
            int best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < best ? change : best;
        }
    }
    return row[m];
}

const char *diag_nearest(const char *word, const char *const *candidates, size_t n)
{
    const char *best = NULL;
    int best_distance = (int)(strlen(word) / 3) + 1;
    for (size_t i = 0; i < n; i++) {
        int d = candidates[i] ? distance(word, candidates[i]) : WORD_MAX;
        if (d <= best_distance) {
            best_distance = d - 1;
            best = candidates[i];
        }
    }
    return best;
}
