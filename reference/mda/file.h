/* file.h - a file or folder that an alias or a .forward names, in the place of a mailbox. */
#ifndef REFERENCE_MDA_FILE_H
#define REFERENCE_MDA_FILE_H

#include "reference/mda/command.h"
#include "reference/mda/mda.h"

/* Adds the message to the mbox `path`, or to the Maildir when `path` ends in a slash; what is missing is
 * made, mode 0600 or 0700. With the rights of who->uid and gid; -1: our own. /dev/null takes it and
 * keeps nothing. */
void mda_append_file(const struct config *c, const struct account *who, const char *path,
                     const char *sender, struct incoming *message, struct command_result *result);

#endif
