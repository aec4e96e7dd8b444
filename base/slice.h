/* slice.h - a view of bytes that somebody else owns.
 *
 * A slice is a pointer and a length; it may hold any byte, NUL included, and is never
 * NUL-terminated. Nothing here allocates. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

/* For printf: printf("%.*s", SLICE_ARG(s)). Slices over INT_MAX are cut. */
#define SLICE_ARG(s) ((s).n > 0x7fffffff ? 0x7fffffff : (int)(s).n), ((s).p ? (s).p : "")

/* A slice of a string literal, without counting at run time. */
#define SLICE(lit) ((struct slice){(lit), sizeof(lit) - 1})

/* The slice of a NUL-terminated string (NULL gives the empty slice). */
struct slice slice_str(const char *s);

/* n bytes at p. */
static inline struct slice slice_of(const void *p, size_t n) { return (struct slice){p, n}; }

/* Bytes [from, to) of s; both ends are clamped to s, so the result is always inside it. */
struct slice slice_sub(struct slice s, size_t from, size_t to);

bool slice_eq(struct slice a, struct slice b);
bool slice_eq_str(struct slice a, const char *b);
/* Equality with ASCII letters folded, and nothing else: the rule of SMTP verbs, domain names
 * (RFC 4343) and header names. */
bool slice_ieq(struct slice a, struct slice b);
bool slice_ieq_str(struct slice a, const char *b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_istarts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);

/* Index of the first (last) byte c, or -1. */
ptrdiff_t slice_index(struct slice s, char c);
ptrdiff_t slice_rindex(struct slice s, char c);
/* Index of the first occurrence of needle, or -1. An empty needle is found at 0. */
ptrdiff_t slice_find(struct slice s, struct slice needle);

/* Without the spaces, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);

/* Cuts the next field off *rest up to the byte sep (dropped) and returns it; *rest becomes what
 * follows, with p == NULL when the last field has been given. Returns false when there is none. */
bool slice_next(struct slice *rest, char sep, struct slice *field);
/* The same for fields separated by runs of spaces and tabs; never gives an empty field. */
bool slice_word(struct slice *rest, struct slice *word);

/* The unsigned decimal number that s wholly is (digits only, at least one, no sign, no space).
 * False when it is none or over max. */
bool slice_number(struct slice s, uint64_t max, uint64_t *out);

/* A NUL-terminated copy from malloc; a NUL inside ends the string early for its reader, so check
 * first where that matters. Aborts when memory is out. */
char *slice_dup(struct slice s);

#endif
