/* backend_passwd.c - /etc/passwd and /etc/shadow, read by ourselves. For expired passwords, groups
 * that may not log in, and other rules of the system take backend_pam.c. */
#include "reference/auth/backend.h"

#include "base/mem.h"
#include "reference/auth/system_user.h"
#include "reference/auth/users.h"

#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE_ROOM = 16 * 1024, DAY = 86400 };

static const char *passwd_of(const struct accounts_conf *c)
{
    return c->path ? c->path : "/etc/passwd";
}
static const char *shadow_of(const struct accounts_conf *c)
{
    return c->shadow ? c->shadow : "/etc/shadow";
}

static void *open_passwd(const struct accounts_conf *conf) { return (void *)(uintptr_t)conf; }
static void close_passwd(void *state) { (void)state; }

static FILE *open_file(const char *path, struct buf *why)
{
    FILE *f = fopen(path, "re");
    if (!f)
        buf_printf(why, "%s: %s; correct the path, or let auth-user read it\n", path,
                   strerror(errno));
    return f;
}

static void probe(void *state, struct buf *errors)
{
    FILE *passwd = open_file(passwd_of(state), errors);
    FILE *shadow = open_file(shadow_of(state), errors);
    if (passwd)
        fclose(passwd);
    if (shadow)
        fclose(shadow);
}

static bool find_passwd(FILE *f, const char *name, char *room, struct record *out)
{
    struct passwd pw, *found;
    while (fgetpwent_r(f, &pw, room, LINE_ROOM, &found) == 0)
        if (strcmp(pw.pw_name, name) == 0) {
            system_user_fill(&pw, out);
            /* Anything but a hash, "x" above all, sends us to the other file. */
            if (pw.pw_passwd && strlen(pw.pw_passwd) > 1)
                out->secret = xstrdup(pw.pw_passwd);
            return true;
        }
    return false;
}

/* An empty password field would let everybody in. */
static void find_shadow(FILE *f, const char *name, char *room, struct record *out)
{
    struct spwd sp, *found;
    while (fgetspent_r(f, &sp, room, LINE_ROOM, &found) == 0)
        if (strcmp(sp.sp_namp, name) == 0) {
            out->secret = xstrdup(sp.sp_pwdp && *sp.sp_pwdp ? sp.sp_pwdp : "!");
            out->expires = sp.sp_expire > 0 ? (int64_t)sp.sp_expire * DAY : 0;
            return;
        }
}

static enum auth_status look_up(void *state, const struct account_query *q, struct record *out,
                                struct buf *why)
{
    if (!q->system || !user_name_valid(slice_str(q->local)))
        return AUTH_NO;
    FILE *passwd = open_file(passwd_of(state), why), *shadow = NULL;
    if (!passwd)
        return AUTH_TEMPFAIL;
    char *room = xmalloc(LINE_ROOM);
    enum auth_status status = find_passwd(passwd, q->local, room, out) ? AUTH_OK : AUTH_NO;
    /* Mail needs no password: a shadow file that cannot be read matters at log-ins only. */
    if (status == AUTH_OK && !out->secret && q->account_only &&
        !(shadow = open_file(shadow_of(state), why)))
        status = AUTH_TEMPFAIL;
    if (shadow) {
        find_shadow(shadow, q->local, room, out);
        fclose(shadow);
    }
    fclose(passwd);
    explicit_bzero(room, LINE_ROOM);
    free(room);
    return status;
}

static void check(const struct accounts_conf *conf, struct buf *errors)
{
    (void)conf, (void)errors;      /* both files have a place by custom */
}

const struct backend_type backend_passwd = {
    .name = "passwd",
    .check = check,
    .open = open_passwd,
    .close = close_passwd,
    .probe = probe,
    .look_up = look_up,
};
