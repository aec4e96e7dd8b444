/* account.c - the accounts of this process, and the care of their indexes. */
#include "reference/store/account.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"
#include "reference/store/view_internal.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* How long, and how many, accounts without a session are kept. */
#define WARM_MS 60000
#define WARM_MAX 64
/* After so long without any use an index is closed. */
#define PARK_MS 20000

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct store_account *accounts;

void account_lock(struct store_account *a)
{
    pthread_mutex_lock(&a->lock);
}

void account_unlock(struct store_account *a)
{
    pthread_mutex_unlock(&a->lock);
}

static void account_free_all(struct store_account *a)
{
    while (a->views) {
        struct mailbox_view *v = a->views;
        a->views = v->next;
        view_free(v);
    }
    index_close(&a->index);
    mailbox_place_free(&a->place);
    free(a->home);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static struct store_account *account_new(const struct config *c, const char *user,
                                         const char *home, int64_t uid, int64_t gid)
{
    struct store_account *a = xcalloc(1, sizeof *a);
    a->config = c;
    a->home = xstrdup(home ? home : "");
    a->used = mono_ms();
    pthread_mutex_init(&a->lock, NULL);
    bool valid = mailbox_place_init(&a->place, c, user, uid, gid);
    char *path = xasprintf("%s/.%s.index", c->mail_dir, user);
    if (!valid)
        errno = EINVAL;
    if (!valid || index_open(&a->index, path, c->fsync) < 0) {
        int error = errno;
        account_free_all(a);
        a = NULL;
        errno = error;
    }
    free(path);
    return a;
}

/* Takes those off the list that nobody has used for a while; `keep` of them may stay. */
static struct store_account *take_cold(int64_t before, int keep)
{
    struct store_account *cold = NULL, **at = &accounts;
    while (*at) {
        struct store_account *a = *at;
        if (a->refs == 0 && (a->unused_since <= before || keep-- <= 0)) {
            *at = a->next;
            a->next = cold;
            cold = a;
        } else {
            at = &a->next;
        }
    }
    return cold;
}

static void free_list(struct store_account *a)
{
    while (a) {
        struct store_account *next = a->next;
        account_free_all(a);
        a = next;
    }
}

static struct store_account *find(const struct config *c, const char *user)
{
    struct store_account *a = accounts;
    while (a && (a->config != c || strcmp(a->place.user, user) != 0))
        a = a->next;
    return a;
}

struct store_account *store_account_get(const struct config *c, const char *user, const char *home,
                                        int64_t uid, int64_t gid)
{
    pthread_mutex_lock(&list_lock);
    struct store_account *a = find(c, user);
    int error = 0;
    if (!a && (a = account_new(c, user, home, uid, gid)) != NULL) {
        a->next = accounts;
        accounts = a;
    } else if (!a) {
        error = errno;
    }
    if (a)
        a->refs++;
    pthread_mutex_unlock(&list_lock);
    errno = error;
    return a;
}

void store_account_put(struct store_account *a)
{
    if (!a)
        return;
    account_lock(a);
    index_rest(&a->index);
    account_unlock(a);
    pthread_mutex_lock(&list_lock);
    int64_t now = mono_ms();
    if (--a->refs == 0)
        a->unused_since = now;
    struct store_account *cold = take_cold(now - WARM_MS, WARM_MAX);
    pthread_mutex_unlock(&list_lock);
    free_list(cold);
}

void store_account_tidy(void)
{
    int64_t now = mono_ms();
    bool parked = false;
    pthread_mutex_lock(&list_lock);
    for (struct store_account *a = accounts; a; a = a->next) {
        if (pthread_mutex_trylock(&a->lock) != 0)
            continue;              /* in use */
        views_drop_cold(a);
        if (a->used < now - PARK_MS && a->index.db) {
            for (struct mailbox_view *v = a->views; v; v = v->next)
                v->source->rest(v);
            index_park(&a->index);
            parked = true;
        }
        pthread_mutex_unlock(&a->lock);
    }
    struct store_account *cold = take_cold(now - WARM_MS, WARM_MAX);
    pthread_mutex_unlock(&list_lock);
    free_list(cold);
    if (parked)
        malloc_trim(0);            /* what many small pieces add up to goes back to the system */
}

void store_account_forget_all(void)
{
    pthread_mutex_lock(&list_lock);
    struct store_account *cold = take_cold(INT64_MAX, 0);
    pthread_mutex_unlock(&list_lock);
    free_list(cold);
}

int account_check_index(struct store_account *a)
{
    if (!a->index.damaged && index_is_current(&a->index))
        return 0;
    while (a->views)
        view_detach(a->views);
    char *path = xstrdup(a->index.path);
    bool remove = a->index.damaged && index_is_current(&a->index);
    index_close(&a->index);
    event("store.index-lost", EV_STR("user", a->place.user), EV_STR("path", path));
    if (remove)
        index_remove(path);
    int result = index_open(&a->index, path, a->config->fsync);
    if (result < 0) {              /* the path is needed for the next try */
        int error = errno;
        a->index.path = path;
        a->index.damaged = true;
        errno = error;
        return -1;
    }
    free(path);
    return 0;
}

/* --- quota (RFC 9208) --------------------------------------------------------------------- */

static uint64_t octets_limit(const struct store_account *a)
{
    return a->own_limit ? a->own_limit : a->config->quota;
}

bool account_counts_octets(const struct store_account *a)
{
    return octets_limit(a) > 0;
}

static int quota(struct store_account *a, struct store_quota *out)
{
    *out = (struct store_quota){.octets_limit = octets_limit(a),
                                .messages_limit = a->config->quota_messages};
    sqlite3_stmt *st = index_query(&a->index, ST_MAILBOX_TOTALS, "");
    if (!st)
        return -1;
    int row = index_step(&a->index, st);
    if (row == 1) {
        out->octets = (uint64_t)sqlite3_column_int64(st, 0);
        out->messages = (uint64_t)sqlite3_column_int64(st, 1);
    }
    index_done(st);
    return row == 1 ? 0 : -1;
}

void store_account_limit(struct store_account *a, uint64_t octets)
{
    account_lock(a);
    a->own_limit = octets;
    account_unlock(a);
}

bool store_account_limited(const struct store_account *a)
{
    return octets_limit(a) > 0 || a->config->quota_messages > 0;
}

int store_account_quota(struct store_account *a, struct store_quota *out)
{
    account_lock(a);
    int result = account_check_index(a);
    if (result == 0)
        result = quota(a, out);
    int error = errno;
    account_unlock(a);
    errno = error;
    return result;
}

int account_check_quota(struct store_account *a, uint64_t octets, uint64_t messages)
{
    struct store_quota q;
    if (!store_account_limited(a))
        return 0;
    if (quota(a, &q) < 0)
        return -1;
    if ((q.octets_limit && q.octets + octets > q.octets_limit) ||
        (q.messages_limit && q.messages + messages > q.messages_limit)) {
        errno = EDQUOT;
        return -1;
    }
    return 0;
}

int store_quota_room(const struct config *c, const char *user, const char *home, int64_t uid,
                     int64_t gid, uint64_t own_limit, uint64_t octets)
{
    struct folder_status inbox;
    if (own_limit == 0 && c->quota == 0 && c->quota_messages == 0)
        return 0;
    struct store_account *a = store_account_get(c, user, home, uid, gid);
    if (!a)
        return -1;
    store_account_limit(a, own_limit);
    if (octets_limit(a) > 0 && octets > octets_limit(a)) {
        store_account_put(a);
        errno = EMSGSIZE;
        return -1;
    }
    int result = folder_status(a, "INBOX", false, &inbox);
    if (result == 0) {
        account_lock(a);
        result = account_check_quota(a, octets, 1);
        int error = errno;
        account_unlock(a);
        errno = error;
    }
    int error = errno;
    store_account_put(a);
    errno = error;
    return result;
}
