/* throttle.c - a table of who has guessed wrong, and how often. */
#include "reference/auth/throttle.h"

#include "base/net.h"

#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct guesser { uint64_t who; int64_t last_ms; int wrong; } guessers[THROTTLE_SLOTS];
static int free_guesses;
static uint64_t seed;

void throttle_init(int free)
{
    pthread_mutex_lock(&lock);
    free_guesses = free;
    memset(guessers, 0, sizeof guessers);
    if (RAND_bytes((unsigned char *)&seed, sizeof seed) != 1)
        seed = 0;
    pthread_mutex_unlock(&lock);
}

/* FNV-1a from a start that nobody outside knows. */
static uint64_t hash(char kind, const void *octets, size_t n)
{
    uint64_t h = (14695981039346656037u ^ seed ^ (uint64_t)kind) * 1099511628211u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)octets)[i]) * 1099511628211u;
    return h ? h : 1;
}

/* Who has a whole IPv6 network to himself must not count as many. */
static uint64_t hash_of_peer(const char *peer)
{
    struct netaddr a;
    if (netaddr_parse(&a, slice_str(peer), 0) && a.sa.sa_family == AF_INET6)
        return hash('6', &a.in6.sin6_addr, 8);
    return hash('p', peer, strlen(peer));
}

static uint64_t hash_of_user(const char *user)
{
    char folded[320];
    size_t n = 0;
    for (; user[n] && n < sizeof folded; n++)
        folded[n] = (char)(user[n] >= 'A' && user[n] <= 'Z' ? user[n] + 32 : user[n]);
    return hash('u', folded, n);
}

/* The lock is held. */
static int wrong_of(uint64_t who, int64_t now_ms)
{
    const struct guesser *g = &guessers[who % THROTTLE_SLOTS];
    return g->who == who && now_ms - g->last_ms <= THROTTLE_FORGET_MS ? g->wrong : 0;
}

static int64_t wait_for(int over)
{
    int64_t wait = THROTTLE_STEP_MS;
    for (; over > 1 && wait < THROTTLE_MAX_MS; over--)
        wait *= 2;
    return over <= 0 ? 0 : wait < THROTTLE_MAX_MS ? wait : THROTTLE_MAX_MS;
}

int64_t throttle_delay(const char *peer, const char *user, int64_t now_ms)
{
    pthread_mutex_lock(&lock);
    int64_t by_peer = 0, by_user = 0;
    if (free_guesses > 0) {
        by_peer = wait_for(wrong_of(hash_of_peer(peer), now_ms) - free_guesses + 1);
        by_user = wait_for(wrong_of(hash_of_user(user), now_ms) -
                           THROTTLE_USER_FREE * free_guesses + 1);
    }
    pthread_mutex_unlock(&lock);
    return by_peer > by_user ? by_peer : by_user;
}

static void count(uint64_t who, int64_t now_ms)
{
    struct guesser *g = &guessers[who % THROTTLE_SLOTS];
    if (g->who != who || now_ms - g->last_ms > THROTTLE_FORGET_MS)
        *g = (struct guesser){.who = who};
    g->last_ms = now_ms;
    if (g->wrong < 1000000)
        g->wrong++;
}

void throttle_refused(const char *peer, const char *user, int64_t now_ms)
{
    pthread_mutex_lock(&lock);
    count(hash_of_peer(peer), now_ms);
    if (*user)
        count(hash_of_user(user), now_ms);
    pthread_mutex_unlock(&lock);
}
