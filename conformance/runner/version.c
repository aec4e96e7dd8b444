/* version.c - versions as numbers with dots between them. */
#include "conformance/runner/version.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

bool version_is_need(const char *need)
{
    /* "imap:AUTH=PLAIN" is a capability. */
    return strpbrk(need, "<>=") != NULL && strchr(need, ':') == NULL;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The next number, and what is behind its dot. A missing one counts as 0: 3.7 is 3.7.0. */
static unsigned long number(const char **p)
{
    unsigned long n = 0;
    while (is_digit(**p) && n < 100000000)
        n = n * 10 + (unsigned long)(*(*p)++ - '0');
    while (is_digit(**p))
        ++*p;
    if (**p == '.' && is_digit((*p)[1]))
        ++*p;
    return n;
}

static int compare(const char *a, const char *b)
{
    while (is_digit(*a) || is_digit(*b)) {
        unsigned long x = is_digit(*a) ? number(&a) : 0, y = is_digit(*b) ? number(&b) : 0;
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

/* Where the program's version begins in the text, or NULL. */
static const char *find(const char *text, const char *name, size_t n)
{
    for (const char *p = text; *p; p++) {
        bool begins = p == text || !isalnum((unsigned char)p[-1]);
        if (!begins || strncasecmp(p, name, n) != 0 || isalnum((unsigned char)p[n]))
            continue;
        for (p += n; *p == ' ' || *p == '/' || *p == '-';)
            p++;
        return is_digit(*p) ? p : NULL;
    }
    return NULL;
}

bool version_agrees(const char *need, const char *version)
{
    size_t n = strcspn(need, "<>=");
    const char *have = find(version, need, n), *op = need + n;
    size_t length = strspn(op, "<>=");
    if (!have || !length)
        return true;
    int order = compare(have, op + length);
    bool equal = memchr(op, '=', length) != NULL && order == 0;
    return equal || (op[0] == '<' && order < 0) || (op[0] == '>' && order > 0);
}
