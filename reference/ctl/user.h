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
/* "10M", "2027-01-31" and so on into *r. What is wrong (static), or NULL. */
const char *ctl_user_fields(const struct user_options *o, struct record *r);
/* `postroad user ACTION ADDRESS`; name NULL: list them all. An exit status. */
int ctl_virtual_user(const struct user_options *o, const char *action, const char *name);
/* `postroad user import passwd|csv FILE`. */
int ctl_import(const struct user_options *o, const char *format, const char *file);
/* The users of a CSV text (RFC 4180), whose first record names the columns, into db, in the caller's
 * transaction; name is what errors call it. False with lines in *errors: what came before is there. */
bool ctl_import_csv(sqlite3 *db, const char *name, struct slice text, unsigned *users,
                    struct buf *errors);
enum { CSV_COLUMNS_MAX = 32 };
/* Takes one record off *rest into field[CSV_COLUMNS_MAX], which are emptied before. How many there are,
 * 0 at the end of the text, -1 when it is wrong. */
int csv_record(struct slice *rest, struct buf *field);

#endif
