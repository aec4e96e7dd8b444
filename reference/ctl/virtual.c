/* virtual.c - `postroad domain`, `postroad alias`, and `postroad user` for virtual users. */
#include "reference/ctl/user.h"

#include "base/mem.h"
#include "base/timing.h"
#include "reference/auth/secret.h"
#include "reference/ctl/ctl.h"
#include "reference/message/address.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };      /* for another command, or the server */

/* The auth process must be able to read what we make. */
static void give_to_auth(const struct config *c, const char *path)
{
    const struct passwd *pw = geteuid() == 0 && c && c->auth_user ? getpwnam(c->auth_user) : NULL;
    if (pw && chown(path, pw->pw_uid, pw->pw_gid) != 0)
        fprintf(stderr, "postroad: %s: cannot be given to %s: %s\n", path, c->auth_user,
                strerror(errno));
}

sqlite3 *ctl_virtual_db(const char *config, const char *db, bool write)
{
    struct config *c = db ? NULL : ctl_config(config);
    struct buf errors = {0};
    const char *path = db;
    for (size_t i = 0; c && i < c->accounts_count && !path; i++)
        if (strcmp(c->accounts[i].type, "sqlite") == 0)
            path = c->accounts[i].path;
    if (!path)
        die(EX_CONFIG, "%s has no section accounts NAME { type = \"sqlite\" path = \"...\" } for "
            "virtual users; add one, or name the database with --db", config);
    bool is_new = access(path, F_OK) != 0;
    sqlite3 *handle = virtual_db_open(path, write, WAIT_MS, &errors);
    if (!handle)
        die(EX_NOINPUT, "%.*s", SLICE_ARG(slice_trim(buf_slice(&errors))));
    if (is_new)
        give_to_auth(c, path);
    config_free(c);
    return handle;
}

/* Prints what is wrong, closes the database: an exit status. */
static int finish(sqlite3 *db, bool good, struct buf *errors)
{
    if (errors->len)
        fprintf(stderr, "postroad: %s", buf_str(errors));
    sqlite3_close(db);
    buf_free(errors);
    return good ? EX_OK : EX_DATAERR;
}

static char *address_or_message(const char *text, bool catch_all)
{
    char *address;
    const char *wrong = virtual_address(slice_str(text), catch_all, &address);
    if (wrong)
        fprintf(stderr, "postroad: %s: %s\n", text, wrong);
    return address;
}

/* ---- fields of a user ------------------------------------------------------------------------ */

/* The end of a day, "2027-01-31", UTC; "never" is 0. */
static bool read_date(const char *text, int64_t *out)
{
    struct tm day = {0};
    const char *end = strptime(text, "%Y-%m-%d", &day);
    if (strcmp(text, "never") == 0) {
        *out = 0;
        return true;
    }
    day.tm_hour = 23;
    day.tm_min = day.tm_sec = 59;
    *out = end && !*end ? (int64_t)timegm(&day) : 0;
    return *out > 0;
}

static bool number(const char *text, int64_t *out)
{
    uint64_t n;
    bool good = slice_number(slice_str(text), UINT32_MAX - 1, &n);
    *out = good ? (int64_t)n : *out;
    return good;
}

const char *ctl_user_fields(const struct user_options *o, struct record *r)
{
    struct account *a = &r->account;
    uint64_t quota = 0;
    const char *wrong = NULL;
    if (o->quota && (!parse_size(slice_str(o->quota), &quota) || quota > INT64_MAX))
        wrong = "--quota is a size such as 500M, or 0 for none";
    else if (o->quota)
        a->quota = (int64_t)quota;
    if (o->expires && !read_date(o->expires, &r->expires))
        wrong = "--expires is a day such as 2027-01-31, or never";
    if ((o->uid && !number(o->uid, &a->uid)) || (o->gid && !number(o->gid, &a->gid)))
        wrong = "--uid and --gid are numbers";
    if (o->home && o->home[0] != '/')
        wrong = "--home is an absolute path";
    if (wrong)
        return wrong;
    if (o->home) {
        free(a->home);
        a->home = xstrdup(o->home);
    }
    if (o->groups) {
        free(a->groups);
        a->groups = xstrdup(o->groups);
    }
    return NULL;
}

/* ---- users ----------------------------------------------------------------------------------- */

static void print_record(void *arg, const struct record *r)
{
    (void)arg;
    const struct account *a = &r->account;
    if (a->target_count) {
        printf("%-32s alias   ", *a->user == '@' ? a->user : a->user);
        for (size_t i = 0; i < a->target_count; i++)
            printf("%s%s", i ? ", " : "", a->targets[i]);
        putchar('\n');
        return;
    }
    bool expired = r->expires && r->expires <= (int64_t)time(NULL);
    printf("%-32s %-8s", a->user, r->disabled ? "disabled" : secret_locked(r->secret) ? "locked"
                                  : expired ? "expired" : "active");
    printf(" %-13s quota %lld\n", secret_scheme(r->secret), (long long)a->quota);
}

static int list(sqlite3 *db)
{
    struct buf errors = {0};
    enum auth_status status = virtual_list(db, print_record, NULL, &errors);
    return finish(db, status == AUTH_OK, &errors);
}

static bool fields(const struct user_options *o, struct record *r, struct buf *errors)
{
    const char *wrong = ctl_user_fields(o, r);
    if (wrong)
        buf_printf(errors, "%s\n", wrong);
    return !wrong;
}

static bool add(sqlite3 *db, const struct user_options *o, const char *address,
                struct buf *errors)
{
    struct record r = {.account = {.user = xstrdup(address), .uid = -1, .gid = -1}};
    bool good = fields(o, &r, errors);
    if (good)
        r.secret = o->locked ? xstrdup("!") : ctl_ask_password(o->scheme);
    good = good && r.secret && virtual_put_user(db, &r, false, errors);
    record_free(&r);
    return good;
}

/* passwd, set, enable, disable: the user with one thing changed. */
static bool change(sqlite3 *db, const struct user_options *o, const char *action,
                   const char *address, struct buf *errors)
{
    struct record r = {0};
    enum auth_status found = virtual_user(db, address, &r, errors);
    bool good = found == AUTH_OK;
    if (found == AUTH_NO)
        buf_printf(errors, "%s: there is no such user\n", address);
    if (good && strcmp(action, "passwd") == 0) {
        free(r.secret);
        r.secret = ctl_ask_password(o->scheme);
        good = r.secret != NULL;
    } else if (good && strcmp(action, "set") == 0) {
        good = fields(o, &r, errors);
    } else {
        r.disabled = strcmp(action, "disable") == 0;
    }
    good = good && virtual_put_user(db, &r, true, errors);
    record_free(&r);
    return good;
}

int ctl_virtual_user(const struct user_options *o, const char *action, const char *name)
{
    static const char *const changes[] = {"passwd", "set", "enable", "disable"};
    struct buf errors = {0};
    bool known = strcmp(action, "add") == 0 || strcmp(action, "remove") == 0, good;
    if (!name)
        return list(ctl_virtual_db(o->config, o->db, false));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        known |= strcmp(action, changes[i]) == 0;
    if (!known)
        return ctl_usage("user");
    char *address = address_or_message(name, false);
    if (!address)
        return EX_DATAERR;
    sqlite3 *db = ctl_virtual_db(o->config, o->db, true);
    if (strcmp(action, "add") == 0)
        good = add(db, o, address, &errors);
    else if (strcmp(action, "remove") == 0)
        good = virtual_remove_user(db, address, &errors);
    else
        good = change(db, o, action, address, &errors);
    free(address);
    return finish(db, good, &errors);
}

/* ---- domains and aliases --------------------------------------------------------------------- */

/* -c FILE and --db FILE; the words that follow in argv + optind. False: usage. */
static bool options(int argc, char **argv, const char **config, const char **db)
{
    static const struct option longs[] = {{"db", required_argument, NULL, 'D'}, {0}};
    int o;
    *config = CTL_DEFAULT_CONFIG;
    *db = NULL;
    while ((o = getopt_long(argc, argv, "c:", longs, NULL)) != -1) {
        if (o == 'c')
            *config = optarg;
        else if (o == 'D')
            *db = optarg;
        else
            return false;
    }
    return optind < argc;
}

static void print_domain(void *arg, const char *domain, int users)
{
    (void)arg;
    printf("%-32s %d user%s\n", domain, users, users == 1 ? "" : "s");
}

int ctl_domain(int argc, char **argv)
{
    const char *config, *file;
    struct buf errors = {0};
    if (!options(argc, argv, &config, &file))
        return ctl_usage("domain");
    const char *action = argv[optind];
    bool listing = strcmp(action, "list") == 0, adding = strcmp(action, "add") == 0;
    if ((!listing && !adding && strcmp(action, "remove") != 0) || argc - optind != 2 - listing)
        return ctl_usage("domain");
    char *name = listing ? NULL : xstrdup(argv[optind + 1]);
    for (char *p = name; p && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    if (name && !domain_valid(slice_str(name))) {
        fprintf(stderr, "postroad: %s is no domain name; write one such as example.org\n", name);
        free(name);
        return EX_DATAERR;
    }
    sqlite3 *db = ctl_virtual_db(config, file, !listing);
    bool good = listing  ? virtual_list_domains(db, print_domain, NULL, &errors)
                : adding ? virtual_add_domain(db, name, &errors)
                         : virtual_remove_domain(db, name, &errors);
    free(name);
    return finish(db, good, &errors);
}

/* A target is an address; "\jerry@magedu.test" is the account whatever the aliases say. */
static bool target_good(const char *target)
{
    struct path path;
    const char *address = target[0] == '\\' ? target + 1 : target;
    bool good = strchr(address, '@') && mailbox_parse(slice_str(address), &path) == ADDRESS_OK;
    if (good)
        path_free(&path);
    else
        fprintf(stderr, "postroad: %s is no address with a domain\n", target);
    return good;
}

static bool change_alias(sqlite3 *db, bool adding, const char *alias, char **targets, int n,
                         struct buf *errors)
{
    if (!adding && n == 0)
        return virtual_remove_alias(db, alias, NULL, errors);
    for (int i = 0; i < n; i++)
        if (!target_good(targets[i]) ||
            !(adding ? virtual_add_target(db, alias, targets[i], errors)
                     : virtual_remove_alias(db, alias, targets[i], errors)))
            return false;
    return true;
}

int ctl_alias(int argc, char **argv)
{
    const char *config, *file;
    struct buf errors = {0};
    if (!options(argc, argv, &config, &file))
        return ctl_usage("alias");
    const char *action = argv[optind];
    int words = argc - optind;
    bool adding = strcmp(action, "add") == 0;
    if (strcmp(action, "list") == 0 && words == 1)
        return list(ctl_virtual_db(config, file, false));
    if (!(adding && words >= 3) && !(strcmp(action, "remove") == 0 && words >= 2))
        return ctl_usage("alias");
    char *alias = address_or_message(argv[optind + 1], true);
    if (!alias)
        return EX_DATAERR;
    sqlite3 *db = ctl_virtual_db(config, file, true);
    bool good = change_alias(db, adding, alias, argv + optind + 2, words - 2, &errors);
    free(alias);
    return finish(db, good, &errors);
}
