/* set.h - sequence-set of the grammar (RFC 9051 9) as the client writes it; "*" is known only once
 * the mailbox is looked at, then it becomes a struct uid_set. */
#ifndef REFERENCE_IMAPD_SET_H
#define REFERENCE_IMAPD_SET_H

#include "reference/store/uidset.h"

struct number_set {
    struct uid_range *v;         /* as written; 0 is "*" */
    size_t n, room;
    bool saved;                  /* it was "$": what SEARCH saved (RFC 9051 6.4.4.1) */
};

void number_set_free(struct number_set *s);
/* Reads the whole text. False when it is none: empty, a 0, a number over 32 bits. "$" alone sets saved. */
bool number_set_parse(struct number_set *s, struct slice text);
/* Adds what the set means where `largest` is the largest number in use (0: the mailbox is empty):
 * "*" is that number, "5:3" is "3:5". Nothing for a saved one. */
void number_set_resolve(const struct number_set *s, uint32_t largest, struct uid_set *out);

#endif
