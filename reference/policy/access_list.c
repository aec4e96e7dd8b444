/* access_list.c - the lists themselves: a pattern, a file, an SQLite table. */
#include "reference/policy/access_remote.h"

#include "base/event.h"
#include "base/mem.h"
#include "base/timing.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_MAX (256u << 20)    /* octets of a list */

enum source { SOURCE_PATTERN, SOURCE_FILE, SOURCE_SQLITE, SOURCE_REMOTE };

enum { REST_MS = 10000 };       /* a remote list that failed is not asked for so long */

struct entry { const char *pattern, *reason; unsigned line; };

struct access_list {
    enum source source;
    char *path, *table;          /* path: of the file; of SOURCE_PATTERN the pattern itself */
    pthread_mutex_t lock;
    struct stat seen;            /* of the file when it was read */
    bool readable;               /* it was read at least once */
    bool wrong;                  /* told so already */
    struct buf text;             /* the file; entries point into it */
    struct entry *v;
    size_t n;
    sqlite3 *db;
    const struct access_remote *remote;
    const struct list_conf *conf;
    void *state;                 /* of remote; NULL: not opened */
    int64_t rests_until;         /* mono_ms */
};

static int by_pattern(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->pattern, ((const struct entry *)b)->pattern);
}

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text |= 32;
}

/* Patterns are kept in the form in which subject_patterns asks for them: small letters, addresses
 * as netaddr_host writes them, networks by their first address. */
static char *canonical(const char *pattern)
{
    struct netblock b;
    char host[64];
    if (!netblock_parse(&b, slice_str(pattern))) {
        char *copy = xstrdup(pattern);
        lower(copy);
        return copy;
    }
    bool v4 = b.addr.sa.sa_family == AF_INET;
    uint8_t *octet = v4 ? (uint8_t *)&b.addr.in.sin_addr : b.addr.in6.sin6_addr.s6_addr;
    for (int i = 0; i < (v4 ? 32 : 128); i++)
        if (i >= b.prefix)
            octet[i / 8] &= (uint8_t)~(0x80 >> i % 8);
    netaddr_host(&b.addr, host);
    return strchr(pattern, '/') ? xasprintf("%s/%d", host, b.prefix) : xstrdup(host);
}

/* --- a file ---------------------------------------------------------------------------------- */

/* How many words of a line are the pattern: two when the second is one as well, for pairs. */
static char *end_of_pattern(char *line)
{
    char *end = line + strcspn(line, " \t");
    char *next = end + strspn(end, " \t");
    size_t n = strcspn(next, " \t");
    bool pair = (strchr(line, '@') || *line == '<' || *line == '.') &&
                (memchr(next, '@', n) || (n == 2 && next[0] == '<' && next[1] == '>'));
    return pair ? next + n : end;
}

static void parse_lines(struct access_list *l)
{
    size_t room = 0;
    unsigned number = 0;
    char *save, *line = l->text.data;
    for (; line && *line; line = save) {
        save = strchr(line, '\n');
        if (save)
            *save++ = 0;
        number++;
        line += strspn(line, " \t\r");
        line[strcspn(line, "#\r")] = 0;
        if (!*line)
            continue;
        char *end = end_of_pattern(line);
        char *reason = end + strspn(end, " \t");
        *end = 0;
        /* One blank between the two of a pair. */
        char *gap = strpbrk(line, " \t");
        if (gap) {
            char *second = gap + strspn(gap, " \t");
            *gap = ' ';
            memmove(gap + 1, second, strlen(second) + 1);
        }
        if (l->n == room)
            l->v = xreallocarray(l->v, room = room ? 2 * room : 64, sizeof *l->v);
        l->v[l->n++] = (struct entry){canonical(line), reason, number};
    }
    if (l->n)
        qsort(l->v, l->n, sizeof *l->v, by_pattern);
}

static void drop_entries(struct access_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free((char *)l->v[i].pattern);
    free(l->v);
    buf_free(&l->text);
    l->v = NULL;
    l->n = 0;
}

static void tell_wrong(struct access_list *l, const char *why)
{
    if (!l->wrong)
        event("policy.list-wrong", EV_STR("file", l->path), EV_STR("error", why));
    l->wrong = true;
}

/* Reads the file when it is another than the one read last. */
static void refresh(struct access_list *l)
{
    struct stat now;
    struct buf text = {0};
    if (stat(l->path, &now) != 0) {
        tell_wrong(l, strerror(errno));
        return;
    }
    if (l->readable && now.st_ino == l->seen.st_ino && now.st_size == l->seen.st_size &&
        now.st_mtim.tv_sec == l->seen.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == l->seen.st_mtim.tv_nsec)
        return;
    if (buf_read_file(&text, l->path, FILE_MAX) != 0) {
        tell_wrong(l, strerror(errno));
        buf_free(&text);
        return;
    }
    drop_entries(l);
    l->text = text;
    buf_str(&l->text);
    parse_lines(l);
    l->seen = now;
    l->readable = true;
    l->wrong = false;
    event("policy.list-read", EV_STR("file", l->path), EV_INT("entries", (int64_t)l->n));
}

/* --- an SQLite table ------------------------------------------------------------------------- */

static bool open_database(struct access_list *l)
{
    if (l->db)
        return true;
    if (sqlite3_open_v2(l->path, &l->db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(l->db, 1000);
        return true;
    }
    tell_wrong(l, sqlite3_errmsg(l->db));
    sqlite3_close(l->db);
    l->db = NULL;
    return false;
}

static enum list_answer find_row(struct access_list *l, const char *pattern, struct buf *why,
                                 struct buf *reason)
{
    sqlite3_stmt *statement = NULL;
    char *query = xasprintf("select reason from \"%s\" where lower(pattern) = ?", l->table);
    enum list_answer answer = LIST_UNKNOWN;
    if (sqlite3_prepare_v2(l->db, query, -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, pattern, -1, SQLITE_TRANSIENT);
        int step = sqlite3_step(statement);
        answer = step == SQLITE_ROW ? LIST_YES : step == SQLITE_DONE ? LIST_NO : LIST_UNKNOWN;
        if (step == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(statement, 0);
            buf_printf(why, "%s#%s %s", l->path, l->table, pattern);
            buf_add_str(reason, text ? text : "");
        }
    }
    if (answer == LIST_UNKNOWN)
        tell_wrong(l, sqlite3_errmsg(l->db));
    sqlite3_finalize(statement);
    free(query);
    return answer;
}

/* --- a database or directory ----------------------------------------------------------------- */

struct patterns { char **v; size_t n; };

static enum list_answer collect(void *arg, const char *pattern)
{
    struct patterns *p = arg;
    p->v = xreallocarray(p->v, p->n + 1, sizeof *p->v);
    p->v[p->n++] = xstrdup(pattern);
    return LIST_NO;
}

static enum list_answer find_remote(struct access_list *l, const struct subject *s, struct buf *why,
                                    struct buf *reason)
{
    struct patterns p = {0};
    struct buf trouble = {0}, found = {0};
    if (mono_ms() < l->rests_until)
        return LIST_UNKNOWN;
    subject_patterns(s, collect, &p);
    if (!l->state)
        l->state = l->remote->open(l->conf);
    enum list_answer answer = p.n ? l->remote->find(l->state, p.v, p.n, &found, reason, &trouble)
                                  : LIST_NO;
    if (answer == LIST_YES)
        buf_printf(why, "list %s %s", l->conf->name, buf_str(&found));
    if (answer == LIST_UNKNOWN) {
        tell_wrong(l, buf_str(&trouble));
        l->rests_until = mono_ms() + REST_MS;
    } else {
        l->wrong = false;
    }
    for (size_t i = 0; i < p.n; i++)
        free(p.v[i]);
    free(p.v);
    buf_free(&found);
    buf_free(&trouble);
    return answer;
}

/* --- asking ---------------------------------------------------------------------------------- */

struct search { struct access_list *l; struct buf *why, *reason; };

static enum list_answer look(void *arg, const char *pattern)
{
    struct search *s = arg;
    struct access_list *l = s->l;
    if (l->source == SOURCE_PATTERN) {
        if (strcmp(l->path, pattern) != 0)
            return LIST_NO;
        buf_add_str(s->why, pattern);
        return LIST_YES;
    }
    if (l->source == SOURCE_SQLITE)
        return find_row(l, pattern, s->why, s->reason);
    struct entry key = {.pattern = pattern};
    const struct entry *e = l->n ? bsearch(&key, l->v, l->n, sizeof *l->v, by_pattern) : NULL;
    if (!e)
        return LIST_NO;
    const char *slash = strrchr(l->path, '/');
    buf_printf(s->why, "%s:%u %s", slash ? slash + 1 : l->path, e->line, pattern);
    buf_add_str(s->reason, e->reason);
    return LIST_YES;
}

enum list_answer access_list_find(struct access_list *l, const struct subject *s, struct buf *why,
                                  struct buf *reason)
{
    struct search search = {l, why, reason};
    enum list_answer answer;
    if (l->source == SOURCE_PATTERN)
        return subject_patterns(s, look, &search);
    pthread_mutex_lock(&l->lock);
    if (l->source == SOURCE_FILE)
        refresh(l);
    bool ready = l->source == SOURCE_FILE ? l->readable
                                          : l->source == SOURCE_REMOTE || open_database(l);
    if (l->source == SOURCE_REMOTE)
        answer = find_remote(l, s, why, reason);
    else
        answer = ready ? subject_patterns(s, look, &search) : LIST_UNKNOWN;
    pthread_mutex_unlock(&l->lock);
    return answer;
}

bool access_list_check(struct access_list *l, struct buf *errors)
{
    bool good = true;
    struct buf ignored = {0};
    if (l->source == SOURCE_FILE) {
        refresh(l);
        good = l->readable;
    } else if (l->source == SOURCE_SQLITE) {
        good = open_database(l) && find_row(l, "", &ignored, &ignored) != LIST_UNKNOWN;
        /* A connection must not pass a fork: the roles open their own. */
        sqlite3_close(l->db);
        l->db = NULL;
    }
    if (!good)
        buf_printf(errors, l->source == SOURCE_SQLITE
                       ? "%s: there is no table \"%s\" with the columns pattern and reason to be "
                         "read; make it with sqlite3\n"
                       : "%s: the list cannot be read; make the file (it may be empty) and let "
                         "the user of smtpd read it\n", l->path, l->table);
    buf_free(&ignored);
    return good;
}

static char *file_name(const char *name, size_t n, const char *folder)
{
    return name[0] == '/' ? xasprintf("%.*s", (int)n, name)
                          : xasprintf("%s/%.*s", folder, (int)n, name);
}

struct access_list *access_list_new(const char *source, const char *folder)
{
    struct access_list *l = xcalloc(1, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    if (strncmp(source, "file:", 5) == 0) {
        l->source = SOURCE_FILE;
        l->path = file_name(source + 5, strlen(source + 5), folder);
    } else if (strncmp(source, "sqlite:", 7) == 0) {
        const char *name = source + 7;
        size_t n = strcspn(name, "#");
        l->source = SOURCE_SQLITE;
        l->path = file_name(name, n, folder);
        l->table = xstrdup(name[n] ? name + n + 1 : "access");
        for (char *p = l->table; *p; p++)   /* a name, whatever was written */
            *p = *p == '"' ? '_' : *p;
    } else {
        l->source = SOURCE_PATTERN;
        l->path = canonical(source);
    }
    return l;
}

struct access_list *access_list_remote(const struct list_conf *conf)
{
    struct access_list *l = xcalloc(1, sizeof *l);
    pthread_mutex_init(&l->lock, NULL);
    l->source = SOURCE_REMOTE;
    l->conf = conf;
    l->remote = access_remote_find(conf->type);
    l->path = xstrdup(conf->name);
    return l;
}

void access_list_free(struct access_list *l)
{
    if (!l)
        return;
    if (l->state)
        l->remote->close(l->state);
    drop_entries(l);
    sqlite3_close(l->db);
    free(l->path);
    free(l->table);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
