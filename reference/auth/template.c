/* template.c - names go into queries as values, never as text of the query. */
#include "reference/auth/template.h"

#include <ctype.h>

const char *template_value(char place, const struct account_query *q)
{
    return place == 'u' ? q->address : place == 'n' ? q->local : q->domain;
}

/* The letter behind a percent sign at *p, which is moved to it. 0: no place. */
static char place_at(const char **p)
{
    if (**p != '%')
        return 0;
    ++*p;
    return **p && strchr("und%", **p) ? **p : '?';
}

static const char unknown[] = "behind % stands u, n, d or %";

const char *template_sql(const char *text, struct buf *sql, char places[TEMPLATE_PLACES_MAX + 1])
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        char place = place_at(&p);
        if (place == '?')
            return unknown;
        if (place && place != '%' && n == TEMPLATE_PLACES_MAX)
            return "more than 16 places for a value";
        if (place && place != '%')
            places[n++] = place;
        buf_add_byte(sql, place && place != '%' ? '?' : *p);
    }
    places[n] = 0;
    return NULL;
}

/* RFC 4515 3: a backslash and two hexadecimal digits stand for an octet. */
static void add_value(struct buf *filter, const char *value)
{
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;
        if (c < 128 && (isalnum(c) || strchr("@.-_+= ", c)))
            buf_add_byte(filter, *value);
        else
            buf_printf(filter, "\\%02x", c);
    }
}

const char *template_ldap(const char *text, const struct account_query *q, struct buf *filter)
{
    for (const char *p = text; *p; p++) {
        char place = place_at(&p);
        if (place == '?')
            return unknown;
        if (place && place != '%')
            add_value(filter, template_value(place, q));
        else
            buf_add_byte(filter, *p);
    }
    return NULL;
}
