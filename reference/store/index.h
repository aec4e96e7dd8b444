/* index.h - the SQLite file of an account; for the files of this folder only.
 *
 * Statements are a table (index.c); they are prepared when first used. Values are bound by a
 * string of types: 'i' int64_t, 's' const char * (NULL: null), 't' a
 * struct slice as text, 'b' as it is. Every function
 * is called with the account's lock held.
 *
 * How durable: the file is in WAL mode. A commit that is not durable survives the end of the
 * process, a durable one a power cut too. Durable are those that promise something to the world
 * which cannot be found out again: a new range of UIDs, a mailbox's name. */
#ifndef REFERENCE_STORE_INDEX_H
#define REFERENCE_STORE_INDEX_H

#include "base/buf.h"

#include <sqlite3.h>
#include <sys/stat.h>

enum statement {
    ST_META_GET, ST_META_SET, ST_META_DELETE, ST_META_NAMES,
    ST_MAILBOX_BY_NAME, ST_MAILBOX_BY_ID, ST_MAILBOX_ADD, ST_MAILBOX_SAVE, ST_MAILBOX_RECENT,
    ST_MAILBOX_RENAME,
    ST_MAILBOX_DELETE, ST_MAILBOX_NAMES, ST_MAILBOX_TOTALS,
    ST_MESSAGES, ST_MESSAGES_SINCE, ST_MESSAGE_ADD, ST_MESSAGE_FLAGS, ST_MESSAGES_FLAGS,
        ST_MESSAGE_FILE,
        ST_MESSAGE_SIZE, ST_MESSAGE_MEASURED,
    ST_MESSAGE_DELETE,
    ST_VANISHED_ADD, ST_VANISHED_SINCE, ST_VANISHED_COUNT, ST_VANISHED_NTH, ST_VANISHED_PRUNE,
    ST_VANISHED_DELETE,
    ST_CACHE_READ, ST_CACHE_PUT, ST_CACHE_COPY, ST_CACHE_DELETE,
    ST_DATA_VERSION, ST_BEGIN, ST_COMMIT, ST_ROLLBACK, ST_FULL, ST_NORMAL,
    STATEMENTS
};

struct index {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *st[STATEMENTS];
    struct stat file;              /* which file it is */
    bool durable;                  /* the mode that is set */
    bool may_sync;                 /* config->fsync */
    bool parked;                   /* closed until it is needed again */
    bool damaged;                  /* must be thrown away */
    bool replaced;                 /* index_open found a damaged one and has made a new one */
    int64_t data_version;          /* changes when another connection has committed */
};

/* Opens the file, making or replacing it when it is missing or damaged. -1 with errno. */
int index_open(struct index *ix, const char *path, bool may_sync);
void index_close(struct index *ix);
/* Is the file still there, and the same? (Another process may have replaced it.) */
bool index_is_current(const struct index *ix);
/* Throws the file away; index_open makes a new one. */
void index_remove(const char *path);

/* Begins a statement with the values bound. NULL with errno. Ends with index_done. */
sqlite3_stmt *index_query(struct index *ix, enum statement which, const char *types, ...);
/* 1: a row; 0: no more; -1 with errno. */
int index_step(struct index *ix, sqlite3_stmt *st);
void index_done(sqlite3_stmt *st);
/* A statement without rows. 0, or -1 with errno. */
int index_run(struct index *ix, enum statement which, const char *types, ...);

/* A writing transaction; others wait. */
int index_begin(struct index *ix, bool durable);
int index_commit(struct index *ix);
void index_rollback(struct index *ix);         /* keeps errno */
/* Has another connection committed since the last call? */
bool index_changed(struct index *ix);
/* Gives memory back while nothing is done. */
void index_rest(struct index *ix);
/* Closes the file until the next statement: an idle account costs no descriptors and little
 * memory. */
void index_park(struct index *ix);

#endif
