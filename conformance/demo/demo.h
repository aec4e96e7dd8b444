/* demo.h - the parts of demo-page, the program behind `make demo`. */
#ifndef DEMO_DEMO_H
#define DEMO_DEMO_H

#include "base/buf.h"

/* Tells on standard output what is new in the logs of the folder, until the log of `host` has
 * `wanted` events of this name. 0, or 1 when that did not come to be in time. */
int follow(const char *dir, const char *host, const char *name, size_t wanted, int64_t timeout_ms);

/* Whether `got` is `sent`, byte for byte, but for fields that servers add: Return-Path and Received
 * on top (RFC 5321 4.4), Date and Message-ID where they were missing (RFC 6409 8). Adds an event
 * to the demo's log that says so, with the path that the Received fields tell. 0 or 1. */
int compare(const char *dir, const char *sent_path, const char *got_path);

/* Appends a file of the folder `assets`, or ends the program. */
void page_add_asset(struct buf *b, const char *assets, const char *name);
/* Appends the head of a page, up to the time of its run, `us` since 1970: the common style and, when `css` is not
 * NULL, one of its own, both of the folder `assets`. `title` and `heading` are HTML. */
void page_begin(struct buf *b, const char *assets, const char *css, const char *title,
                const char *heading, int64_t us);

/* The page of the run, with the style and the script of the folder `assets`. 0 or 1. */
int page(const char *dir, const char *assets);

#endif
