/* config_filters.c - the sections `filter NAME { }`: programs that look into messages. */
#include "reference/config_internal.h"

#include "base/conf.h"
#include "base/mem.h"
#include "base/timing.h"

#include <stdlib.h>

cfg_opt_t config_filter_keys[] = {
    CFG_STR("type", "", CFGF_NONE), CFG_STR("address", "", CFGF_NONE),
    CFG_STR("timeout", "30s", CFGF_NONE), CFG_STR("on-failure", "defer", CFGF_NONE),
    CFG_STR_LIST("services", "{\"smtp\", \"submission\", \"submissions\"}", CFGF_NONE),
    CFG_STR("max-size", "", CFGF_NONE), CFG_STR("found", "", CFGF_NONE),
    CFG_STR("way", "", CFGF_NONE), CFG_STR("user", "", CFGF_NONE),
    CFG_FLOAT("reject-score", 0, CFGF_NONE), CFG_BOOL("mark-clean", cfg_false, CFGF_NONE),
    CFG_END(),
};

/* Words for each choice; the position is the value of the enum. */
static const char *const kinds[] = {"spamd", "clamd", "milter", NULL};
static const char *const failures[] = {"accept", "defer", "reject", NULL};
static const char *const founds[] = {"tag", "reject", "quarantine", "discard", NULL};
static const char *const spamd_ways[] = {"symbols", "headers", "process", NULL};
static const char *const clamd_ways[] = {"zinstream", "instream", "fildes", NULL};
static const char *const services[] = {"smtp", "submission", "submissions", NULL};

static int find_word(const char *const *words, const char *word)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0)
            return i;
    }
    return -1;
}

/* The key's word, `standard` when it is not given; a wrong one is an error with the right ones. */
static int choice(cfg_t *sec, const char *key, const char *const *words, int standard,
                  const struct config *c, struct buf *errors)
{
    const char *word = cfg_getstr(sec, key);
    int i = *word ? find_word(words, word) : standard;
    if (i >= 0)
        return i;
    buf_printf(errors, "%s:%d: filter %s: %s = \"%s\"; write one of:", c->path,
               cfg_opt_getstr(cfg_getopt(sec, key)) ? sec->line : 0, cfg_title(sec), key, word);
    for (i = 0; words[i]; i++)
        buf_printf(errors, " %s", words[i]);
    buf_add_byte(errors, '\n');
    return 0;
}

static bool known_services(struct filter_conf *f, cfg_t *sec, const struct config *c,
                           struct buf *errors)
{
    for (unsigned i = 0; i < cfg_size(sec, "services"); i++) {
        const char *service = cfg_getnstr(sec, "services", i);
        if (find_word(services, service) < 0) {
            buf_printf(errors, "%s:%d: filter %s: services has \"%s\"; write smtp, submission or "
                       "submissions\n", c->path, sec->line, f->name, service);
            return false;
        }
        f->services.v = xrealloc(f->services.v, (f->services.n + 1) * sizeof *f->services.v);
        f->services.v[f->services.n++] = xstrdup(service);
    }
    return true;
}

static void read_one(struct config *c, cfg_t *sec, struct buf *errors)
{
    c->filters = xrealloc(c->filters, (c->filter_count + 1) * sizeof *c->filters);
    struct filter_conf *f = &c->filters[c->filter_count++];
    *f = (struct filter_conf){.name = xstrdup(cfg_title(sec))};
    if (!*cfg_getstr(sec, "type"))
        buf_printf(errors, "%s:%d: filter %s: type is missing; write spamd, clamd or milter\n",
                   c->path, sec->line, f->name);
    f->kind = (enum filter_kind)choice(sec, "type", kinds, 0, c, errors);
    if (!config_parse_endpoint(&f->address, slice_str(cfg_getstr(sec, "address")),
                               f->kind == FILTER_SPAMD   ? 783
                               : f->kind == FILTER_CLAMD ? 3310
                                                         : 0))
        buf_printf(errors, "%s:%d: filter %s: address is missing; write \"127.0.0.1:783\" or "
                   "\"unix:/path\"\n", c->path, sec->line, f->name);
    f->timeout = conf_duration_ms(sec, "timeout");
    f->on_failure = (enum filter_on_failure)choice(sec, "on-failure", failures, ON_FAILURE_DEFER, c,
                                                   errors);
    f->found = (enum filter_found)choice(sec, "found", founds,
                                         f->kind == FILTER_CLAMD ? FOUND_REJECT : FOUND_TAG, c,
                                         errors);
    if (f->kind == FILTER_CLAMD && f->found == FOUND_TAG)
        buf_printf(errors, "%s:%d: filter %s: found = \"tag\" would let viruses in; write reject, "
                   "quarantine or discard\n", c->path, sec->line, f->name);
    bool clamd = f->kind == FILTER_CLAMD;
    int way = choice(sec, "way", clamd ? clamd_ways : spamd_ways, clamd ? 0 : SPAMD_HEADERS, c,
                     errors);
    f->spamd_way = (enum spamd_way)way;
    f->clamd_way = (enum clamd_way)way;
    f->spamd_user = *cfg_getstr(sec, "user") ? xstrdup(cfg_getstr(sec, "user")) : NULL;
    f->reject_score = cfg_getfloat(sec, "reject-score");
    f->mark_clean = cfg_getbool(sec, "mark-clean");
    f->max_size = *cfg_getstr(sec, "max-size") ? conf_size(sec, "max-size") : 0;
    known_services(f, sec, c, errors);
}

void config_filters_attach(void)
{
    for (cfg_opt_t *o = config_filter_keys; o->name; o++) {
        if (strcmp(o->name, "timeout") == 0)
            o->validcb = conf_check_duration;
        if (strcmp(o->name, "max-size") == 0)
            o->validcb = conf_check_size;
    }
}

void config_filters_read(struct config *c, cfg_t *cfg, struct buf *errors)
{
    for (unsigned i = 0; i < cfg_size(cfg, "filter"); i++)
        read_one(c, cfg_getnsec(cfg, "filter", i), errors);
}

void config_filters_free(struct config *c)
{
    for (size_t i = 0; i < c->filter_count; i++) {
        struct filter_conf *f = &c->filters[i];
        free(f->name);
        free(f->spamd_user);
        for (size_t j = 0; j < f->services.n; j++)
            free(f->services.v[j]);
        free(f->services.v);
    }
    free(c->filters);
}
