/* forward.h - a user's own .forward file: where his mail goes instead of his mailbox.
 *
 * It has the items of an alias (docs/postroad.conf.5.md): addresses, users, \user for his mailbox,
 * "|command", /file, /folder/ for a Maildir, and :include:/file. It is read as the user. The addresses
 * are the queue's business, which asks for them with EXPN (reference/queue/forward.h); commands and
 * files are run and written here, as the user, when the message comes for "~user"@domain. */
#ifndef REFERENCE_MDA_FORWARD_H
#define REFERENCE_MDA_FORWARD_H

#include "reference/auth/aliases.h"
#include "reference/auth/auth.h"
#include "reference/config.h"

enum forward_status {
    FORWARD_NONE,              /* his mailbox it is */
    FORWARD_FOUND,
    FORWARD_LATER,             /* it is there and cannot be read now */
};

/* Who may be asked: the configuration has `forward`, the account a home, and we may be its user. */
bool forward_possible(const struct config *c, const struct account *a);
/* All items with includes read in; free them with alias_items_free. A file that others could have
 * written, or that is wrong, counts as none, since the mailbox loses nothing: the event
 * mda.forward-wrong tells why. */
enum forward_status forward_read(const struct config *c, const struct account *a,
                                 struct alias_items *items);
/* Does the item mean the user's own mailbox ("\tom", or "tom" in tom's file)? */
bool forward_is_own(const struct account *a, const char *item);
/* Is it for us to do: a command or a file? */
bool forward_is_ours(const char *item);

#endif
