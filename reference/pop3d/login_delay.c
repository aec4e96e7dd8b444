/* login_delay.c - LOGIN-DELAY (RFC 2449 6.5): who has logged in lately must wait. */
#include "reference/pop3d/login_delay.h"

#include "base/mem.h"
#include "base/timing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Users that are remembered. A user whose place was taken by another may come too early once. */
enum { PLACES = 4096 };

struct login_delay {
    pthread_mutex_t mutex;
    int64_t delay;                 /* ms */
    struct { uint64_t user; int64_t at; } place[PLACES];
};

struct login_delay *login_delay_new(int64_t delay_ms)
{
    struct login_delay *d = xcalloc(1, sizeof *d);
    pthread_mutex_init(&d->mutex, NULL);
    d->delay = delay_ms;
    return d;
}

void login_delay_free(struct login_delay *d)
{
    if (d)
        pthread_mutex_destroy(&d->mutex);
    free(d);
}

/* FNV-1a; never 0, which is an empty place. */
static uint64_t hash(const char *user)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *user; user++)
        h = (h ^ (unsigned char)*user) * 0x100000001b3u;
    return h ? h : 1;
}

bool login_delay_passed(struct login_delay *d, const char *user)
{
    if (!d || d->delay <= 0)
        return true;
    uint64_t h = hash(user);
    int64_t now = mono_ms();
    pthread_mutex_lock(&d->mutex);
    bool passed = d->place[h % PLACES].user != h || now - d->place[h % PLACES].at >= d->delay;
    if (passed) {
        d->place[h % PLACES].user = h;
        d->place[h % PLACES].at = now;
    }
    pthread_mutex_unlock(&d->mutex);
    return passed;
}
