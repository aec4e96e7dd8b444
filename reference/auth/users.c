/* users.c - parsing the users file. */
#include "reference/auth/users.h"

#include "base/mem.h"
#include "reference/auth/secret.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

bool user_name_valid(struct slice name)
{
    if (name.n == 0 || name.n > USER_NAME_MAX || name.p[0] == '.' || name.p[0] == '-')
        return false;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (!(c < 128 && isalnum(c)) && c != '.' && c != '-' && c != '_')
            return false;
    }
    return !(name.n > 5 && slice_ieq(slice_sub(name, name.n - 5, name.n), SLICE(".lock")));
}

/* The static text of what is wrong with the line, or NULL and *e filled. */
static const char *parse_line(struct slice line, struct user_entry *e)
{
    struct slice field[5] = {{0}};
    size_t n = 0;
    struct slice rest = line, f;
    while (slice_next(&rest, ':', &f)) {
        if (n == 5)
            return "more than five fields; write name:secret or name:secret:uid:gid:home";
        field[n++] = f;
    }
    if (n != 2 && n != 5)
        return "not two or five fields; write name:secret or name:secret:uid:gid:home";
    if (!user_name_valid(field[0]))
        return "not a user name; use up to 64 letters, digits, dots, hyphens, underscores, "
               "beginning "
               "with a letter or digit, not ending in .lock";
    if (field[1].n == 0)
        return "no secret; write ! to lock the account, or use postroad user passwd";
    const char *wrong = secret_problem(field[1]);
    if (wrong)
        return wrong;
    uint64_t uid = 0, gid = 0;
    if (n == 5 && (!slice_number(field[2], UINT32_MAX - 1, &uid) ||
                   !slice_number(field[3], UINT32_MAX - 1, &gid)))
        return "uid and gid must be numbers; id NAME prints those of a system user";
    if (n == 5 && (field[4].n == 0 || field[4].p[0] != '/'))
        return "home must be an absolute path";
    e->name = slice_dup(field[0]);
    for (char *p = e->name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    e->secret = slice_dup(field[1]);
    e->uid = n == 5 ? (int64_t)uid : -1;
    e->gid = n == 5 ? (int64_t)gid : -1;
    e->home = slice_dup(field[4]);
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct user_entry *)a)->name, ((const struct user_entry *)b)->name);
}

bool users_parse(struct users *out, struct slice text, const char *file, struct buf *errors)
{
    size_t errors_before = errors->len, room = 0;
    unsigned number = 0;
    struct slice line;
    *out = (struct users){0};
    while (slice_next(&text, '\n', &line)) {
        number++;
        line = slice_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        struct user_entry e = {.line = number};
        const char *wrong =
            memchr(line.p, 0, line.n) ? "a NUL byte; remove it" : parse_line(line, &e);
        if (wrong) {
            buf_printf(errors, "%s:%u: %s\n", file, number, wrong);
            continue;
        }
        if (out->n == room)
            out->v = xreallocarray(out->v, room = room ? room * 2 : 16, sizeof *out->v);
        out->v[out->n++] = e;
    }
    if (out->n)
        qsort(out->v, out->n, sizeof *out->v, by_name);
    for (size_t i = 1; i < out->n; i++) {
        const struct user_entry *a = &out->v[i - 1], *b = &out->v[i];
        if (strcmp(a->name, b->name) == 0)
            buf_printf(errors, "%s:%u: %s is also in line %u; remove one\n", file,
                       a->line > b->line ? a->line : b->line, a->name,
                       a->line > b->line ? b->line : a->line);
    }
    if (errors->len == errors_before)
        return true;
    users_free(out);
    return false;
}

bool users_load(struct users *out, const char *file, struct buf *errors)
{
    struct buf text = {0};
    *out = (struct users){0};
    if (buf_read_file(&text, file, USERS_FILE_MAX) != 0) {
        buf_printf(errors,
                   "%s: cannot read the users file: %s; make it (postroad user add) or correct "
                   "users-file\n",
                   file, strerror(errno));
        buf_free(&text);
        return false;
    }
    bool good = users_parse(out, buf_slice(&text), file, errors);
    if (text.cap)
        explicit_bzero(text.data, text.len);
    buf_free(&text);
    return good;
}

void users_free(struct users *u)
{
    for (size_t i = 0; i < u->n; i++) {
        explicit_bzero(u->v[i].secret, strlen(u->v[i].secret));
        free(u->v[i].name);
        free(u->v[i].secret);
        free(u->v[i].home);
    }
    free(u->v);
    *u = (struct users){0};
}

const struct user_entry *users_find(const struct users *u, struct slice name)
{
    char key[USER_NAME_MAX + 1];
    if (u->n == 0 || name.n == 0 || name.n > USER_NAME_MAX || memchr(name.p, 0, name.n))
        return NULL;
    for (size_t i = 0; i < name.n; i++)
        key[i] = (char)tolower((unsigned char)name.p[i]);
    key[name.n] = 0;
    struct user_entry wanted = {.name = key};
    return bsearch(&wanted, u->v, u->n, sizeof *u->v, by_name);
}
