/* backend_mysql.c - accounts in MySQL or MariaDB, by queries of the configuration, as prepared
 * statements: names are values and never part of the SQL. Columns are known by their names. */
#include "reference/auth/optional.h"

#ifdef WITH_MYSQL
#include "reference/auth/backend.h"

#include "base/mem.h"
#include "reference/auth/secret_file.h"
#include "reference/auth/template.h"

#include <mariadb/mysql.h>
#include <stdlib.h>

enum { VALUE_MAX = 4096, COLUMNS_MAX = 32, ROWS_MAX = 1000 };

enum which { USER, ALIAS, DOMAIN, QUERIES };

struct query {
    struct buf sql;
    char places[TEMPLATE_PLACES_MAX + 1];
    MYSQL_STMT *statement;     /* of the open connection */
};

struct state {
    const struct accounts_conf *conf;
    MYSQL *db;                 /* NULL: not connected */
    struct query query[QUERIES];
};

static const char *text_of(const struct accounts_conf *c, enum which w)
{
    return w == USER ? c->user_query : w == ALIAS ? c->alias_query : c->domain_query;
}

static void *open_mysql(const struct accounts_conf *conf)
{
    struct state *s = xcalloc(1, sizeof *s);
    s->conf = conf;
    for (int w = 0; w < QUERIES; w++)
        if (text_of(conf, (enum which)w))
            template_sql(text_of(conf, (enum which)w), &s->query[w].sql, s->query[w].places);
    return s;
}

/* ---- the connection -------------------------------------------------------------------------- */

static void disconnect(struct state *s)
{
    for (int w = 0; w < QUERIES; w++) {
        if (s->query[w].statement)
            mysql_stmt_close(s->query[w].statement);
        s->query[w].statement = NULL;
    }
    if (s->db)
        mysql_close(s->db);
    s->db = NULL;
}

static void close_mysql(void *state)
{
    struct state *s = state;
    disconnect(s);
    for (int w = 0; w < QUERIES; w++)
        buf_free(&s->query[w].sql);
    free(s);
    mysql_thread_end();
}

static void set_options(MYSQL *db, const struct accounts_conf *c)
{
    unsigned seconds = (unsigned)((c->timeout + 999) / 1000);
    my_bool yes = 1, verify = c->ca_file != NULL;
    mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &seconds);
    mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
    mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    if (c->tls) {
        mysql_options(db, MYSQL_OPT_SSL_ENFORCE, &yes);
        mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
        if (c->ca_file)
            mysql_ssl_set(db, NULL, NULL, c->ca_file, NULL, NULL);
    }
}

static bool connected(struct state *s, struct buf *why)
{
    const struct accounts_conf *c = s->conf;
    if (s->db)
        return true;
    struct buf problem = {0};
    char *password = c->password_file ? secret_file_read(c->password_file, &problem) : NULL;
    bool socket = c->server && c->server[0] == '/';
    if (!(s->db = mysql_init(NULL)))
        die(70, "out of memory for the MySQL client");
    set_options(s->db, c);
    bool good = problem.len == 0 &&
                mysql_real_connect(s->db, socket ? NULL : c->server, c->user, password, c->database,
                                   (unsigned)c->port, socket ? c->server : NULL, 0) != NULL;
    if (!good)
        buf_printf(why, "%s: %s", c->server, problem.len ? buf_str(&problem) : mysql_error(s->db));
    secret_file_wipe(password);
    buf_free(&problem);
    if (!good)
        disconnect(s);
    return good;
}

/* ---- statements ------------------------------------------------------------------------------ */

/* One row of answers, as texts under their columns' names. */
struct row {
    unsigned n;
    char *name[COLUMNS_MAX];
    char *value[COLUMNS_MAX];          /* VALUE_MAX octets each */
    unsigned long length[COLUMNS_MAX];
    my_bool null[COLUMNS_MAX], cut[COLUMNS_MAX];
};

static void row_free(struct row *r)
{
    for (unsigned i = 0; i < r->n; i++) {
        explicit_bzero(r->value[i], VALUE_MAX);
        free(r->value[i]);
        free(r->name[i]);
    }
}

/* Prepares when that is to be done, and executes. False: with the reason in *why. */
static bool execute(struct state *s, enum which w, const struct account_query *q, struct buf *why)
{
    struct query *query = &s->query[w];
    MYSQL_BIND in[TEMPLATE_PLACES_MAX];
    memset(in, 0, sizeof in);
    if (!connected(s, why))
        return false;
    if (!query->statement) {
        query->statement = mysql_stmt_init(s->db);
        if (mysql_stmt_prepare(query->statement, query->sql.data, query->sql.len) != 0) {
            buf_printf(why, "%s", mysql_stmt_error(query->statement));
            return false;
        }
    }
    for (size_t i = 0; query->places[i]; i++) {
        const char *value = template_value(query->places[i], q);
        in[i].buffer_type = MYSQL_TYPE_STRING;
        in[i].buffer = (void *)(uintptr_t)value;
        in[i].buffer_length = strlen(value);
    }
    bool good = mysql_stmt_param_count(query->statement) == strlen(query->places) &&
                mysql_stmt_bind_param(query->statement, in) == 0 &&
                mysql_stmt_execute(query->statement) == 0;
    if (!good)
        buf_printf(why, "%s", mysql_stmt_error(query->statement));
    return good;
}

/* Makes room for the columns of the answer. */
static bool bind_row(MYSQL_STMT *statement, struct row *r)
{
    MYSQL_BIND out[COLUMNS_MAX];
    MYSQL_RES *meta = mysql_stmt_result_metadata(statement);
    unsigned n = meta ? mysql_num_fields(meta) : 0;
    memset(out, 0, sizeof out);
    r->n = n < COLUMNS_MAX ? n : 0;
    for (unsigned i = 0; i < r->n; i++) {
        r->name[i] = xstrdup(mysql_fetch_field_direct(meta, i)->name);
        r->value[i] = xcalloc(1, VALUE_MAX);
        out[i].buffer_type = MYSQL_TYPE_STRING;
        out[i].buffer = r->value[i];
        out[i].buffer_length = VALUE_MAX - 1;
        out[i].length = &r->length[i];
        out[i].is_null = &r->null[i];
        out[i].error = &r->cut[i];
    }
    if (meta)
        mysql_free_result(meta);
    return r->n > 0 && mysql_stmt_bind_result(statement, out) == 0 &&
           mysql_stmt_store_result(statement) == 0;
}

/* The next row: 1, 0 at the end, -1 when there is trouble. */
static int fetch(MYSQL_STMT *statement, struct row *r)
{
    for (unsigned i = 0; i < r->n; i++)
        memset(r->value[i], 0, VALUE_MAX);
    int result = mysql_stmt_fetch(statement);
    return result == 0 ? 1 : result == MYSQL_NO_DATA ? 0 : -1;
}

static const char *value_of(const struct row *r, const char *name)
{
    for (unsigned i = 0; i < r->n; i++)
        if (!r->null[i] && strcmp(r->name[i], name) == 0)
            return r->value[i];
    return NULL;
}

static int64_t number_of(const struct row *r, const char *name, int64_t otherwise)
{
    const char *text = value_of(r, name);
    uint64_t n;
    return text && slice_number(slice_str(text), INT64_MAX, &n) ? (int64_t)n : otherwise;
}

static enum auth_status fill_user(const struct row *r, const struct account_query *q,
                                  struct record *out)
{
    const char *user = value_of(r, "user"), *secret = value_of(r, "secret"),
               *home = value_of(r, "home"), *groups = value_of(r, "groups");
    out->account.user = xstrdup(user ? user : q->address);
    out->account.home = xstrdup(home ? home : "");
    out->account.groups = xstrdup(groups ? groups : "");
    out->account.uid = number_of(r, "uid", -1);
    out->account.gid = number_of(r, "gid", -1);
    out->account.quota = number_of(r, "quota", 0);
    out->expires = number_of(r, "expires", 0);
    out->disabled = number_of(r, "disabled", 0) != 0;
    out->secret = xstrdup(secret && *secret ? secret : "!");
    return AUTH_OK;
}

/* Rows of one column (the first): the targets. Commands and files are not to come from there. */
static enum auth_status fill_alias(MYSQL_STMT *statement, struct row *r,
                                   const struct account_query *q, struct record *out, int *got)
{
    struct account *a = &out->account;
    for (int i = 0; *got == 1 && i < ROWS_MAX; i++, *got = fetch(statement, r)) {
        if (r->null[0] || !r->value[0][0] || strchr("|/:", r->value[0][0]))
            continue;
        a->targets = xreallocarray(a->targets, a->target_count + 1, sizeof *a->targets);
        a->targets[a->target_count++] = xstrdup(r->value[0]);
    }
    if (a->target_count == 0)
        return AUTH_NO;
    a->user = xstrdup(q->address);
    return AUTH_ALIAS;
}

static enum auth_status run(struct state *s, enum which w, const struct account_query *q,
                            struct record *out, struct buf *why)
{
    struct row row = {0};
    enum auth_status status = AUTH_TEMPFAIL;
    if (!execute(s, w, q, why))
        return AUTH_TEMPFAIL;
    MYSQL_STMT *statement = s->query[w].statement;
    int got = bind_row(statement, &row) ? fetch(statement, &row) : -1;
    if (got == 0)
        status = AUTH_NO;
    else if (got == 1)
        status = w == USER    ? fill_user(&row, q, out)
                 : w == ALIAS ? fill_alias(statement, &row, q, out, &got)
                              : AUTH_OK;
    if (got < 0) {
        status = AUTH_TEMPFAIL;
        buf_printf(why, "%s", row.n ? mysql_stmt_error(statement) : "a query without an answer");
    }
    mysql_stmt_free_result(statement);
    row_free(&row);
    return status;
}

/* A connection may have ended while nobody used it: once more, on a new one. */
static enum auth_status run_anew(struct state *s, enum which w, const struct account_query *q,
                                 struct record *out, struct buf *why)
{
    bool old = s->db != NULL;
    enum auth_status status = run(s, w, q, out, why);
    if (status != AUTH_TEMPFAIL)
        return status;
    disconnect(s);
    if (!old)
        return AUTH_TEMPFAIL;
    buf_clear(why);
    record_free(out);
    status = run(s, w, q, out, why);
    if (status == AUTH_TEMPFAIL)
        disconnect(s);
    return status;
}

/* ---- the functions --------------------------------------------------------------------------- */

static enum auth_status look_up(void *state, const struct account_query *q, struct record *out,
                                struct buf *why)
{
    struct state *s = state;
    enum auth_status status = AUTH_NO;
    if (s->conf->alias_query && !q->account_only)
        status = run_anew(s, ALIAS, q, out, why);
    if (status == AUTH_NO && *q->local)
        status = run_anew(s, USER, q, out, why);
    return status;
}

static enum auth_status domain(void *state, const char *name, struct buf *why)
{
    struct state *s = state;
    struct record none = {0};
    const struct account_query q = {.address = name, .local = "", .domain = name};
    if (!s->conf->domain_query)
        return AUTH_NO;
    enum auth_status status = run_anew(s, DOMAIN, &q, &none, why);
    record_free(&none);
    return status;
}

static void probe(void *state, struct buf *errors)
{
    struct state *s = state;
    struct buf why = {0};
    const struct account_query q = {.address = "postroad-check", .local = "postroad-check",
                                    .domain = ""};
    for (int w = 0; w < QUERIES; w++) {
        struct record none = {0};
        if (text_of(s->conf, (enum which)w) &&
            run_anew(s, (enum which)w, &q, &none, &why) == AUTH_TEMPFAIL) {
            buf_printf(errors, "accounts %s: %s; is the server running, are the queries right?\n",
                       s->conf->name, buf_str(&why));
            w = QUERIES;
        }
        record_free(&none);
    }
    buf_free(&why);
}

static void check(const struct accounts_conf *c, struct buf *errors)
{
    if (!c->server || !c->user || !c->database || !c->user_query)
        buf_printf(errors, "accounts %s: server, user, database and user-query must be given\n",
                   c->name);
    for (int w = 0; w < QUERIES; w++) {
        const char *text = text_of(c, (enum which)w);
        char places[TEMPLATE_PLACES_MAX + 1];
        struct buf sql = {0};
        const char *wrong = text ? template_sql(text, &sql, places) : NULL;
        if (wrong)
            buf_printf(errors, "accounts %s: %s: %s\n", c->name, text, wrong);
        buf_free(&sql);
    }
}

const struct backend_type backend_mysql = {
    .name = "mysql",
    .remote = true,
    .check = check,
    .open = open_mysql,
    .close = close_mysql,
    .probe = probe,
    .look_up = look_up,
    .domain = domain,
};

#endif
