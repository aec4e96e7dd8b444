/* greylist.c - one table: when a triple came first, when last, whether it has passed. */
#include "reference/policy/greylist.h"

#include "base/event.h"
#include "base/mem.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

struct greylist {
    pthread_mutex_t lock;
    char *path;
    int64_t wait, window, life;
    sqlite3 *db;
    int asked;               /* since the old ones were thrown away */
    bool wrong;
};

enum { CLEAN_EVERY = 1000 };

struct greylist *greylist_new(const char *path, int64_t wait, int64_t window, int64_t life)
{
    struct greylist *g = xcalloc(1, sizeof *g);
    pthread_mutex_init(&g->lock, NULL);
    g->path = xstrdup(path);
    g->wait = wait;
    g->window = window;
    g->life = life;
    return g;
}

void greylist_free(struct greylist *g)
{
    if (!g)
        return;
    sqlite3_close(g->db);
    pthread_mutex_destroy(&g->lock);
    free(g->path);
    free(g);
}

static bool is_open(struct greylist *g)
{
    /* What is lost in a crash is asked to come once more, so nothing is synced. */
    static const char setup[] =
        "pragma journal_mode = wal; pragma synchronous = off;"
        "create table if not exists triple (key text primary key, first integer, last integer,"
        " passed integer) without rowid;";
    if (g->db)
        return true;
    if (sqlite3_open(g->path, &g->db) == SQLITE_OK && sqlite3_busy_timeout(g->db, 1000) == SQLITE_OK
        && sqlite3_exec(g->db, setup, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    if (!g->wrong)
        event("policy.list-wrong", EV_STR("file", g->path), EV_STR("error", sqlite3_errmsg(g->db)));
    g->wrong = true;
    sqlite3_close(g->db);
    g->db = NULL;
    return false;
}

/* Big senders try again from a neighbour: IPv4 counts by /24, IPv6 by /64 (RFC 6647 5). */
static void network_of(const struct netaddr *client, struct buf *key)
{
    char host[64];
    struct netaddr a;
    netaddr_host(client, host);
    if (!netaddr_parse(&a, slice_str(host), 0))
        return;
    if (a.sa.sa_family == AF_INET)
        ((uint8_t *)&a.in.sin_addr)[3] = 0;
    else
        memset(a.in6.sin6_addr.s6_addr + 8, 0, 8);
    netaddr_host(&a, host);
    buf_add_str(key, host);
}

static bool run(struct greylist *g, const char *sql, const char *key, int64_t a, int64_t b,
                sqlite3_stmt **row)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(g->db, sql, -1, &s, NULL) != SQLITE_OK)
        return false;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 2, a);
    sqlite3_bind_int64(s, 3, b);
    int step = sqlite3_step(s);
    if (row && step == SQLITE_ROW) {
        *row = s;
        return true;
    }
    sqlite3_finalize(s);
    return step == SQLITE_DONE;
}

static enum grey decide(struct greylist *g, const char *key, int64_t now, struct buf *why)
{
    sqlite3_stmt *row = NULL;
    int64_t first = 0, last = 0;
    bool passed = false;
    if (!run(g, "select first, last, passed from triple where key = ?1", key, 0, 0, &row))
        return GREY_UNKNOWN;
    bool known = row != NULL;
    if (known) {
        first = sqlite3_column_int64(row, 0);
        last = sqlite3_column_int64(row, 1);
        passed = sqlite3_column_int(row, 2) != 0;
        sqlite3_finalize(row);
    }
    known = known && now - (passed ? last : first) <= (passed ? g->life : g->window);
    if (!known) {
        buf_add_str(why, "never seen before: it is asked to come again");
        return run(g, "insert or replace into triple values (?1, ?2, ?2, 0)", key, now, 0, NULL)
                   ? GREY_NEW : GREY_UNKNOWN;
    }
    if (!passed && now - first < g->wait) {
        buf_printf(why, "seen %lld s ago: too soon", (long long)((now - first) / 1000));
        return GREY_EARLY;
    }
    buf_printf(why, "known for %lld s", (long long)((now - first) / 1000));
    return run(g, "update triple set last = ?2, passed = 1 where key = ?1", key, now, 0, NULL)
               ? GREY_PASSED : GREY_UNKNOWN;
}

enum grey greylist_ask(struct greylist *g, const struct netaddr *client, const char *sender,
                       const char *recipient, int64_t now, struct buf *why)
{
    struct buf key = {0};
    enum grey answer = GREY_UNKNOWN;
    network_of(client, &key);
    buf_printf(&key, " %s %s", sender, recipient);
    for (size_t i = 0; i < key.len; i++)
        if (key.data[i] >= 'A' && key.data[i] <= 'Z')
            key.data[i] |= 32;
    pthread_mutex_lock(&g->lock);
    if (is_open(g)) {
        if (g->asked++ % CLEAN_EVERY == 0)
            run(g, "delete from triple where ?1 = ?1 and ((passed = 0 and first < ?2) or "
                   "last < ?3)", "", now - g->window, now - g->life, NULL);
        answer = decide(g, buf_str(&key), now, why);
    }
    pthread_mutex_unlock(&g->lock);
    buf_free(&key);
    return answer;
}
