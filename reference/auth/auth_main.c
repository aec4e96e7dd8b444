/* auth_main.c - the auth process: the only one that reads the users file. */
#include "reference/auth/protocol.h"
#include "reference/auth/throttle.h"
#include "reference/roles.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/service.h"
#include "base/timing.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>

/* ---- the time of an answer ------------------------------------------------------------------- */

/* A refusal leaves at a multiple of this after its question came: how long the back end took to
 * find nobody, or a wrong password, does not show. */
enum { REFUSAL_GRID_MS = 100, NAP_MS = 100 };

static void wait_until(int64_t when_ms)
{
    for (int64_t left; (left = when_ms - mono_ms()) > 0 && !roles_stopping();)
        sleep_ms(left < NAP_MS ? left : NAP_MS);
}

static void verdict(const char *peer, const char *user, enum auth_status status, int64_t began_ms)
{
    int64_t now = mono_ms();
    int64_t wait = status == AUTH_TEMPFAIL ? 0 : throttle_delay(peer, user, now);
    if (status == AUTH_NO) {
        throttle_refused(peer, user, now);
        int64_t grid = (now - began_ms) / REFUSAL_GRID_MS + 1;
        now = began_ms + grid * REFUSAL_GRID_MS;
    }
    if (wait)
        event("auth.throttled", EV_STR("peer", peer), EV_STR("user", user), EV_INT("ms", wait));
    wait_until(now + wait);
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

/* Whoever keeps a connection open for its next question makes another when this one ends; but one that
 * was just made is waited for, and an exchange under way has to go on where it began. */
static enum io next_request(struct stream *s, const struct session_info *info, bool idle, struct buf *line)
{
    enum line_end end;
    stream_set_idle(s, idle);
    enum io r = idle && service_stopping(info->service)
                    ? IO_EOF : stream_read_line(s, line, AUTH_REQUEST_MAX, &end);
    stream_set_idle(s, false);
    return r;
}

static void session(struct stream *s, const struct session_info *info, void *ctx)
{
    struct auth_role *role = ctx;
    struct sasl_connection connection = {.server = role->sasl, .verdict = verdict};
    struct buf line = {0}, answer = {0};
    bool answered = false;
    buf_reserve(&line, AUTH_REQUEST_MAX + 1);
    while (next_request(s, info, answered && connection.exchange == NULL, &line) == IO_OK) {
        buf_clear(&answer);
        bool understood = auth_answer(role->accounts, &connection, buf_slice(&line), &answer);
        explicit_bzero(line.data, line.cap);
        stream_wipe(s);
        if (!understood || stream_write(s, answer.data, answer.len) != IO_OK ||
            stream_flush(s) != IO_OK)
            break;
        answered = true;
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
    throttle_init(c->auth_guesses);
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
