/* program.h - programs that take a message in the place of a mailbox: the commands of an alias, and
 * another delivery agent such as procmail or maildrop for everybody (mailboxes { program }). */
#ifndef REFERENCE_MDA_PROGRAM_H
#define REFERENCE_MDA_PROGRAM_H

#include "reference/mda/command.h"
#include "reference/mda/mda.h"

/* The queue's address for the commands of the alias `name` has the local part "|name". NULL: it is not
 * one; else the name. */
const char *mda_commands_of(const char *local);

/* Runs all commands of the alias; the first that does not take the message decides. */
void mda_run_commands(const struct config *c, const struct account *alias, const char *sender,
                      const char *to, struct incoming *message, struct command_result *result);
/* Runs mailboxes { program }, as the user where this process may. */
void mda_run_program(const struct config *c, const struct account *a, const char *sender,
                     const char *to, struct incoming *message, struct command_result *result);

#endif
