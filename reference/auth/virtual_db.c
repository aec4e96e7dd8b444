/* virtual_db.c - the tables of virtual accounts. Values are bound, never part of the SQL text. */
#include "reference/auth/virtual_db.h"

#include "base/mem.h"
#include "reference/auth/secret.h"
#include "reference/message/address.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char tables[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS domain (name TEXT NOT NULL PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS user (address TEXT NOT NULL PRIMARY KEY,"
    "  domain TEXT NOT NULL REFERENCES domain(name), secret TEXT NOT NULL,"
    "  quota INTEGER NOT NULL DEFAULT 0, uid INTEGER NOT NULL DEFAULT -1,"
    "  gid INTEGER NOT NULL DEFAULT -1, home TEXT NOT NULL DEFAULT '',"
    "  groups TEXT NOT NULL DEFAULT '', disabled INTEGER NOT NULL DEFAULT 0,"
    "  expires INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS alias (address TEXT NOT NULL,"
    "  domain TEXT NOT NULL REFERENCES domain(name), target TEXT NOT NULL,"
    "  PRIMARY KEY (address, target)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS user_domain ON user(domain);"
    "COMMIT;";

sqlite3 *virtual_db_open(const char *path, bool write, int wait_ms, struct buf *errors)
{
    sqlite3 *db = NULL;
    mode_t old = umask(027);
    int flags = write ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    bool good = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK;
    if (good) {
        sqlite3_busy_timeout(db, wait_ms);
        good = !write || (sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL) ==
                              SQLITE_OK &&
                          sqlite3_exec(db, tables, NULL, NULL, NULL) == SQLITE_OK);
    }
    umask(old);
    if (good)
        return db;
    buf_printf(errors, "%s: %s; make it with postroad domain add, or correct path\n", path,
               sqlite3_errmsg(db));
    sqlite3_close(db);
    return NULL;
}

/* ---- addresses ------------------------------------------------------------------------------- */

static bool local_valid(struct slice local)
{
    for (size_t i = 0; i < local.n; i++) {
        unsigned char c = (unsigned char)local.p[i];
        if (!(c < 128 && (isalnum(c) || strchr(".-_=&", c))))
            return false;
    }
    return local.n > 0 && local.p[0] != '.' && local.p[0] != '-';
}

const char *virtual_address(struct slice text, bool catch_all, char **out)
{
    ptrdiff_t at = slice_rindex(text, '@');
    *out = NULL;
    if (at < 0 || text.n > VIRTUAL_ADDRESS_MAX || memchr(text.p, 0, text.n))
        return "not an address of up to 128 octets; write one such as jerry@magedu.test";
    if (!domain_valid(slice_sub(text, (size_t)at + 1, text.n)))
        return "there is no domain name behind the @";
    if (!(catch_all && at == 0) && !local_valid(slice_sub(text, 0, (size_t)at)))
        return "the local part may have letters, digits and . - _ = &, beginning with a letter, "
               "digit, _, = or &";
    if (slice_ends(text, SLICE(".lock")))
        return "a name that ends in .lock would be another mailbox's lock";
    *out = slice_dup(text);
    for (char *p = *out; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return NULL;
}

static const char *domain_of(const char *address) { return strrchr(address, '@') + 1; }

/* ---- statements ------------------------------------------------------------------------------ */

/* Prepares and binds texts ?1, ?2, ... up to the NULL at the end of the list. */
static sqlite3_stmt *prepare(sqlite3 *db, const char *sql, const char *const texts[])
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        return NULL;
    for (int i = 0; texts[i]; i++)
        if (sqlite3_bind_text(s, i + 1, texts[i], -1, SQLITE_TRANSIENT) != SQLITE_OK) {
            sqlite3_finalize(s);
            return NULL;
        }
    return s;
}

static bool failed(sqlite3 *db, struct buf *errors)
{
    buf_printf(errors, "%s: %s\n", sqlite3_db_filename(db, "main"), sqlite3_errmsg(db));
    return false;
}

/* Runs a change; how many rows it changed, or -1 with a line in *errors. */
static int change(sqlite3 *db, const char *sql, const char *const texts[], struct buf *errors)
{
    sqlite3_stmt *s = prepare(db, sql, texts);
    int result = s ? sqlite3_step(s) : SQLITE_ERROR;
    if (result != SQLITE_DONE)
        failed(db, errors);
    int rows = result == SQLITE_DONE ? sqlite3_changes(db) : -1;
    sqlite3_finalize(s);
    return rows;
}

static bool changed(int rows, struct buf *errors, const char *problem, const char *name)
{
    if (rows == 0)
        buf_printf(errors, problem, name);
    return rows > 0;
}

static bool domain_exists(sqlite3 *db, const char *address, struct buf *errors)
{
    if (virtual_domain(db, domain_of(address), errors) == AUTH_OK)
        return true;
    if (errors->len == 0)
        buf_printf(errors, "%s: there is no such domain; postroad domain add %s makes it\n",
                   domain_of(address), domain_of(address));
    return false;
}

/* ---- changes --------------------------------------------------------------------------------- */

bool virtual_add_domain(sqlite3 *db, const char *domain, struct buf *errors)
{
    const char *texts[] = {domain, NULL};
    return changed(change(db, "INSERT OR IGNORE INTO domain VALUES (?1)", texts, errors), errors,
                   "%s: the domain exists\n", domain);
}

bool virtual_remove_domain(sqlite3 *db, const char *domain, struct buf *errors)
{
    const char *texts[] = {domain, NULL};
    const char *const sql =
        "DELETE FROM domain WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM user WHERE domain = ?1)"
        " AND NOT EXISTS (SELECT 1 FROM alias WHERE domain = ?1)";
    return changed(change(db, sql, texts, errors), errors,
                   "%s: there is no such domain, or it has users or aliases: remove those first\n",
                   domain);
}

bool virtual_put_user(sqlite3 *db, const struct record *r, bool replace, struct buf *errors)
{
    const struct account *a = &r->account;
    const char *wrong = r->secret ? secret_problem(slice_str(r->secret)) : "no secret";
    if (wrong) {
        buf_printf(errors, "%s: %s\n", a->user, wrong);
        return false;
    }
    if (!domain_exists(db, a->user, errors))
        return false;
    const char *texts[] = {a->user, domain_of(a->user), r->secret, a->home ? a->home : "",
                           a->groups ? a->groups : "", NULL};
    sqlite3_stmt *s = prepare(
        db, replace ? "INSERT OR REPLACE INTO user (address, domain, secret, home, groups, quota,"
                      " uid, gid, disabled, expires) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)"
                    : "INSERT OR IGNORE INTO user (address, domain, secret, home, groups, quota,"
                      " uid, gid, disabled, expires) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)",
        texts);
    const int64_t numbers[] = {a->quota, a->uid, a->gid, r->disabled, r->expires};
    for (int i = 0; s && i < 5; i++)
        sqlite3_bind_int64(s, 6 + i, numbers[i]);
    bool good = s && sqlite3_step(s) == SQLITE_DONE;
    if (!good)
        failed(db, errors);
    good = good && changed(sqlite3_changes(db), errors,
                           "%s: the user exists; postroad user passwd changes the password\n",
                           a->user);
    sqlite3_finalize(s);
    return good;
}

bool virtual_remove_user(sqlite3 *db, const char *address, struct buf *errors)
{
    const char *texts[] = {address, NULL};
    return changed(change(db, "DELETE FROM user WHERE address = ?1", texts, errors), errors,
                   "%s: there is no such user\n", address);
}

bool virtual_add_target(sqlite3 *db, const char *alias, const char *target, struct buf *errors)
{
    const char *texts[] = {alias, domain_of(alias), target, NULL};
    return domain_exists(db, alias, errors) &&
           changed(change(db, "INSERT OR IGNORE INTO alias VALUES (?1, ?2, ?3)", texts, errors),
                   errors, "%s: has that target already\n", alias);
}

bool virtual_remove_alias(sqlite3 *db, const char *alias, const char *target, struct buf *errors)
{
    const char *texts[] = {alias, target, NULL};
    return changed(change(db, target ? "DELETE FROM alias WHERE address = ?1 AND target = ?2"
                                     : "DELETE FROM alias WHERE address = ?1", texts, errors),
                   errors, "%s: there is no such alias or target\n", alias);
}

/* ---- reading --------------------------------------------------------------------------------- */

static char *column_text(sqlite3_stmt *s, int i)
{
    const unsigned char *text = sqlite3_column_text(s, i);
    return xstrdup(text ? (const char *)text : "");
}

static void fill_user(sqlite3_stmt *s, struct record *out)
{
    out->account.user = column_text(s, 0);
    out->secret = column_text(s, 1);
    out->account.quota = sqlite3_column_int64(s, 2);
    out->account.uid = sqlite3_column_int64(s, 3);
    out->account.gid = sqlite3_column_int64(s, 4);
    out->account.home = column_text(s, 5);
    out->account.groups = column_text(s, 6);
    out->disabled = sqlite3_column_int(s, 7) != 0;
    out->expires = sqlite3_column_int64(s, 8);
}

#define USER_COLUMNS "address, secret, quota, uid, gid, home, groups, disabled, expires"

static enum auth_status no_answer(sqlite3 *db, struct buf *why)
{
    buf_printf(why, "%s", sqlite3_errmsg(db));
    return AUTH_TEMPFAIL;
}

enum auth_status virtual_user(sqlite3 *db, const char *address, struct record *out,
                              struct buf *why)
{
    const char *texts[] = {address, NULL};
    sqlite3_stmt *s = prepare(db, "SELECT " USER_COLUMNS " FROM user WHERE address = ?1", texts);
    int result = s ? sqlite3_step(s) : SQLITE_ERROR;
    enum auth_status status = result == SQLITE_ROW    ? AUTH_OK
                              : result == SQLITE_DONE ? AUTH_NO
                                                      : no_answer(db, why);
    if (status == AUTH_OK)
        fill_user(s, out);
    sqlite3_finalize(s);
    return status;
}

static void add_target(struct account *a, char *target)
{
    a->targets = xreallocarray(a->targets, a->target_count + 1, sizeof *a->targets);
    a->targets[a->target_count++] = target;
}

enum auth_status virtual_alias(sqlite3 *db, const char *address, struct record *out,
                               struct buf *why)
{
    const char *texts[] = {address, NULL};
    sqlite3_stmt *s = prepare(db, "SELECT target FROM alias WHERE address = ?1 ORDER BY target "
                                  "LIMIT 1000", texts);
    int result = s ? sqlite3_step(s) : SQLITE_ERROR;
    for (; result == SQLITE_ROW; result = sqlite3_step(s))
        add_target(&out->account, column_text(s, 0));
    enum auth_status status = result != SQLITE_DONE ? no_answer(db, why)
                              : out->account.target_count ? AUTH_ALIAS
                                                          : AUTH_NO;
    sqlite3_finalize(s);
    if (status == AUTH_ALIAS)
        out->account.user = xstrdup(address);
    return status;
}

enum auth_status virtual_domain(sqlite3 *db, const char *domain, struct buf *why)
{
    const char *texts[] = {domain, NULL};
    sqlite3_stmt *s = prepare(db, "SELECT 1 FROM domain WHERE name = ?1", texts);
    int result = s ? sqlite3_step(s) : SQLITE_ERROR;
    enum auth_status status = result == SQLITE_ROW    ? AUTH_OK
                              : result == SQLITE_DONE ? AUTH_NO
                                                      : no_answer(db, why);
    sqlite3_finalize(s);
    return status;
}

bool virtual_list_domains(sqlite3 *db, void (*each)(void *arg, const char *domain, int users),
                          void *arg, struct buf *errors)
{
    const char *none[] = {NULL};
    sqlite3_stmt *s = prepare(db, "SELECT name, (SELECT count(*) FROM user WHERE domain = name)"
                                  " FROM domain ORDER BY name", none);
    int result = s ? sqlite3_step(s) : SQLITE_ERROR;
    for (; result == SQLITE_ROW; result = sqlite3_step(s))
        each(arg, (const char *)sqlite3_column_text(s, 0), sqlite3_column_int(s, 1));
    sqlite3_finalize(s);
    return result == SQLITE_DONE || failed(db, errors);
}

enum auth_status virtual_list(sqlite3 *db, void (*each)(void *arg, const struct record *r),
                              void *arg, struct buf *why)
{
    const char *none[] = {NULL};
    sqlite3_stmt *s = prepare(db, "SELECT " USER_COLUMNS " FROM user ORDER BY domain, address",
                              none);
    int result = s ? sqlite3_step(s) : SQLITE_ERROR;
    for (; result == SQLITE_ROW; result = sqlite3_step(s)) {
        struct record r = {0};
        fill_user(s, &r);
        each(arg, &r);
        record_free(&r);
    }
    sqlite3_finalize(s);
    if (result != SQLITE_DONE)
        return no_answer(db, why);
    s = prepare(db, "SELECT DISTINCT address FROM alias ORDER BY domain, address", none);
    result = s ? sqlite3_step(s) : SQLITE_ERROR;
    for (; result == SQLITE_ROW; result = sqlite3_step(s)) {
        struct record r = {0};
        char *address = column_text(s, 0);
        if (virtual_alias(db, address, &r, why) == AUTH_ALIAS)
            each(arg, &r);
        record_free(&r);
        free(address);
    }
    sqlite3_finalize(s);
    return result == SQLITE_DONE ? AUTH_OK : no_answer(db, why);
}
