/* imap.h - IMAP responses as parsed data, and patterns for them (RFC 9051 section 4).
 *
 * A pattern is written like the data: atoms (ASCII case folded), numbers, "strings" (equal to the
 * same string as a literal or as an atom), (lists), [response codes], NIL, and beside them
 *   $name           binds or compares one item     *    one item, whatever it is
 *   ...             any further items              {A B} a list with at least these, in any order
 *   /expression/    an atom or string that matches
 *   ~"text" ~/expression/   a literal8 (RFC 3516)
 */
#ifndef RUNNER_IMAP_H
#define RUNNER_IMAP_H

#include "conformance/runner/ast.h"
#include "conformance/runner/env.h"

struct cursor;

enum imap_kind { IMAP_ATOM, IMAP_STRING, IMAP_NIL, IMAP_LIST, IMAP_CODE, IMAP_TEXT,
                 IMAP_ANY, IMAP_REST, IMAP_SET, IMAP_VAR, IMAP_REGEX };

struct imap_node {
    enum imap_kind kind;
    struct slice bytes;            /* atom, string, text; name of a variable; expression */
    enum var_type type;
    bool binary;                   /* came as a literal8; in a pattern: must have */
    struct imap_node *items;
    size_t count;
};

enum { IMAP_DEPTH_MAX = 100 };

/* A pattern from the scenario; NULL with a complaint. */
struct pattern *imap_pattern(struct cursor *c, const char *from, const char *to);
/* A whole response without its final CRLF, literals inside. False when it is no valid response;
 * *why says so. */
bool imap_parse(struct arena *a, struct slice response, struct imap_node *out, const char **why);
/* Does the response match? Variables that it binds are put into env only then. */
bool imap_match(const struct imap_node *pattern, const struct imap_node *response,
                struct env *env);

#endif
