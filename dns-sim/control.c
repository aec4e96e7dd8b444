/* control.c - the control protocol; docs/dns-sim.8.md describes it for its users. */
#include "dns-sim/server.h"

#include "base/timing.h"
#include "dns-sim/zonefile.h"

#include <stdlib.h>

enum {
    CONTROL_LINE_MAX = 256 << 10,       /* a raw answer of 64 KiB in hex fits */
    CONTROL_IDLE_MS = 600000,
};

/* A command at work. `lines` gets the data of the reply, `error` what went wrong. */
struct control {
    struct dns_sim *sim;
    struct slice rest;          /* behind the command word */
    struct slice body;
    struct buf lines;
    struct buf error;
};

static bool fail(struct control *c, const char *what, struct slice word)
{
    buf_clear(&c->error);
    if (word.n > 0)
        buf_printf(&c->error, "\"%.*s\" ", SLICE_ARG(word));
    buf_add_str(&c->error, what);
    return false;
}

static const struct slice no_word;

static bool take_name(struct control *c, uint8_t name[NAME_MAX_LEN])
{
    struct slice word;
    if (!slice_word(&c->rest, &word))
        return fail(c, "a domain name is missing", no_word);
    return name_parse(word, NULL, name) || fail(c, "is no domain name", word);
}

static bool take_type(struct control *c, uint16_t *type)
{
    struct slice word;
    if (!slice_word(&c->rest, &word))
        return fail(c, "an RR type is missing", no_word);
    return type_parse(word, type) || fail(c, "is no RR type", word);
}

/* "... expire 30s" at the end; cut off. */
static bool take_expiry(struct control *c, int64_t *expires)
{
    struct slice text = slice_trim(c->rest);
    ptrdiff_t last = slice_rindex(text, ' ');
    struct slice before = last < 0 ? no_word : slice_trim(slice_sub(text, 0, (size_t)last));
    int64_t ms;
    *expires = 0;
    if (!slice_ends(before, SLICE(" expire")))
        return true;
    struct slice value = slice_sub(text, (size_t)last + 1, text.n);
    if (!parse_duration_ms(value, &ms))
        return fail(c, "is no duration such as 30s or 500ms", value);
    *expires = mono_ms() + ms;
    c->rest = slice_sub(before, 0, before.n - 7);
    return true;
}

/* NAME [TTL] [IN] TYPE RDATA, all names absolute. */
static bool take_record(struct control *c, uint8_t name[NAME_MAX_LEN], struct record *r)
{
    static const uint8_t root[1] = {0};
    struct slice word, after;
    uint64_t ttl = 60;
    if (!take_name(c, name))
        return false;
    for (after = c->rest; slice_word(&after, &word); c->rest = after)
        if (!slice_ieq_str(word, "IN") && !slice_number(word, TTL_MAX, &ttl))
            break;
    c->rest = slice_trim(c->rest);
    if (c->rest.n == 0 || memchr(c->rest.p, '\0', c->rest.n))
        return fail(c, "a record reads: NAME [TTL] [IN] TYPE DATA", no_word);
    return record_parse(c->rest, name, root, (uint32_t)ttl, r, &c->error);
}

static bool do_add(struct control *c, bool replace)
{
    uint8_t name[NAME_MAX_LEN];
    struct record r;
    int64_t expires;
    if (!take_expiry(c, &expires) || !take_record(c, name, &r))
        return false;
    r.expires = expires;
    pthread_rwlock_wrlock(&c->sim->lock);
    struct zone *z = sim_zone_for(c->sim, name);
    enum added added = ADDED_OUT_OF_ZONE;
    if (!z) {
        record_free(&r);
    } else {
        if (replace && r.type != TYPE_SOA)
            zone_remove_set(z, name, r.type);
        bool soa = r.type == TYPE_SOA;
        added = zone_add(z, name, r, replace);
        if (!soa)
            zone_bump_serial(z);
        if (expires)
            sim_note_expiry(c->sim, expires);
    }
    pthread_rwlock_unlock(&c->sim->lock);
    if (added == ADDED_OUT_OF_ZONE)
        return fail(c, "no zone holds this name; load one first", no_word);
    if (added == ADDED_CNAME_CONFLICT)
        return fail(c, "a CNAME cannot stand beside other data, nor two of CNAME, DNAME or SOA",
                    no_word);
    return true;
}

static bool command_add(struct control *c) { return do_add(c, false); }
static bool command_replace(struct control *c) { return do_add(c, true); }

static bool command_remove(struct control *c)
{
    static const uint8_t root[1] = {0};
    uint8_t name[NAME_MAX_LEN];
    uint16_t type = TYPE_ANY;
    struct record r = {0};
    if (!take_name(c, name))
        return false;
    struct slice record = slice_trim(c->rest);
    if (record.n > 0 && !take_type(c, &type))
        return false;
    bool one = slice_trim(c->rest).n > 0;
    if (one && !record_parse(record, name, root, 0, &r, &c->error))
        return false;
    pthread_rwlock_wrlock(&c->sim->lock);
    struct zone *z = sim_zone_for(c->sim, name);
    size_t gone = !z ? 0 : one ? zone_remove_record(z, name, &r)
                  : type == TYPE_ANY ? zone_remove_name(z, name) : zone_remove_set(z, name, type);
    if (gone > 0)
        zone_bump_serial(z);
    pthread_rwlock_unlock(&c->sim->lock);
    record_free(&r);
    return gone > 0 || fail(c, "no such record", no_word);
}

static bool command_fault(struct control *c)
{
    return faults_add(&c->sim->faults, c->rest, &c->error);
}

static bool command_faults(struct control *c)
{
    faults_list(&c->sim->faults, &c->lines);
    return true;
}

static bool command_clear(struct control *c)
{
    struct slice word, name = no_word;
    if (!slice_word(&c->rest, &word) || !slice_eq_str(word, "faults"))
        return fail(c, "clear faults [NAME]", no_word);
    slice_word(&c->rest, &name);
    faults_clear(&c->sim->faults, name);
    return true;
}

/* Puts a zone that was read into place. The problems become the reply: warnings as data lines,
 * errors as its reason. */
static bool put_zone(struct control *c, struct zone *z, struct problems *p)
{
    if (z) {
        pthread_rwlock_wrlock(&c->sim->lock);
        sim_put_zone(c->sim, z);
        pthread_rwlock_unlock(&c->sim->lock);
        buf_add_slice(&c->lines, buf_slice(&p->text));
    } else {
        /* The first message only: the reply is one line. */
        ptrdiff_t end = slice_index(buf_slice(&p->text), '\n');
        buf_add_slice(&c->error, slice_sub(buf_slice(&p->text), 0, (size_t)end));
    }
    buf_free(&p->text);
    return z != NULL;
}

static bool command_zone(struct control *c)
{
    struct problems p = {0};
    struct buf path = {0};
    buf_add_slice(&path, slice_trim(c->rest));
    bool ok = put_zone(c, zone_load(buf_str(&path), &p), &p);
    buf_free(&path);
    return ok;
}

static bool command_load(struct control *c)
{
    uint8_t origin[NAME_MAX_LEN];
    struct problems p = {0};
    return take_name(c, origin) && put_zone(c, zone_read(c->body, "load", origin, true, &p), &p);
}

static bool command_drop(struct control *c)
{
    struct slice word;
    uint8_t origin[NAME_MAX_LEN];
    if (!slice_word(&c->rest, &word) || !slice_eq_str(word, "zone"))
        return fail(c, "drop zone NAME", no_word);
    if (!take_name(c, origin))
        return false;
    pthread_rwlock_wrlock(&c->sim->lock);
    bool there = sim_drop_zone(c->sim, origin);
    pthread_rwlock_unlock(&c->sim->lock);
    return there || fail(c, "no such zone", no_word);
}

static bool command_zones(struct control *c)
{
    pthread_rwlock_rdlock(&c->sim->lock);
    const struct table *zones = &c->sim->zones;
    for (struct table_slot *s = table_next(zones, NULL); s; s = table_next(zones, s)) {
        buf_add_name_absolute(&c->lines, s->name);
        buf_add_byte(&c->lines, '\n');
    }
    pthread_rwlock_unlock(&c->sim->lock);
    return true;
}

static bool command_list(struct control *c)
{
    uint8_t origin[NAME_MAX_LEN];
    if (!take_name(c, origin))
        return false;
    sim_expire(c->sim);
    pthread_rwlock_rdlock(&c->sim->lock);
    const struct zone *z = sim_zone(c->sim, origin);
    struct node **nodes = z ? zone_sorted(z) : NULL;
    for (size_t i = 0; z && i < z->nodes.count; i++)
        for (size_t s = 0; s < nodes[i]->count; s++)
            for (size_t k = 0; k < nodes[i]->sets[s].count; k++) {
                const struct record *r = &nodes[i]->sets[s].records[k];
                buf_add_name_absolute(&c->lines, nodes[i]->name);
                buf_printf(&c->lines, " %u IN %s\n", r->ttl, r->text);
            }
    free(nodes);
    pthread_rwlock_unlock(&c->sim->lock);
    return z || fail(c, "no such zone", no_word);
}

static bool command_queries(struct control *c)
{
    struct slice word;
    uint64_t since = 0;
    if (slice_word(&c->rest, &word)
        && !(slice_eq_str(word, "since") && slice_word(&c->rest, &word)
             && slice_number(word, INT64_MAX, &since)))
        return fail(c, "queries [since N]", no_word);
    querylog_list(&c->sim->log, since, &c->lines);
    return true;
}

static bool command_count(struct control *c)
{
    uint8_t name[NAME_MAX_LEN];
    uint16_t type = TYPE_ANY;
    struct slice peek = c->rest, word;
    bool any_name = slice_word(&peek, &word) && slice_eq_str(word, "*");
    if (any_name)
        c->rest = peek;
    else if (!take_name(c, name))
        return false;
    if (slice_trim(c->rest).n > 0 && !take_type(c, &type))
        return false;
    buf_printf(&c->lines, "%zu\n", querylog_count(&c->sim->log, any_name ? NULL : name, type));
    return true;
}

static bool command_last(struct control *c)
{
    buf_printf(&c->lines, "%llu\n", (unsigned long long)querylog_last(&c->sim->log));
    return true;
}

static bool command_reset(struct control *c)
{
    struct slice word;
    if (!slice_word(&c->rest, &word) || !slice_eq_str(word, "log"))
        return fail(c, "reset log", no_word);
    querylog_reset(&c->sim->log);
    return true;
}

static bool command_help(struct control *c);

static const struct {
    const char *word;
    bool (*run)(struct control *c);
    const char *usage;
} commands[] = {
    {"add", command_add, "add NAME [TTL] TYPE DATA [expire DURATION]"},
    {"replace", command_replace, "replace NAME [TTL] TYPE DATA [expire DURATION]"},
    {"remove", command_remove, "remove NAME [TYPE [DATA]]"},
    {"fault", command_fault, "fault NAME|*|*.SUFFIX TYPE|ANY ACTION [times N] [over udp|tcp]"},
    {"faults", command_faults, "faults"},
    {"clear", command_clear, "clear faults [NAME]"},
    {"load", command_load, "load ORIGIN, then zone text, then a line with a single dot"},
    {"zone", command_zone, "zone FILE"},
    {"drop", command_drop, "drop zone NAME"},
    {"zones", command_zones, "zones"},
    {"list", command_list, "list ZONE"},
    {"queries", command_queries, "queries [since N]"},
    {"count", command_count, "count NAME|* [TYPE]"},
    {"last", command_last, "last"},
    {"reset", command_reset, "reset log"},
    {"help", command_help, "help"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static bool command_help(struct control *c)
{
    for (size_t i = 0; i < COMMANDS; i++)
        buf_printf(&c->lines, "%s\n", commands[i].usage);
    return true;
}

bool control_wants_body(struct slice line)
{
    struct slice word;
    return slice_word(&line, &word) && slice_eq_str(word, "load");
}

bool control_command(struct dns_sim *sim, struct slice line, struct slice body, struct buf *out)
{
    struct control c = {.sim = sim, .rest = line, .body = body};
    struct slice word = no_word;
    bool ok = false, known = false;
    if (slice_word(&c.rest, &word))
        for (size_t i = 0; i < COMMANDS && !known; i++)
            if ((known = slice_eq_str(word, commands[i].word)))
                ok = commands[i].run(&c);
    if (!known)
        fail(&c, "is no command; \"help\" lists them", word);
    size_t lines = 0;
    for (size_t i = 0; i < c.lines.len; i++)
        lines += c.lines.data[i] == '\n';
    if (ok) {
        buf_printf(out, "ok %zu\n", lines);
        buf_add_slice(out, buf_slice(&c.lines));
    } else {
        buf_add_str(out, "error ");
        buf_add_escaped(out, buf_slice(&c.error));
        buf_add_byte(out, '\n');
    }
    buf_free(&c.lines);
    buf_free(&c.error);
    return ok;
}

/* The lines up to a lone dot. False when the peer went away or sent too much. */
static bool read_body(struct stream *s, struct buf *body)
{
    struct buf line = {0};
    enum line_end end;
    bool ok;
    while ((ok = stream_read_line(s, &line, CONTROL_LINE_MAX, &end) == IO_OK)) {
        if (slice_eq_str(buf_slice(&line), "."))
            break;
        buf_add_slice(body, buf_slice(&line));
        buf_add_byte(body, '\n');
        if ((ok = body->len <= ZONE_TEXT_MAX) == false)
            break;
    }
    buf_free(&line);
    return ok;
}

void control_session(struct stream *s, const struct session_info *info, void *ctx)
{
    struct dns_sim *sim = ctx;
    struct buf line = {0}, body = {0}, reply = {0};
    enum line_end end;
    (void)info;
    stream_set_timeout(s, CONTROL_IDLE_MS);
    while (stream_read_line(s, &line, CONTROL_LINE_MAX, &end) == IO_OK) {
        buf_clear(&body);
        buf_clear(&reply);
        if (control_wants_body(buf_slice(&line)) && !read_body(s, &body))
            break;
        control_command(sim, buf_slice(&line), buf_slice(&body), &reply);
        if (stream_write(s, reply.data, reply.len) != IO_OK)
            break;
    }
    buf_free(&line);
    buf_free(&body);
    buf_free(&reply);
    stream_close(s);
}
