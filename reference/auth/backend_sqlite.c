/* backend_sqlite.c - virtual accounts in an SQLite file (virtual_db.h), the built-in default. */
#include "reference/auth/backend.h"

#include "base/mem.h"
#include "reference/auth/stamp.h"
#include "reference/auth/virtual_db.h"

#include <stdlib.h>

struct state {
    const struct accounts_conf *conf;
    sqlite3 *db;                 /* NULL: not open */
    struct stamp stamp;          /* of the file that is open */
};

static void *open_sqlite(const struct accounts_conf *conf)
{
    struct state *s = xcalloc(1, sizeof *s);
    s->conf = conf;
    return s;
}

static void close_db(struct state *s)
{
    sqlite3_close(s->db);
    s->db = NULL;
}

static void close_sqlite(void *state)
{
    close_db(state);
    free(state);
}

/* The open file, or another that has been put in its place. */
static sqlite3 *database(struct state *s, struct buf *why)
{
    struct stamp now = stamp_of(s->conf->path);
    if (s->db && (now.inode != s->stamp.inode || now.device != s->stamp.device))
        close_db(s);
    if (!s->db)
        s->db = virtual_db_open(s->conf->path, false, (int)(s->conf->timeout / 2), why);
    s->stamp = now;
    return s->db;
}

static void probe(void *state, struct buf *errors)
{
    struct buf why = {0};
    if (!database(state, errors))
        return;
    struct state *s = state;
    if (virtual_domain(s->db, "postroad.invalid", &why) == AUTH_TEMPFAIL)
        buf_printf(errors, "%s: %s; make it with postroad domain add\n", s->conf->path,
                   buf_str(&why));
    buf_free(&why);
}

static enum auth_status look_up(void *state, const struct account_query *q, struct record *out,
                                struct buf *why)
{
    sqlite3 *db = *q->domain ? database(state, why) : NULL;
    if (!*q->domain)
        return AUTH_NO;
    if (!db)
        return AUTH_TEMPFAIL;
    enum auth_status status = AUTH_NO;
    if (!q->account_only)
        status = virtual_alias(db, q->address, out, why);
    if (status == AUTH_NO && *q->local)
        status = virtual_user(db, q->address, out, why);
    return status;
}

static enum auth_status domain(void *state, const char *name, struct buf *why)
{
    sqlite3 *db = database(state, why);
    return db ? virtual_domain(db, name, why) : AUTH_TEMPFAIL;
}

static void sample(void *state, void (*each)(void *arg, const char *secret), void *arg)
{
    struct buf why = {0};
    sqlite3_stmt *s = NULL;
    sqlite3 *db = database(state, &why);
    if (db && sqlite3_prepare_v2(db, "SELECT secret FROM user LIMIT 100", -1, &s, NULL) ==
                  SQLITE_OK)
        while (sqlite3_step(s) == SQLITE_ROW)
            each(arg, (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    buf_free(&why);
}

static enum auth_status list(void *state, void (*each)(void *arg, const struct record *r),
                             void *arg, struct buf *why)
{
    sqlite3 *db = database(state, why);
    return db ? virtual_list(db, each, arg, why) : AUTH_TEMPFAIL;
}

static void check(const struct accounts_conf *conf, struct buf *errors)
{
    if (!conf->path)
        buf_printf(errors, "accounts %s: path is missing; name the database's file\n", conf->name);
}

const struct backend_type backend_sqlite = {
    .name = "sqlite",
    .check = check,
    .open = open_sqlite,
    .close = close_sqlite,
    .probe = probe,
    .look_up = look_up,
    .domain = domain,
    .sample = sample,
    .list = list,
};
