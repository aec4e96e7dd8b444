/* index.c - the SQLite file of an account. */
#include "reference/store/index.h"

#include "base/event.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define BUSY_MS 10000
#define INDEX_VERSION 1

/* The key of a message is (mailbox << 32) + UID, so that a mailbox's messages lie together in
 * order. flags: enum message_flag and the ROW_ bits of view_internal.h. file: the name up to the
 * colon (Maildir) or the identifier (mbox). Stamps: mtimes in ns when the counts were right. The
 * key of a cached text has its kind above that, so that those of one kind lie together. */
static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE mailbox(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " mailboxid TEXT NOT NULL, uidvalidity INTEGER NOT NULL, uidnext INTEGER NOT NULL,"
    " reserved INTEGER NOT NULL, modseq INTEGER NOT NULL, recent INTEGER NOT NULL,"
    " floor INTEGER NOT NULL, keywords TEXT NOT NULL, messages INTEGER NOT NULL,"
    " unseen INTEGER NOT NULL, deleted INTEGER NOT NULL, octets INTEGER NOT NULL,"
    " deleted_octets INTEGER NOT NULL, stamp1 INTEGER NOT NULL, stamp2 INTEGER NOT NULL);"
    "CREATE TABLE message(key INTEGER PRIMARY KEY, flags INTEGER NOT NULL,"
    " keywords INTEGER NOT NULL, modseq INTEGER NOT NULL, size INTEGER NOT NULL,"
    " date INTEGER NOT NULL, saved INTEGER NOT NULL, file TEXT NOT NULL);"
    "CREATE TABLE vanished(mailbox INTEGER NOT NULL, modseq INTEGER NOT NULL,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL);"
    "CREATE INDEX vanished_order ON vanished(mailbox, modseq);"
    "CREATE TABLE cache(key INTEGER PRIMARY KEY, text NOT NULL);";

#define MAILBOX_COLUMNS "id, name, mailboxid, uidvalidity, uidnext, reserved, modseq, recent, floor," \
    " keywords, messages, unseen, deleted, octets, deleted_octets, stamp1, stamp2"

static const char *const texts[STATEMENTS] = {
    [ST_META_GET] = "SELECT value FROM meta WHERE name = ?",
    [ST_META_SET] = "INSERT OR REPLACE INTO meta VALUES(?, ?)",
    [ST_META_DELETE] = "DELETE FROM meta WHERE name = ?",
    [ST_META_NAMES] = "SELECT name FROM meta WHERE name > ? AND name < ?",
    [ST_MAILBOX_BY_NAME] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE name = ?",
    [ST_MAILBOX_BY_ID] = "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE id = ?",
    [ST_MAILBOX_ADD] = "INSERT INTO mailbox(name, mailboxid, uidvalidity, uidnext, reserved, modseq,"
        " recent, floor, keywords, messages, unseen, deleted, octets, deleted_octets, stamp1, stamp2)"
        " VALUES(?, ?, ?, ?, ?, 1, 1, 1, '', 0, 0, 0, 0, 0, 0, 0)",
    [ST_MAILBOX_SAVE] = "UPDATE mailbox SET uidvalidity = ?, uidnext = ?, reserved = ?, modseq = ?,"
        " recent = ?, floor = ?, keywords = ?, messages = ?, unseen = ?, deleted = ?, octets = ?,"
        " deleted_octets = ?, stamp1 = ?, stamp2 = ? WHERE id = ?",
    [ST_MAILBOX_RECENT] = "UPDATE mailbox SET recent = ? WHERE id = ?",
    [ST_MAILBOX_RENAME] = "UPDATE OR REPLACE mailbox SET name = ? WHERE name = ?",
    [ST_MAILBOX_DELETE] = "DELETE FROM mailbox WHERE id = ?",
    [ST_MAILBOX_NAMES] = "SELECT name FROM mailbox ORDER BY name",
    [ST_MAILBOX_TOTALS] = "SELECT coalesce(sum(octets), 0), coalesce(sum(messages), 0) FROM mailbox",
    [ST_MESSAGES] = "SELECT key & 4294967295, flags, keywords, modseq, size, date, saved, file"
        " FROM message WHERE key BETWEEN ? AND ? ORDER BY key",
    [ST_MESSAGES_SINCE] = "SELECT key & 4294967295, flags, keywords, modseq, size, date, saved, file"
        " FROM message WHERE key BETWEEN ? AND ? AND modseq > ? ORDER BY key",
    [ST_MESSAGE_ADD] = "INSERT INTO message VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
    [ST_MESSAGE_FLAGS] = "UPDATE message SET flags = ?, keywords = ?, modseq = ? WHERE key = ?",
    [ST_MESSAGES_FLAGS] = "UPDATE message SET flags = flags & ? | ?, keywords = keywords & ? | ?,"
        " modseq = ? WHERE key BETWEEN ? AND ?",
    [ST_MESSAGE_FILE] = "UPDATE message SET file = ? WHERE key = ?",
    [ST_MESSAGE_SIZE] = "UPDATE message SET size = ? WHERE key = ?",
    [ST_MESSAGE_MEASURED] = "UPDATE message SET flags = ?, size = ?, date = ? WHERE key = ?",
    [ST_MESSAGE_DELETE] = "DELETE FROM message WHERE key BETWEEN ? AND ?",
    [ST_VANISHED_ADD] = "INSERT INTO vanished VALUES(?, ?, ?, ?)",
    [ST_VANISHED_SINCE] = "SELECT first, last FROM vanished WHERE mailbox = ? AND modseq > ?",
    [ST_VANISHED_COUNT] = "SELECT count(*) FROM vanished WHERE mailbox = ?",
    [ST_VANISHED_NTH] = "SELECT modseq FROM vanished WHERE mailbox = ? ORDER BY modseq"
        " LIMIT 1 OFFSET ?",
    [ST_VANISHED_PRUNE] = "DELETE FROM vanished WHERE mailbox = ? AND modseq <= ?",
    [ST_VANISHED_DELETE] = "DELETE FROM vanished WHERE mailbox = ?",
    [ST_CACHE_READ] = "SELECT key & 4294967295, text FROM cache WHERE key BETWEEN ? AND ? ORDER BY key",
    [ST_CACHE_PUT] = "INSERT OR REPLACE INTO cache VALUES(?, ?)",
    [ST_CACHE_COPY] = "INSERT OR REPLACE INTO cache SELECT key + ?, text FROM cache"
        " WHERE key BETWEEN ? AND ?",
    [ST_CACHE_DELETE] = "DELETE FROM cache WHERE key BETWEEN ? AND ?",
    [ST_DATA_VERSION] = "PRAGMA data_version",
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_FULL] = "PRAGMA synchronous = FULL",
    [ST_NORMAL] = "PRAGMA synchronous = NORMAL",
};

/* --- statements --------------------------------------------------------------------------- */

/* A damaged file may say that something in it is larger than all memory. */
static bool memory_is_out(void)
{
    void *volatile some = malloc(1 << 20);
    bool none = some == NULL;
    free(some);
    return none;
}

static int fail(struct index *ix, int code)
{
    if (code == SQLITE_NOMEM && memory_is_out())
        die(70, "out of memory");
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_SCHEMA:
    case SQLITE_ERROR:             /* a table that is not as we made it */
    case SQLITE_MISMATCH:
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_NOMEM:
        ix->damaged = true;
        errno = ESTALE;
        break;
    case SQLITE_FULL:
        errno = ENOSPC;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        errno = EAGAIN;
        break;
    case SQLITE_READONLY:          /* we may write to it, so it says that of itself */
        ix->damaged = ix->damaged || code == SQLITE_READONLY;
        errno = EACCES;
        break;
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        errno = EACCES;
        break;
    default:
        errno = EIO;
    }
    return -1;
}

static int reopen(struct index *ix);

static sqlite3_stmt *query(struct index *ix, enum statement which, const char *types, va_list ap)
{
    if (!ix->db && reopen(ix) < 0)
        return NULL;
    if (!ix->st[which]) {
        int code = sqlite3_prepare_v3(ix->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                      &ix->st[which], NULL);
        if (code != SQLITE_OK) {
            fail(ix, code);
            return NULL;
        }
    }
    sqlite3_stmt *st = ix->st[which];
    for (int i = 1; types[i - 1]; i++) {
        if (types[i - 1] == 'i') {
            sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
        } else if (types[i - 1] == 's') {
            sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else {
            struct slice s = va_arg(ap, struct slice);
            if (types[i - 1] == 't')
                sqlite3_bind_text(st, i, s.p, (int)s.n, SQLITE_STATIC);
            else
                sqlite3_bind_blob64(st, i, s.p, s.n, SQLITE_STATIC);
        }
    }
    return st;
}

sqlite3_stmt *index_query(struct index *ix, enum statement which, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *st = query(ix, which, types, ap);
    va_end(ap);
    return st;
}

int index_step(struct index *ix, sqlite3_stmt *st)
{
    int code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : fail(ix, code);
}

void index_done(sqlite3_stmt *st)
{
    int error = errno;
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    errno = error;
}

int index_run(struct index *ix, enum statement which, const char *types, ...)
{
    va_list ap;
    va_start(ap, types);
    sqlite3_stmt *st = query(ix, which, types, ap);
    va_end(ap);
    if (!st)
        return -1;
    int result = index_step(ix, st);
    index_done(st);
    return result < 0 ? -1 : 0;
}

int index_begin(struct index *ix, bool durable)
{
    durable = durable && ix->may_sync;
    if (durable != ix->durable) {
        if (index_run(ix, durable ? ST_FULL : ST_NORMAL, "") < 0)
            return -1;
        ix->durable = durable;
    }
    return index_run(ix, ST_BEGIN, "");
}

int index_commit(struct index *ix)
{
    if (index_run(ix, ST_COMMIT, "") == 0)
        return 0;
    index_rollback(ix);
    return -1;
}

void index_rollback(struct index *ix)
{
    int error = errno;
    if (ix->db && !sqlite3_get_autocommit(ix->db))
        index_run(ix, ST_ROLLBACK, "");
    errno = error;
}

bool index_changed(struct index *ix)
{
    sqlite3_stmt *st = index_query(ix, ST_DATA_VERSION, "");
    if (!st)
        return true;
    int64_t now = index_step(ix, st) == 1 ? sqlite3_column_int64(st, 0) : -1;
    index_done(st);
    bool changed = now != ix->data_version;
    ix->data_version = now;
    return changed;
}

void index_rest(struct index *ix)
{
    if (ix->db)
        sqlite3_db_release_memory(ix->db);
}

/* --- opening ------------------------------------------------------------------------------ */

static int get_version(struct index *ix, int64_t *version)
{
    sqlite3_stmt *st = NULL;
    int code = sqlite3_prepare_v2(ix->db, "PRAGMA user_version", -1, &st, NULL);
    if (code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW)
        *version = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return code == SQLITE_ROW ? 0 : fail(ix, code);
}

static int exec(struct index *ix, const char *sql)
{
    int code = sqlite3_exec(ix->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : fail(ix, code);
}

/* Commits that were not durable may be lost when the system has been started again since: UIDs
 * go on where none can have been given, and mod-sequences jump over all that can have been used
 * (RFC 7162 3.1.2: they only rise). */
static int note_boot(struct index *ix)
{
    struct buf now = {0};
    if (buf_read_file(&now, "/proc/sys/kernel/random/boot_id", 100) < 0)
        buf_add_str(&now, "?");
    sqlite3_stmt *st = index_query(ix, ST_META_GET, "s", "boot");
    int row = st ? index_step(ix, st) : -1;
    struct slice then = {0};
    if (row == 1)
        then = slice_of(sqlite3_column_blob(st, 0), (size_t)sqlite3_column_bytes(st, 0));
    bool same = slice_eq(then, buf_slice(&now)) && !slice_eq_str(then, "?");
    if (st)
        index_done(st);
    int result = row < 0 ? -1 : 0;
    if (row >= 0 && !same) {
        result = exec(ix, "BEGIN IMMEDIATE; UPDATE mailbox SET uidnext = max(uidnext, reserved),"
                          " modseq = modseq + 1048576, stamp1 = 0, stamp2 = 0");
        if (result == 0)
            result = index_run(ix, ST_META_SET, "sb", "boot", buf_slice(&now));
        if (exec(ix, result == 0 ? "COMMIT" : "ROLLBACK") < 0)
            result = -1;
    }
    buf_free(&now);
    return result;
}

/* Makes the tables when the file is empty. Another process may be doing the same. */
static int make_tables(struct index *ix)
{
    if (exec(ix, "PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY; PRAGMA journal_mode = WAL;"
                 "PRAGMA synchronous = NORMAL; PRAGMA cell_size_check = ON;") < 0)
        return -1;
    int64_t version;
    if (get_version(ix, &version) < 0)
        return -1;
    if (version == INDEX_VERSION)
        return 0;
    if (exec(ix, "BEGIN IMMEDIATE") < 0)
        return -1;
    int result = get_version(ix, &version);
    if (result == 0 && version == 0) {
        result = exec(ix, schema);
        if (result == 0)
            result = exec(ix, "PRAGMA user_version = 1");
    } else if (result == 0 && version != INDEX_VERSION) {
        ix->damaged = true;        /* of another program: what it holds can be made anew */
        errno = ESTALE;
        result = -1;
    }
    if (exec(ix, result == 0 ? "COMMIT" : "ROLLBACK") < 0)
        result = -1;
    return result;
}

static int try_open(struct index *ix)
{
    /* Made here for its mode; SQLite gives the same to its companions. */
    int fd = open(ix->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd < 0)
        return -1;
    int result = fstat(fd, &ix->file);
    close(fd);
    if (result == 0 && !S_ISREG(ix->file.st_mode)) {
        errno = EBADMSG;
        result = -1;
    }
    if (result < 0)
        return -1;
    int code = sqlite3_open_v2(ix->path, &ix->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
                               SQLITE_OPEN_NOFOLLOW, NULL);
    if (code != SQLITE_OK)
        return fail(ix, code);
    sqlite3_busy_timeout(ix->db, BUSY_MS);
    sqlite3_extended_result_codes(ix->db, 1);
    /* What the log holds is as good there; a checkpoint would wait for the disk. */
    sqlite3_db_config(ix->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (make_tables(ix) < 0 || note_boot(ix) < 0)
        return -1;
    index_changed(ix);
    return ix->damaged ? -1 : 0;
}

static void close_db(struct index *ix)
{
    int error = errno;
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(ix->st[i]);
        ix->st[i] = NULL;
    }
    sqlite3_close(ix->db);
    ix->db = NULL;
    errno = error;
}

void index_park(struct index *ix)
{
    if (!ix->db || ix->damaged || !sqlite3_get_autocommit(ix->db))
        return;
    close_db(ix);
    ix->parked = true;
}

static int reopen(struct index *ix)
{
    if (!ix->parked || !index_is_current(ix)) {
        ix->damaged = true;        /* or gone, or another's */
        errno = ESTALE;
        return -1;
    }
    ix->parked = ix->durable = false;
    if (try_open(ix) == 0) {
        ix->data_version = -1;     /* nobody knows who wrote meanwhile */
        return 0;
    }
    close_db(ix);
    ix->parked = true;
    return -1;
}

void index_remove(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        char *name = xasprintf("%s%s", path, suffixes[i]);
        unlink(name);
        free(name);
    }
}

int index_open(struct index *ix, const char *path, bool may_sync)
{
    for (int tries = 0; tries < 2; tries++) {
        *ix = (struct index){.path = xstrdup(path), .may_sync = may_sync, .replaced = tries > 0};
        if (try_open(ix) == 0)
            return 0;
        int error = errno;
        bool damaged = ix->damaged;
        index_close(ix);
        errno = error;
        if (!damaged)
            return -1;
        event("store.index-damaged", EV_STR("path", path));
        index_remove(path);
    }
    errno = EIO;
    return -1;
}

void index_close(struct index *ix)
{
    close_db(ix);
    free(ix->path);
    *ix = (struct index){0};
}

bool index_is_current(const struct index *ix)
{
    struct stat st;
    return (ix->db || ix->parked) && stat(ix->path, &st) == 0 && st.st_ino == ix->file.st_ino &&
           st.st_dev == ix->file.st_dev;
}
