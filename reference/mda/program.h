/* program.h - programs and files that take a message in the place of a mailbox: those of an alias or a
 * .forward, and another delivery agent such as procmail or maildrop for everybody (mailboxes { program }). */
#ifndef REFERENCE_MDA_PROGRAM_H
#define REFERENCE_MDA_PROGRAM_H

#include "reference/mda/command.h"
#include "reference/mda/session.h"

/* What a local part that only the queue writes stands for: "|name" for the commands and files of an
 * alias, "~name" for those of a user's .forward. */
enum to_what mda_what_of(const char *local);
/* Those of a user's .forward as an item of an alias: \"~user". malloc'ed. */
char *mda_commands_item(const char *user);

/* Does all commands and files of the alias; the first that does not take the message decides. */
void mda_run_alias(const struct config *c, const struct account *alias, const char *sender,
                   const char *to, struct incoming *message, struct command_result *result);
/* The same for the user's .forward, as the user. */
void mda_run_forward(const struct config *c, const struct account *a, const char *sender,
                     const char *to, struct incoming *message, struct command_result *result);
/* Runs mailboxes { program }, as the user where this process may. */
void mda_run_program(const struct config *c, const struct account *a, const char *sender,
                     const char *to, struct incoming *message, struct command_result *result);

#endif
