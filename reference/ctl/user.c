/* user.c - `postroad user`: the users file, changed without losing a comment. */
#include "reference/ctl/user.h"

#include "base/mem.h"
#include "reference/ctl/ctl.h"
#include "reference/auth/password.h"
#include "reference/auth/secret.h"
#include "reference/auth/users.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <termios.h>
#include <unistd.h>

/* ---- the password ---------------------------------------------------------------------------- */

/* One line of standard input, without echo at a terminal. False at its end or when it is too long.
 */
static bool read_password(const char *prompt, char out[PASSWORD_MAX])
{
    struct termios old, quiet;
    bool terminal = tcgetattr(STDIN_FILENO, &old) == 0;
    if (terminal) {
        fputs(prompt, stderr);
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    }
    bool got = fgets(out, PASSWORD_MAX, stdin) != NULL;
    if (terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
        fputc('\n', stderr);
    }
    size_t n = got ? strlen(out) : 0;
    bool whole = n > 0 && (out[n - 1] == '\n' || feof(stdin));
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
        out[--n] = 0;
    return whole && n > 0;
}

static const char *why_no_secret(int error)
{
    return error == EINVAL   ? "the scheme is crypt, argon2, ssha, scram-sha-256, scram-sha-1, or "
                               "plain (for a password without colon)"
           : error == EILSEQ ? "a password is UTF-8 without control characters"
                             : strerror(error);
}

char *ctl_ask_password(const char *scheme)
{
    char first[PASSWORD_MAX], second[PASSWORD_MAX];
    char *hash = NULL;
    if (!read_password("New password: ", first)) {
        fprintf(stderr,
                "postroad: no password; give one line of up to %d octets on standard input\n",
                PASSWORD_MAX - 2);
    } else if (isatty(STDIN_FILENO) &&
               (!read_password("Once more: ", second) || strcmp(first, second) != 0)) {
        fprintf(stderr, "postroad: the passwords differ; nothing is changed\n");
    } else if (!(hash = secret_make(scheme ? scheme : "crypt", first))) {
        fprintf(stderr, "postroad: cannot make a secret of that: %s\n", why_no_secret(errno));
    }
    explicit_bzero(first, sizeof first);
    explicit_bzero(second, sizeof second);
    return hash;
}

/* ---- the file -------------------------------------------------------------------------------- */

/* Two commands at once would lose the change of one. */
static int lock_file(const char *file)
{
    char *name = xasprintf("%s.lock", file);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX) != 0)
        die(errno == EACCES ? EX_NOPERM : EX_CANTCREAT,
            "%s: %s; run this as the owner of the users file", name, strerror(errno));
    free(name);
    return fd;
}

/* The new text in one step, with the owner and mode of the old: a reader sees one or the other. */
static bool replace_file(const char *file, const struct buf *text)
{
    char *name = xasprintf("%s.new", file), *copy = xstrdup(file);
    struct stat old;
    bool was = stat(file, &old) == 0;
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    for (size_t done = 0; good && done < text->len;) {
        ssize_t n = write(fd, text->data + done, text->len - done);
        good = n > 0 || (n < 0 && errno == EINTR);
        done += n > 0 ? (size_t)n : 0;
    }
    if (good && was)
        good = fchmod(fd, old.st_mode & 0777) == 0 &&
               (fchown(fd, old.st_uid, old.st_gid) == 0 || geteuid() != 0);
    good = good && fsync(fd) == 0 && rename(name, file) == 0;
    int saved = errno, folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (good && folder >= 0)
        fsync(folder);
    if (folder >= 0)
        close(folder);
    if (fd >= 0)
        close(fd);
    if (!good) {
        fprintf(stderr, "postroad: %s: cannot be written: %s\n", name, strerror(saved));
        unlink(name);
    }
    free(name);
    free(copy);
    return good;
}

/* The user name of a line; empty for comments. */
static struct slice name_of(struct slice line)
{
    struct slice name = {0};
    line = slice_trim(line);
    if (line.n && line.p[0] != '#')
        slice_next(&line, ':', &name);
    return name;
}

/* Copies the file with user's line replaced by `with` (NULL: left out). True when there was one. */
static bool edit(struct slice text, struct slice user, const char *with, struct buf *out)
{
    bool found = false;
    struct slice line;
    while (slice_next(&text, '\n', &line)) {
        bool last = text.p == NULL;
        if (last && line.n == 0)
            break;
        bool here = slice_ieq(name_of(line), user);
        found |= here;
        if (here && with)
            buf_printf(out, "%s\n", with);
        if (here)
            continue;
        buf_add_slice(out, line);
        buf_add_byte(out, '\n');
    }
    return found;
}

/* Parses what would be written: nothing wrong may get into the file. */
static int check_and_replace(const char *file, const struct buf *text)
{
    struct users users;
    struct buf errors = {0};
    if (!users_parse(&users, buf_slice(text), file, &errors)) {
        fprintf(stderr, "%s", buf_str(&errors));
        buf_free(&errors);
        return EX_DATAERR;
    }
    users_free(&users);
    buf_free(&errors);
    return replace_file(file, text) ? EX_OK : EX_CANTCREAT;
}

/* ---- the actions ----------------------------------------------------------------------------- */

static char *new_line(const struct user_options *o, const char *name, const char *hash)
{
    if (o->uid || o->gid || o->home)
        return xasprintf("%s:%s:%s:%s:%s", name, hash, o->uid ? o->uid : "", o->gid ? o->gid : "",
                         o->home ? o->home : "");
    return xasprintf("%s:%s", name, hash);
}

static int add(const struct user_options *o, const char *name, const struct buf *old,
               const char *file)
{
    struct buf text = {0};
    if (edit(buf_slice(old), slice_str(name), NULL, &text)) {
        fprintf(stderr, "postroad: %s exists; postroad user passwd %s changes the password\n", name,
                name);
        buf_free(&text);
        return EX_DATAERR;
    }
    char *hash = o->locked ? xstrdup("!") : ctl_ask_password(o->scheme);
    int status = EX_DATAERR;
    if (hash) {
        char *line = new_line(o, name, hash);
        buf_printf(&text, "%s\n", line);
        status = check_and_replace(file, &text);
        free(line);
    }
    free(hash);
    buf_free(&text);
    return status;
}

static int change(const struct user_options *o, const char *name, const struct buf *old,
                  const char *file, bool remove)
{
    struct users users;
    struct buf errors = {0}, text = {0};
    int status = EX_DATAERR;
    char *hash = NULL, *line = NULL;
    if (!users_parse(&users, buf_slice(old), file, &errors)) {
        fprintf(stderr, "%s", buf_str(&errors));
        buf_free(&errors);
        return EX_DATAERR;
    }
    const struct user_entry *e = users_find(&users, slice_str(name));
    const char *scheme = e && !o->scheme ? secret_scheme(e->secret) : o->scheme;
    if (!e) {
        fprintf(stderr, "postroad: there is no user %s; postroad user list shows them\n", name);
        status = EX_NOUSER;
    } else if (remove || (hash = o->locked ? xstrdup("!") : ctl_ask_password(scheme))) {
        if (!remove && *e->home)
            line = xasprintf("%s:%s:%lld:%lld:%s", e->name, hash, (long long)e->uid,
                             (long long)e->gid, e->home);
        else if (!remove)
            line = xasprintf("%s:%s", e->name, hash);
        edit(buf_slice(old), slice_str(name), line, &text);
        status = check_and_replace(file, &text);
    }
    free(hash);
    free(line);
    buf_free(&text);
    users_free(&users);
    return status;
}

static int list(const struct buf *text, const char *file)
{
    struct users users;
    struct buf errors = {0};
    if (!users_parse(&users, buf_slice(text), file, &errors)) {
        fprintf(stderr, "%s", buf_str(&errors));
        buf_free(&errors);
        return EX_DATAERR;
    }
    for (size_t i = 0; i < users.n; i++) {
        const struct user_entry *e = &users.v[i];
        bool locked = secret_locked(e->secret);
        printf("%-24s %-7s %s\n", e->name, locked ? "locked" : "active", e->home);
    }
    users_free(&users);
    return EX_OK;
}

static int run(const struct user_options *o, const char *file, const char *action, const char *name)
{
    struct buf text = {0};
    bool listing = strcmp(action, "list") == 0;
    bool known = listing || strcmp(action, "add") == 0 || strcmp(action, "passwd") == 0 ||
                 strcmp(action, "remove") == 0;
    if (!known || listing != !name)
        return ctl_usage("user");
    if (name && !user_name_valid(slice_str(name))) {
        fprintf(stderr,
                "postroad: %s cannot be a user name; use up to 64 letters, digits, dots, hyphens, "
                "underscores, beginning with a letter or digit, not ending in .lock\n",
                name);
        return EX_DATAERR;
    }
    int lock = listing ? -1 : lock_file(file), status;
    if (buf_read_file(&text, file, USERS_FILE_MAX) != 0 &&
        (errno != ENOENT || strcmp(action, "add") != 0)) {
        fprintf(stderr, "postroad: %s: %s\n", file, strerror(errno));
        status = errno == EACCES ? EX_NOPERM : EX_NOINPUT;
    } else if (listing) {
        status = list(&text, file);
    } else if (strcmp(action, "add") == 0) {
        status = add(o, name, &text, file);
    } else {
        status = change(o, name, &text, file, strcmp(action, "remove") == 0);
    }
    if (lock >= 0)
        close(lock);
    buf_free(&text);
    return status;
}

int ctl_user(int argc, char **argv)
{
    static const struct option options[] = {
        {"file", required_argument, NULL, 'F'}, {"uid", required_argument, NULL, 'u'},
        {"gid", required_argument, NULL, 'g'}, {"home", required_argument, NULL, 'h'},
        {"scheme", required_argument, NULL, 's'}, {"db", required_argument, NULL, 'D'},
        {"quota", required_argument, NULL, 'q'}, {"groups", required_argument, NULL, 'G'},
        {"expires", required_argument, NULL, 'e'}, {"domain", required_argument, NULL, 'd'},
        {"shadow", required_argument, NULL, 'S'}, {"min-uid", required_argument, NULL, 'm'},
        {"locked", no_argument, NULL, 'l'}, {0}};
    struct user_options o = {.config = CTL_DEFAULT_CONFIG};
    int option;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        switch (option) {
        case 'c': o.config = optarg; break;
        case 'F': o.file = optarg; break;
        case 'u': o.uid = optarg; break;
        case 'g': o.gid = optarg; break;
        case 'h': o.home = optarg; break;
        case 's': o.scheme = optarg; break;
        case 'D': o.db = optarg; break;
        case 'q': o.quota = optarg; break;
        case 'G': o.groups = optarg; break;
        case 'e': o.expires = optarg; break;
        case 'd': o.domain = optarg; break;
        case 'S': o.shadow = optarg; break;
        case 'm': o.min_uid = optarg; break;
        case 'l': o.locked = true; break;
        default: return ctl_usage("user");
        }
    }
    int words = argc - optind;
    const char *action = argv[optind], *name = words > 1 ? argv[optind + 1] : NULL;
    if (words == 3 && strcmp(action, "import") == 0)
        return ctl_import(&o, name, argv[optind + 2]);
    if (words < 1 || words > 2)
        return ctl_usage("user");
    if ((name && strchr(name, '@')) || o.db)      /* without a system account */
        return ctl_virtual_user(&o, action, name);
    struct config *c = o.file ? NULL : ctl_config(o.config);
    char *file = xstrdup(o.file ? o.file : c->users_file ? c->users_file : "");
    int status = run(&o, file, action, name);
    free(file);
    config_free(c);
    return status;
}
