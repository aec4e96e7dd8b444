/* greylist.h - who has never been here is asked to come again (RFC 6647). Triples of network,
 * sender and recipient, kept in SQLite so that they live through restarts. */
#ifndef REFERENCE_POLICY_GREYLIST_H
#define REFERENCE_POLICY_GREYLIST_H

#include "base/buf.h"
#include "base/net.h"

struct greylist;

enum grey { GREY_NEW, GREY_EARLY, GREY_PASSED, GREY_UNKNOWN /* the file cannot be used */ };

/* Opened at the first use. Times in ms: a triple passes when it comes again after `wait` and within
 * `window`; then it passes until it was not seen for `life`. */
struct greylist *greylist_new(const char *path, int64_t wait, int64_t window, int64_t life);
void greylist_free(struct greylist *g);
/* Thread-safe. now: wall-clock ms. `why` gets a sentence. */
enum grey greylist_ask(struct greylist *g, const struct netaddr *client, const char *sender,
                       const char *recipient, int64_t now, struct buf *why);

#endif
