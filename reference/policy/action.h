/* action.h - the verdicts of the configuration, as an operator writes them:
 *
 *   accept                                 no later rule of this stage is asked
 *   reject [550] [5.7.1] [text]            refused for good
 *   defer  [451] [4.7.1] [text]            refused for now: the client tries again
 *   tag    Name: text                      this header field is added; later rules go on
 *   quarantine [address]                   taken, but delivered there instead
 *   hold                                   taken, and kept for the operator
 *   discard                                answered 250 and thrown away
 *
 * In texts $client, $name (its verified host name), $helo, $sender, $recipient, $list, $code,
 * $reason and $why are replaced. */
#ifndef REFERENCE_POLICY_ACTION_H
#define REFERENCE_POLICY_ACTION_H

#include "base/buf.h"

enum action_kind {
    ACTION_ACCEPT, ACTION_REJECT, ACTION_DEFER, ACTION_TAG, ACTION_QUARANTINE, ACTION_HOLD,
    ACTION_DISCARD,
};

struct action {
    enum action_kind kind;
    int code;               /* reject, defer: of the reply; 0: the usual one of the stage */
    char *enhanced;         /* RFC 3463; NULL: the usual one */
    char *text;             /* of the reply, the whole field of tag, the address of quarantine */
};

/* "reject", ... */
const char *action_name(enum action_kind kind);
/* False with *why (static: what is wrong and what to write) when the text is no verdict. The
 * members of *out are the caller's, to be freed with action_free. */
bool action_parse(struct slice text, struct action *out, const char **why);
void action_free(struct action *a);

/* A name and what stands for it in a text. */
struct action_word { const char *name; const char *value; };
/* Appends `text` with each $name replaced; octets that no reply or field may have become "?".
 * `words` ends with a NULL name; a NULL value is "-". An unknown $name stays as it is. */
void action_text(struct buf *out, const char *text, const struct action_word *words);

#endif
