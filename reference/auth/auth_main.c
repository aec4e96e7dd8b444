/* auth_main.c - the auth process: the only one that reads the users file. */
#include "reference/auth/protocol.h"
#include "reference/roles.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/service.h"
#include "base/timing.h"

#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

/* ---- wrong guesses cost time ----------------------------------------------------------------- */

enum {
    GUESS_SLOTS = 1024,        /* peers remembered; a new one may take an old one's place */
    GUESSES_FREE = 10,         /* wrong passwords from one peer before its answers are slowed */
    GUESS_WINDOW_MS = 60000,   /* without one for so long a peer is forgotten */
    GUESS_DELAY_MS = 500,      /* for each one over the free ones */
    GUESS_DELAY_MAX_MS = 5000,
};

static pthread_mutex_t guess_lock = PTHREAD_MUTEX_INITIALIZER;
static struct guesser { uint64_t peer; int64_t last_ms; int wrong; } guessers[GUESS_SLOTS];

/* FNV-1a; who makes two addresses collide is slowed like the other. */
static uint64_t peer_hash(const char *peer)
{
    uint64_t h = 14695981039346656037u;
    for (; *peer; peer++)
        h = (h ^ (unsigned char)*peer) * 1099511628211u;
    return h;
}

static void slow_down(const char *peer)
{
    uint64_t hash = peer_hash(peer);
    int64_t now = mono_ms();
    pthread_mutex_lock(&guess_lock);
    struct guesser *g = &guessers[hash % GUESS_SLOTS];
    if (g->peer != hash || now - g->last_ms > GUESS_WINDOW_MS)
        *g = (struct guesser){.peer = hash};
    g->last_ms = now;
    int over = ++g->wrong - GUESSES_FREE;
    pthread_mutex_unlock(&guess_lock);
    if (over > 0 && !roles_stopping()) {
        int64_t wait = (int64_t)over * GUESS_DELAY_MS;
        sleep_ms(wait < GUESS_DELAY_MAX_MS ? wait : GUESS_DELAY_MAX_MS);
    }
}

/* ---- the service ----------------------------------------------------------------------------- */

/* JSON values hold passwords: all of jansson's memory is wiped when it is given back. */
static void wiping_free(void *p)
{
    if (p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

struct auth_role { struct accounts *accounts; struct sasl_server *sasl; };

static void session(struct stream *s, const struct session_info *info, void *ctx)
{
    (void)info;
    struct auth_role *role = ctx;
    struct sasl_connection connection = {.server = role->sasl, .refused = slow_down};
    struct buf line = {0}, answer = {0};
    enum line_end end;
    buf_reserve(&line, AUTH_REQUEST_MAX + 1);
    while (stream_read_line(s, &line, AUTH_REQUEST_MAX, &end) == IO_OK) {
        buf_clear(&answer);
        bool understood = auth_answer(role->accounts, &connection, buf_slice(&line), &answer);
        explicit_bzero(line.data, line.cap);
        if (!understood || stream_write(s, answer.data, answer.len) != IO_OK ||
            stream_flush(s) != IO_OK)
            break;
    }
    if (line.cap)
        explicit_bzero(line.data, line.cap);
    buf_free(&line);
    buf_free(&answer);
    sasl_connection_end(&connection);
    stream_close(s);
}

int auth_main(const struct config *c, const struct role_listener *l, size_t n)
{
    json_set_alloc_funcs(malloc, wiping_free);
    struct auth_role role = {.accounts = accounts_new(c, NULL)};
    role.sasl = sasl_server_new(c, role.accounts);

    /* Each session of the others may hold a connection: room for all of them at once. */
    struct service *service = service_new(&(struct service_conf){
        .name = "auth", .max_sessions = 4 * c->sessions + 100, .session = session, .ctx = &role,
        .stop_grace_ms = 200});
    for (size_t i = 0; i < n; i++)
        service_add_listener(service, l[i].fd, NULL);
    roles_stop_service(service);
    service_run(service);
    roles_stop_service(NULL);
    service_free(service);
    sasl_server_free(role.sasl);
    accounts_free(role.accounts);
    return 0;
}
