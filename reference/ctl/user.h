/* user.h - between the files of `postroad user`, `domain` and `alias`. */
#ifndef REFERENCE_CTL_USER_H
#define REFERENCE_CTL_USER_H

#include "reference/auth/virtual_db.h"

struct user_options {
    const char *config, *file, *db, *uid, *gid, *home, *scheme, *quota, *groups, *expires;
    const char *domain, *shadow, *min_uid;
    bool locked;
};

/* A new secret of the password that is asked for, malloc'ed; NULL with a message. scheme NULL:
 * "crypt". */
char *ctl_ask_password(const char *scheme);
/* The database that is to be changed: --db, or that of the first section accounts with type sqlite.
 * Exits with a message when there is none. */
sqlite3 *ctl_virtual_db(const char *config, const char *db, bool write);
/* "10M", "2027-01-31" and so on into *r. False with a message. */
bool ctl_user_fields(const struct user_options *o, struct record *r);
/* `postroad user ACTION ADDRESS`; name NULL: list them all. An exit status. */
int ctl_virtual_user(const struct user_options *o, const char *action, const char *name);
/* `postroad user import passwd|csv FILE`. */
int ctl_import(const struct user_options *o, const char *format, const char *file);

#endif
