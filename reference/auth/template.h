/* template.h - queries that the configuration gives, with places for the name: %u the whole address
 * (or bare name), %n its local part, %d its domain, %% a percent sign. */
#ifndef REFERENCE_AUTH_TEMPLATE_H
#define REFERENCE_AUTH_TEMPLATE_H

#include "reference/auth/backend.h"

enum { TEMPLATE_PLACES_MAX = 16 };

/* SQL with a "?" for each place, and which letter each was: `places` gets up to
 * TEMPLATE_PLACES_MAX of "u", "n", "d" and a NUL. The problem (static), or NULL. */
const char *template_sql(const char *text, struct buf *sql, char places[TEMPLATE_PLACES_MAX + 1]);
/* The value of a place. */
const char *template_value(char place, const struct account_query *q);
/* A filter of RFC 4515 with each value escaped by its section 3: no value can be more than that. The
 * problem (static), or NULL. */
const char *template_ldap(const char *text, const struct account_query *q, struct buf *filter);

#endif
