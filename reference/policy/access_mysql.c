/* access_mysql.c - an access list in MySQL or MariaDB. The patterns are values of a prepared
 * statement, never part of the SQL. */
#include "reference/auth/optional.h"

#ifdef WITH_MYSQL
#include "reference/policy/access_remote.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/auth/secret_file.h"

#include <mariadb/mysql.h>
#include <stdlib.h>

enum { COLUMN_MAX = 1024, COLUMNS = 2 };

struct state { const struct list_conf *conf; MYSQL *db; /* NULL: not connected */ };

static void check(const struct list_conf *c, struct buf *errors)
{
    if (!c->server || !c->database || !c->user)
        buf_printf(errors, "list %s: mysql needs server, database and user\n", c->name);
    if (!c->query || !strstr(c->query, "$patterns"))
        buf_printf(errors, "list %s: query is missing; write \"select pattern, reason from "
                   "blocked where pattern in ($patterns)\"\n", c->name);
}

static void *open_list(const struct list_conf *conf)
{
    struct state *s = xcalloc(1, sizeof *s);
    s->conf = conf;
    return s;
}

static void disconnect(struct state *s)
{
    if (s->db)
        mysql_close(s->db);
    s->db = NULL;
}

static void close_list(void *state)
{
    disconnect(state);
    free(state);
}

static bool connected(struct state *s, struct buf *trouble)
{
    const struct list_conf *c = s->conf;
    unsigned seconds = (unsigned)((c->timeout + 999) / 1000);
    if (s->db)
        return true;
    bool socket = c->server[0] == '/';
    char *password = c->password_file ? secret_file_read(c->password_file, trouble) : NULL;
    if (c->password_file && !password)
        return false;
    if (!(s->db = mysql_init(NULL)))
        die(70, "out of memory for the MySQL client");
    mysql_options(s->db, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(s->db, MYSQL_OPT_READ_TIMEOUT, &seconds);
    mysql_options(s->db, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
    mysql_options(s->db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    bool good = mysql_real_connect(s->db, socket ? NULL : c->server, c->user, password, c->database,
                                   (unsigned)c->port, socket ? c->server : NULL, 0) != NULL;
    if (!good)
        buf_printf(trouble, "%s: %s", c->server, mysql_error(s->db));
    secret_file_wipe(password);
    if (!good)
        disconnect(s);
    return good;
}

/* The query with a "?" for each pattern. */
static void write_query(const char *query, size_t n, struct buf *sql)
{
    const char *at = strstr(query, "$patterns");
    buf_add(sql, query, (size_t)(at - query));
    for (size_t i = 0; i < n; i++)
        buf_add_str(sql, i ? ", ?" : "?");
    buf_add_str(sql, at + strlen("$patterns"));
}

/* The first row: its first column is the pattern, the second, where there is one, the reason. */
static enum list_answer fetch(MYSQL_STMT *statement, struct buf *found, struct buf *reason)
{
    char text[COLUMNS][COLUMN_MAX];
    unsigned long length[COLUMNS] = {0};
    MYSQL_BIND out[COLUMNS];
    unsigned columns = mysql_stmt_field_count(statement);
    memset(out, 0, sizeof out);
    for (int i = 0; i < COLUMNS; i++) {
        out[i].buffer_type = MYSQL_TYPE_STRING;
        out[i].buffer = text[i];
        out[i].buffer_length = COLUMN_MAX;
        out[i].length = &length[i];
    }
    if (columns < 1 || columns > COLUMNS || mysql_stmt_bind_result(statement, out) != 0)
        return LIST_UNKNOWN;
    int row = mysql_stmt_fetch(statement);
    if (row == MYSQL_NO_DATA)
        return LIST_NO;
    if (row != 0 && row != MYSQL_DATA_TRUNCATED)
        return LIST_UNKNOWN;
    struct buf *const where[COLUMNS] = {found, reason};
    for (unsigned i = 0; i < columns; i++)
        buf_add(where[i], text[i], length[i] < COLUMN_MAX ? length[i] : COLUMN_MAX);
    return LIST_YES;
}

static enum list_answer ask(struct state *s, char *const *patterns, size_t n, struct buf *found,
                            struct buf *reason, struct buf *trouble)
{
    struct buf sql = {0};
    enum list_answer answer = LIST_UNKNOWN;
    MYSQL_BIND *in = xcalloc(n, sizeof *in);
    for (size_t i = 0; i < n; i++) {
        in[i].buffer_type = MYSQL_TYPE_STRING;
        in[i].buffer = patterns[i];
        in[i].buffer_length = strlen(patterns[i]);
    }
    write_query(s->conf->query, n, &sql);
    MYSQL_STMT *statement = mysql_stmt_init(s->db);
    if (statement && mysql_stmt_prepare(statement, sql.data, sql.len) == 0 &&
        mysql_stmt_param_count(statement) == n && mysql_stmt_bind_param(statement, in) == 0 &&
        mysql_stmt_execute(statement) == 0)
        answer = fetch(statement, found, reason);
    if (answer == LIST_UNKNOWN)
        buf_printf(trouble, "%s", statement ? mysql_stmt_error(statement) : "out of memory");
    if (statement)
        mysql_stmt_close(statement);
    free(in);
    buf_free(&sql);
    return answer;
}

static enum list_answer find(void *state, char *const *patterns, size_t n, struct buf *found,
                             struct buf *reason, struct buf *trouble)
{
    struct state *s = state;
    enum list_answer answer = LIST_UNKNOWN;
    /* A connection that has been idle may have ended: once more, on a new one. */
    bool old = s->db != NULL;
    int64_t late = mono_ms() + s->conf->timeout / 2;    /* it did not end, it is silent */
    for (int i = 0; i < 1 + old && answer == LIST_UNKNOWN && mono_ms() < late; i++) {
        buf_clear(trouble);
        if (!connected(s, trouble))
            break;
        answer = ask(s, patterns, n, found, reason, trouble);
        if (answer == LIST_UNKNOWN)
            disconnect(s);
    }
    return answer;
}

const struct access_remote access_mysql = {"mysql", check, open_list, close_list, find};
#endif
