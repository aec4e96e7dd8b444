/* import.c - `postroad user import`: virtual users out of a passwd or CSV file, all or none. */
#include "reference/ctl/user.h"

#include "base/mem.h"
#include "reference/auth/secret.h"
#include "reference/ctl/ctl.h"
#include "reference/message/address.h"

#include <errno.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

enum { FILE_MAX = 64 * 1024 * 1024, COLUMNS_MAX = CSV_COLUMNS_MAX, DAY = 86400 };

struct import {
    const struct user_options *o;
    sqlite3 *db;
    const char *file;
    unsigned line, users;
    struct buf errors;
};

/* The domain is made when it is new: who imports users means it. */
static bool put(struct import *in, const struct record *r)
{
    struct buf ignored = {0}, wrong = {0};
    virtual_add_domain(in->db, strrchr(r->account.user, '@') + 1, &ignored);
    bool good = virtual_put_user(in->db, r, false, &wrong);
    if (!good)
        buf_printf(&in->errors, "%s:%u: %s", in->file, in->line, buf_str(&wrong));
    in->users += good;
    buf_free(&ignored);
    buf_free(&wrong);
    return good;
}

static bool wrong_line(struct import *in, const char *what)
{
    buf_printf(&in->errors, "%s:%u: %s\n", in->file, in->line, what);
    return false;
}

/* ---- passwd(5) and shadow(5) ----------------------------------------------------------------- */

static char *shadow_secret(const char *shadow, const char *name, int64_t *expires)
{
    FILE *f = shadow ? fopen(shadow, "re") : NULL;
    char *secret = NULL;
    for (struct spwd *sp; f && !secret && (sp = fgetspent(f));)
        if (strcmp(sp->sp_namp, name) == 0) {
            secret = xstrdup(sp->sp_pwdp && *sp->sp_pwdp ? sp->sp_pwdp : "!");
            *expires = sp->sp_expire > 0 ? (int64_t)sp->sp_expire * DAY : 0;
        }
    if (f)
        fclose(f);
    return secret;
}

static bool passwd_user(struct import *in, const struct passwd *pw)
{
    char *text = xasprintf("%s@%s", pw->pw_name, in->o->domain), *address;
    struct record r = {.account = {.uid = -1, .gid = -1}};
    const char *wrong = virtual_address(slice_str(text), false, &address);
    bool good;
    if (wrong) {
        good = wrong_line(in, wrong);
    } else {
        r.account.user = address;
        r.secret = shadow_secret(in->o->shadow, pw->pw_name, &r.expires);
        if (!r.secret)      /* the old way: the hash is in the file itself */
            r.secret = xstrdup(strlen(pw->pw_passwd) > 1 ? pw->pw_passwd : "!");
        wrong = ctl_user_fields(in->o, &r);
        good = wrong ? wrong_line(in, wrong) : put(in, &r);
    }
    record_free(&r);
    free(text);
    return good;
}

static bool import_passwd(struct import *in)
{
    uint64_t least = 1000;
    bool good = true;
    if (!in->o->domain || !domain_valid(slice_str(in->o->domain))) {
        buf_add_str(&in->errors, "--domain is missing: the domain that the users get\n");
        return false;
    }
    if (in->o->min_uid && !slice_number(slice_str(in->o->min_uid), UINT32_MAX, &least)) {
        buf_add_str(&in->errors, "--min-uid is a number\n");
        return false;
    }
    FILE *f = fopen(in->file, "re");
    if (!f) {
        buf_printf(&in->errors, "%s: %s\n", in->file, strerror(errno));
        return false;
    }
    for (struct passwd *pw; good && (pw = fgetpwent(f));) {
        in->line++;
        if (pw->pw_uid >= least && pw->pw_uid < 65534)      /* the last one is nobody */
            good = passwd_user(in, pw);
    }
    fclose(f);
    return good;
}

/* ---- CSV (RFC 4180) -------------------------------------------------------------------------- */

int csv_record(struct slice *rest, struct buf *field)
{
    int n = 0;
    if (rest->n == 0)
        return 0;
    for (int i = 0; i < COLUMNS_MAX; i++)
        buf_clear(&field[i]);
    for (size_t i = 0; i <= rest->n && n < COLUMNS_MAX; i++) {
        bool quoted = i < rest->n && rest->p[i] == '"';
        for (i += quoted; i < rest->n; i++) {
            char c = rest->p[i];
            if (quoted && c == '"' && i + 1 < rest->n && rest->p[i + 1] == '"')
                i++;
            else if (quoted && c == '"')
                break;
            else if (!quoted && (c == ',' || c == '\n' || c == '\r'))
                break;
            buf_add_byte(&field[n], c);
        }
        if (quoted && i >= rest->n)
            return -1;
        i += quoted;
        n++;
        if (i < rest->n && rest->p[i] == ',')
            continue;
        if (i < rest->n && rest->p[i] == '\r')
            i++;
        if (i < rest->n && rest->p[i] != '\n')
            return -1;
        *rest = slice_sub(*rest, i + 1, rest->n);
        return n;
    }
    return -1;
}

/* The last of two columns of one name counts. */
static void set(char **text, const char *value)
{
    free(*text);
    *text = *value ? xstrdup(value) : NULL;
}

static bool csv_field(struct user_options *o, struct record *r, char **password,
                      const char *column, const char *value)
{
    const struct { const char *name; const char **where; } options[] = {
        {"quota", &o->quota}, {"home", &o->home}, {"groups", &o->groups},
        {"expires", &o->expires}, {"uid", &o->uid}, {"gid", &o->gid}, {"scheme", &o->scheme},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strcmp(column, options[i].name) == 0) {
            *options[i].where = *value ? value : NULL;
            return true;
        }
    if (strcmp(column, "disabled") == 0)
        r->disabled = *value && strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
    else if (strcmp(column, "address") == 0)
        set(&r->account.user, value);
    else if (strcmp(column, "secret") == 0)
        set(&r->secret, value);
    else if (strcmp(column, "password") == 0)
        set(password, value);
    else
        return false;
    return true;
}

static bool csv_user(struct import *in, struct buf *column, struct buf *field, int n)
{
    struct user_options o = {0};
    struct record r = {.account = {.uid = -1, .gid = -1}};
    char *password = NULL, *address = NULL;
    const char *wrong = NULL;
    for (int i = 0; i < n && !wrong; i++)
        if (!csv_field(&o, &r, &password, buf_str(&column[i]), buf_str(&field[i])))
            wrong = "a column that is not known; known are address, secret, password, scheme, "
                    "quota, home, uid, gid, groups, expires, disabled";
    if (!wrong && !r.account.user)
        wrong = "no address";
    if (!wrong)
        wrong = virtual_address(slice_str(r.account.user), false, &address);
    if (!wrong)
        wrong = ctl_user_fields(&o, &r);
    if (!wrong && !r.secret)
        r.secret = password ? secret_make(o.scheme ? o.scheme : "crypt", password) : xstrdup("!");
    if (!wrong && !r.secret)
        wrong = "a password or scheme that cannot be used";
    free(r.account.user);
    r.account.user = address;
    bool good = wrong ? wrong_line(in, wrong) : put(in, &r);
    if (password)
        explicit_bzero(password, strlen(password));
    free(password);
    record_free(&r);
    return good;
}

static bool csv_users(struct import *in, struct slice rest)
{
    struct buf column[COLUMNS_MAX] = {{0}}, field[COLUMNS_MAX] = {{0}};
    int columns = csv_record(&rest, column), n;
    bool good = true;
    in->line = 1;
    if (columns <= 0)
        good = wrong_line(in, "no line with the columns' names; begin with address,password");
    while (good && (n = csv_record(&rest, field)) != 0) {
        in->line++;
        if (n == 1 && field[0].len == 0)
            continue;
        good = n == columns ? csv_user(in, column, field, n)
                            : wrong_line(in, "not as many fields as the first line names");
    }
    for (int i = 0; i < COLUMNS_MAX; i++) {
        buf_free(&column[i]);
        if (field[i].cap)          /* it may have been a password */
            explicit_bzero(field[i].data, field[i].cap);
        buf_free(&field[i]);
    }
    return good;
}

static bool import_csv(struct import *in)
{
    struct buf text = {0};
    bool good = buf_read_file(&text, in->file, FILE_MAX) == 0;
    if (!good)
        buf_printf(&in->errors, "%s: %s\n", in->file, strerror(errno));
    good = good && csv_users(in, buf_slice(&text));
    if (text.cap)
        explicit_bzero(text.data, text.cap);
    buf_free(&text);
    return good;
}

bool ctl_import_csv(sqlite3 *db, const char *name, struct slice text, unsigned *users,
                    struct buf *errors)
{
    static const struct user_options none;
    struct import in = {.o = &none, .db = db, .file = name};
    bool good = csv_users(&in, text);
    *users = in.users;
    buf_add_slice(errors, buf_slice(&in.errors));
    buf_free(&in.errors);
    return good;
}

int ctl_import(const struct user_options *o, const char *format, const char *file)
{
    bool csv = strcmp(format, "csv") == 0;
    if (!csv && strcmp(format, "passwd") != 0)
        return ctl_usage("user");
    struct import in = {.o = o, .file = file, .db = ctl_virtual_db(o->config, o->db, true)};
    bool good = sqlite3_exec(in.db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
    good = good && (csv ? import_csv(&in) : import_passwd(&in));
    good = sqlite3_exec(in.db, good ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK && good;
    if (good)
        printf("%u user%s imported\n", in.users, in.users == 1 ? "" : "s");
    else
        fprintf(stderr, "postroad: %snothing is imported\n", buf_str(&in.errors));
    buf_free(&in.errors);
    sqlite3_close(in.db);
    return good ? EX_OK : EX_DATAERR;
}
