#include "base/conf.h"

#include "base/mem.h"
#include "base/net.h"
#include "base/timing.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* libconfuse hands its error function no argument of ours, so the place to collect messages is one
 * variable, guarded for the time of a parse. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct buf *collected;
static const char *file_name;   /* libconfuse does not give it to sections that are not lists */

/* Cost of turning a into b by single-letter changes (Levenshtein), for "did you mean". */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(b);
    size_t *row = xcalloc(n + 1, sizeof *row);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t change = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            size_t least = row[j] < row[j + 1] ? row[j] + 1 : row[j + 1] + 1;
            row[j + 1] = change < least ? change : least;
        }
    }
    size_t result = row[n];
    free(row);
    return result;
}

static void nearest_key(const cfg_opt_t *opts, const char *name, const char **best, size_t *least)
{
    for (; opts && opts->name; opts++) {
        size_t d = distance(name, opts->name);
        if (d < *least) {
            *least = d;
            *best = opts->name;
        }
    }
}

/* The unknown key of libconfuse's message "no such option 'x'", or an empty slice. */
static struct slice unknown_key(const char *message)
{
    struct slice m = slice_str(message), prefix = SLICE("no such option '");
    ptrdiff_t at = slice_find(m, prefix);
    if (at < 0)
        return slice_of(NULL, 0);
    struct slice rest = slice_sub(m, (size_t)at + prefix.n, m.n), key;
    slice_next(&rest, '\'', &key);
    return key;
}

static void collect_error(cfg_t *cfg, const char *fmt, va_list ap)
{
    char *message = NULL;
    if (vasprintf(&message, fmt, ap) < 0)
        die(70, "out of memory while reporting a configuration error");
    if (collected) {
        const char *file = cfg && cfg->filename ? cfg->filename : file_name;
        if (cfg && file)
            buf_printf(collected, "%s:%d: ", file, cfg->line);
        buf_add_str(collected, message);
        struct slice key = unknown_key(message);
        if (key.n && cfg) {
            char *name = slice_dup(key);
            const char *best = NULL;
            size_t least = strlen(name) / 2 + 1;
            nearest_key(cfg->opts, name, &best, &least);
            if (best)
                buf_printf(collected, "; did you mean '%s'?", best);
            else
                buf_add_str(collected, "; see the manual page for the keys of this section");
            free(name);
        }
        buf_add_byte(collected, '\n');
    }
    free(message);
}

static cfg_t *finish(cfg_t *cfg, int result, const char *name, struct buf *errors)
{
    if (result == CFG_SUCCESS)
        return cfg;
    if (result == CFG_FILE_ERROR)
        buf_printf(errors, "%s: %s; name a file that can be read\n", name, strerror(errno));
    else if (errors->len == 0)
        buf_printf(errors, "%s:%d: cannot be read\n", name, cfg->line);
    cfg_free(cfg);
    return NULL;
}

cfg_t *conf_load(cfg_opt_t *opts, const char *path, struct buf *errors)
{
    pthread_mutex_lock(&lock);
    collected = errors;
    file_name = path;
    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    cfg_set_error_function(cfg, collect_error);
    errno = 0;
    cfg = finish(cfg, cfg_parse(cfg, path), path, errors);
    collected = NULL;
    file_name = NULL;
    pthread_mutex_unlock(&lock);
    return cfg;
}

cfg_t *conf_load_text(cfg_opt_t *opts, const char *text, const char *name, struct buf *errors)
{
    pthread_mutex_lock(&lock);
    collected = errors;
    file_name = name;
    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    cfg_set_error_function(cfg, collect_error);
    free(cfg->filename);
    cfg->filename = xstrdup(name);
    /* Not cfg_parse_buf, which names every text "[buf]" in its messages. */
    FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
    cfg = finish(cfg, f ? cfg_parse_fp(cfg, f) : CFG_FILE_ERROR, name, errors);
    if (f)
        fclose(f);
    collected = NULL;
    file_name = NULL;
    pthread_mutex_unlock(&lock);
    return cfg;
}

/* --- validators ----------------------------------------------------------------------------- */

/* The value just read: validators run after each value of a list. */
static struct slice last_value(cfg_opt_t *opt)
{
    unsigned n = cfg_opt_size(opt);
    return slice_str(n ? cfg_opt_getnstr(opt, n - 1) : "");
}

static int refuse(cfg_t *cfg, cfg_opt_t *opt, struct slice value, const char *what, const char *example)
{
    cfg_error(cfg, "%s = \"%.*s\" is not %s; write it like %s", cfg_opt_name(opt), SLICE_ARG(value),
              what, example);
    return -1;
}

int conf_check_duration(cfg_t *cfg, cfg_opt_t *opt)
{
    int64_t ms;
    struct slice v = last_value(opt);
    return parse_duration_ms(v, &ms) ? 0 : refuse(cfg, opt, v, "a duration", "\"250ms\", \"30s\", \"5m\", \"5d\"");
}

int conf_check_size(cfg_t *cfg, cfg_opt_t *opt)
{
    uint64_t n;
    struct slice v = last_value(opt);
    return parse_size(v, &n) ? 0 : refuse(cfg, opt, v, "a size", "\"4096\", \"64K\", \"50M\"");
}

int conf_check_port(cfg_t *cfg, cfg_opt_t *opt)
{
    unsigned n = cfg_opt_size(opt);
    long port = n ? cfg_opt_getnint(opt, n - 1) : 0;
    if (port >= 0 && port <= 65535)
        return 0;
    cfg_error(cfg, "%s = %ld is not a port; write a number from 0 to 65535", cfg_opt_name(opt), port);
    return -1;
}

int conf_check_address(cfg_t *cfg, cfg_opt_t *opt)
{
    struct netaddr a;
    struct slice v = last_value(opt);
    return netaddr_parse(&a, v, 0) ? 0
         : refuse(cfg, opt, v, "an address", "\"192.0.2.25\", \"2001:db8::25\" or \"unix:/path\"");
}

int conf_check_network(cfg_t *cfg, cfg_opt_t *opt)
{
    struct netblock b;
    struct slice v = last_value(opt);
    return netblock_parse(&b, v) ? 0
         : refuse(cfg, opt, v, "a network", "\"198.51.100.0/24\" or \"2001:db8::/32\"");
}

int64_t conf_duration_ms(cfg_t *cfg, const char *key)
{
    int64_t ms = 0;
    parse_duration_ms(slice_str(cfg_getstr(cfg, key)), &ms);
    return ms;
}

uint64_t conf_size(cfg_t *cfg, const char *key)
{
    uint64_t n = 0;
    parse_size(slice_str(cfg_getstr(cfg, key)), &n);
    return n;
}
