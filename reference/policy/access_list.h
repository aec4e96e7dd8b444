/* access_list.h - lists of clients, names and addresses, in a file or an SQLite table.
 *
 * A file has a pattern a line, and behind it, if one likes, the reason; "#" begins a comment.
 * What a pattern may be depends on what is looked up:
 *
 *   clients      198.51.100.7   198.51.100.0/24   2001:db8::/32
 *   host names   mail.example.org    .example.org (what is below it)
 *   mailboxes    jerry@example.org   @example.org   .example.org   jerry@   <> (the null path)
 *   pairs        two patterns of mailboxes: sender, recipient
 *
 * A file that changes is read again at its next use; when it cannot be read the old content stays
 * in force. An SQLite table has the columns pattern and reason: "sqlite:FILE#TABLE". */
#ifndef REFERENCE_POLICY_ACCESS_LIST_H
#define REFERENCE_POLICY_ACCESS_LIST_H

#include "base/buf.h"
#include "base/net.h"

enum subject_kind { SUBJECT_CLIENT, SUBJECT_NAME, SUBJECT_MAILBOX, SUBJECT_PAIR };

/* What is looked up; the strings are borrowed. */
struct subject {
    enum subject_kind kind;
    const struct netaddr *client;
    const char *text;               /* host name, or mailbox ("" is the null reverse-path) */
    const char *second;             /* the recipient of a pair */
};

enum list_answer { LIST_NO, LIST_YES, LIST_UNKNOWN /* it cannot be read now */ };

/* Calls each(arg, pattern) for every pattern that would have the subject, the narrowest first,
 * until it gives anything but LIST_NO, which is the result. Patterns are in small letters. */
enum list_answer subject_patterns(const struct subject *s,
                                  enum list_answer (*each)(void *arg, const char *pattern),
                                  void *arg);

struct access_list;

/* "file:PATH" or "sqlite:PATH#TABLE" or a pattern on its own; names relative to `folder`. Never
 * NULL: what cannot be opened answers LIST_UNKNOWN, and access_list_check says why. */
struct access_list *access_list_new(const char *source, const char *folder);
void access_list_free(struct access_list *l);
/* Thread-safe. *why gets what matched ("blocked:3 198.51.100.0/24"), *reason the list's words. */
enum list_answer access_list_find(struct access_list *l, const struct subject *s, struct buf *why,
                                  struct buf *reason);
/* False, with a line that names the file and the remedy appended to *errors. */
bool access_list_check(struct access_list *l, struct buf *errors);

#endif
