/* aliases.h - the aliases file, in the syntax of aliases(5). See docs/postroad.conf.5.md. */
#ifndef REFERENCE_AUTH_ALIASES_H
#define REFERENCE_AUTH_ALIASES_H

#include "base/buf.h"

enum {
    ALIASES_FILE_MAX = 16 * 1024 * 1024,  /* octets; an included file too */
    ALIASES_ITEMS_MAX = 10000,            /* of one alias, includes read in */
    ALIASES_INCLUDE_DEPTH = 8,            /* files that name files */
    ALIASES_INCLUDE_FILES = 100,          /* read for one alias */
    ALIASES_NAME_MAX = 256,
};

/* One item a text: an address or user as written (quotes kept), "|command", "/file",
 * ":include:/file", "\user" for the account of that name whatever the aliases say. The quotes
 * around a whole command, file or include are removed. */
struct alias_items { char **v; size_t n; };

struct alias {
    char *name;                   /* lower case, without quotes */
    unsigned line;
    struct alias_items items;
};

struct aliases { struct alias *v; size_t n; };      /* sorted by name */

/* Replaces *out by what `text` says. False when anything is wrong: every problem is in *errors as
 * "file:line: what; remedy", and *out is empty. */
bool aliases_parse(struct aliases *out, struct slice text, const char *file, struct buf *errors);
bool aliases_load(struct aliases *out, const char *file, struct buf *errors);
void aliases_free(struct aliases *a);
/* The alias of this local part (no quotes), ASCII case folded; NULL when there is none. */
const struct alias *aliases_find(const struct aliases *a, struct slice local);

/* Appends the items of a list with commas, such as a line of a .forward file. What is wrong with it,
 * with the remedy, or NULL. */
const char *aliases_parse_items(struct slice s, struct alias_items *items);
/* Appends the items of `from` to *out with every :include: replaced by the file's items. False
 * when a file cannot be read or is wrong, with the reason in *errors; what was good is kept. */
bool aliases_expand_includes(const struct alias_items *from, struct alias_items *out,
                             struct buf *errors);
void alias_items_add(struct alias_items *l, char *item);   /* takes the item */
void alias_items_free(struct alias_items *l);

/* A local part without the quoting of RFC 5321 4.1.2: "ann lee" in quotes becomes ann lee, with
 * backslashes resolved; another text stays as it is. malloc'ed. */
char *local_part_unquote(struct slice local);

#endif
