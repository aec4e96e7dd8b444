#include "dns-sim/zonefile.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

struct reader {
    struct slice text;
    size_t at;
    int line;                           /* of text[at] */
    const char *file;
    int depth;                          /* of $INCLUDE; -1: there are no files to include */
    uint8_t origin[NAME_MAX_LEN];
    uint8_t owner[NAME_MAX_LEN];        /* of the record before */
    bool has_owner;
    bool has_default, has_last;         /* $TTL was given; a record with a TTL was seen */
    uint32_t default_ttl, last_ttl;
    struct zone **zone;                 /* NULL until the SOA is met */
    struct problems *problems;
};

static const char not_a_ttl[] = "is no time to live (0 to 2147483647 seconds, or as 1h30m)";

static bool read_lines(struct reader *r);

void problem(struct problems *p, bool error, const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    if (p->errors + p->warnings >= PROBLEMS_MAX && !error)
        return;
    *(error ? &p->errors : &p->warnings) += 1;
    buf_printf(&p->text, "%s:", file);
    if (line > 0)
        buf_printf(&p->text, "%d:", line);
    buf_add_str(&p->text, error ? " " : " warning: ");
    va_start(ap, fmt);
    buf_vprintf(&p->text, fmt, ap);
    va_end(ap);
    buf_add_byte(&p->text, '\n');
}

/* One entry (RFC 1035 5.1) without its comments and parentheses, its lines joined by spaces.
 * NULL, or what is wrong with it. */
static const char *join_entry(struct reader *r, struct buf *out)
{
    int parens = 0;
    bool quoted = false;
    for (; r->at < r->text.n; r->at++) {
        char c = r->text.p[r->at];
        if (c == '\0')
            return "a NUL octet";
        if (out->len > ZONE_LINE_MAX)
            return "this record is too long";
        if (c == '\n') {
            if (quoted)
                return "a quoted string is not closed on its line";
            r->line++;
            if (parens == 0) {
                r->at++;
                return NULL;
            }
            buf_add_byte(out, ' ');
        } else if (c == '\\' && r->at + 1 < r->text.n && r->text.p[r->at + 1] != '\n') {
            buf_add(out, r->text.p + r->at++, 2);
        } else if (c == '"') {
            quoted = !quoted;
            buf_add_byte(out, c);
        } else if (quoted) {
            buf_add_byte(out, c);
        } else if (c == ';') {
            while (r->at + 1 < r->text.n && r->text.p[r->at + 1] != '\n')
                r->at++;
        } else if (c == '(' || c == ')') {
            parens += c == '(' ? 1 : -1;
            if (parens < 0)
                return "\")\" without \"(\"";
            buf_add_byte(out, ' ');
        } else {
            buf_add_byte(out, c == '\r' || c == '\t' ? ' ' : c);
        }
    }
    if (quoted)
        return "a quoted string is not closed";
    return parens > 0 ? "\"(\" is never closed" : NULL;
}

/* "3600", "1h30m", "2W" (as BIND writes them). */
static bool parse_ttl(struct slice s, uint32_t *ttl)
{
    uint64_t total = 0, number = 0;
    bool digits = false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c >= '0' && c <= '9') {
            number = number * 10 + (uint64_t)(c - '0');
            digits = true;
            if (number > TTL_MAX)
                return false;
            continue;
        }
        static const char units[] = "smhdw";
        static const uint32_t seconds[] = {1, 60, 3600, 86400, 604800};
        const char *unit = memchr(units, c | 32, 5);
        if (!unit || !digits)
            return false;
        total += number * seconds[unit - units];
        number = 0;
        digits = i + 1 < s.n ? false : digits;
    }
    total += number;
    *ttl = (uint32_t)total;
    return s.n > 0 && digits && total <= TTL_MAX;
}

static bool wrong(struct reader *r, int line, const char *what)
{
    problem(r->problems, true, r->file, line, "%s", what);
    return false;
}

static bool wrong_word(struct reader *r, int line, struct slice word, const char *what)
{
    problem(r->problems, true, r->file, line, "\"%.*s\" %s", SLICE_ARG(word), what);
    return false;
}

static bool include(struct reader *r, int line, struct slice rest)
{
    struct slice name, origin;
    struct buf path = {0}, text = {0};
    if (!slice_word(&rest, &name))
        return wrong(r, line, "$INCLUDE needs a file name");
    if (r->depth < 0 || r->depth >= INCLUDE_DEPTH_MAX)
        return wrong(r, line, r->depth < 0 ? "$INCLUDE works in files only"
                                           : "$INCLUDE is nested too deep");
    struct reader inner = *r;
    if (slice_word(&rest, &origin) && !name_parse(origin, r->origin, inner.origin))
        return wrong_word(r, line, origin, "is no domain name");
    /* Relative to the file that includes. */
    const char *slash = strrchr(r->file, '/');
    if (*name.p != '/' && slash)
        buf_add(&path, r->file, (size_t)(slash - r->file) + 1);
    buf_add_slice(&path, name);
    bool ok = buf_read_file(&text, buf_str(&path), ZONE_TEXT_MAX) == 0;
    if (!ok) {
        problem(r->problems, true, r->file, line, "$INCLUDE %s: %s", buf_str(&path),
                strerror(errno));
    } else {
        inner.text = buf_slice(&text);
        inner.at = 0;
        inner.line = 1;
        inner.file = buf_str(&path);
        inner.depth++;
        ok = read_lines(&inner);
        /* RFC 1035 5.1: the origin of the including file is not changed. The last owner is. */
        memcpy(r->owner, inner.owner, sizeof r->owner);
        r->has_owner = inner.has_owner;
    }
    buf_free(&path);
    buf_free(&text);
    return ok;
}

static bool directive(struct reader *r, int line, struct slice word, struct slice rest)
{
    struct slice value = {0};
    if (slice_ieq_str(word, "$INCLUDE"))
        return include(r, line, rest);
    slice_word(&rest, &value);
    if (slice_ieq_str(word, "$ORIGIN")) {
        uint8_t origin[NAME_MAX_LEN];
        if (!name_parse(value, r->origin, origin))
            return wrong_word(r, line, value, "is no domain name for $ORIGIN");
        memcpy(r->origin, origin, sizeof origin);
        return true;
    }
    if (slice_ieq_str(word, "$TTL")) {
        r->has_default = parse_ttl(value, &r->default_ttl);
        return r->has_default || wrong_word(r, line, value, not_a_ttl);
    }
    return wrong_word(r, line, word, "is no directive; $ORIGIN, $TTL and $INCLUDE are known");
}

/* A word that ends at a blank which no backslash escapes: "John\ Smith.example.". */
static bool next_word(struct slice *rest, struct slice *word)
{
    size_t start = 0, end;
    while (start < rest->n && rest->p[start] == ' ')
        start++;
    for (end = start; end < rest->n && rest->p[end] != ' '; end++)
        if (rest->p[end] == '\\' && end + 1 < rest->n)
            end++;
    *word = slice_sub(*rest, start, end);
    *rest = slice_sub(*rest, end, rest->n);
    return word->n > 0;
}

/* The part between owner and type: a TTL, a class, both in either order, or nothing. */
static bool read_ttl_and_class(struct reader *r, int line, struct slice *rest, bool *has_ttl,
                               uint32_t *ttl)
{
    *has_ttl = false;
    bool has_class = false;
    for (;;) {
        struct slice after = *rest, word;
        if (!next_word(&after, &word))
            return wrong(r, line, "a type and data should follow the owner");
        if (!has_class && slice_ieq_str(word, "IN")) {
            has_class = true;
        } else if (!*has_ttl && *word.p >= '0' && *word.p <= '9') {
            if (!parse_ttl(word, ttl))
                return wrong_word(r, line, word, not_a_ttl);
            *has_ttl = true;
        } else if (slice_ieq_str(word, "CH") || slice_ieq_str(word, "HS")
                   || slice_ieq_str(word, "CS")) {
            return wrong_word(r, line, word, "is a class that is not served, only IN is");
        } else {
            return true;
        }
        *rest = after;
    }
}

/* RFC 2308 4: $TTL; before that RFC 1035 5.1: the last one stated; else the SOA's MINIMUM. */
static bool default_ttl(struct reader *r, struct record *record)
{
    if (r->has_default)
        record->ttl = r->default_ttl;
    else if (r->has_last)
        record->ttl = r->last_ttl;
    else if (record->type == TYPE_SOA)
        r->last_ttl = record->ttl = soa_minimum(record);
    else
        return false;
    r->has_last = true;
    return true;
}

static bool add_record(struct reader *r, struct record record)
{
    int line = record.line;
    struct buf name = {0};
    if (!*r->zone && record.type == TYPE_SOA)
        *r->zone = zone_new(r->owner);
    if (!*r->zone) {
        record_free(&record);
        return wrong(r, line, "the zone's SOA must come first");
    }
    const struct rrset *set = node_set(zone_node(*r->zone, r->owner), record.type);
    if (set && set->records[0].ttl != record.ttl && record.type != TYPE_RRSIG)
        problem(r->problems, false, r->file, line,
                "another TTL than that of the other records of this name and type (RFC 2181 5.2)");
    bool apex = name_equal(r->owner, (*r->zone)->origin);
    buf_add_name(&name, r->owner);
    enum added added = ADDED_OUT_OF_ZONE;
    if (record.type == TYPE_SOA && !apex)
        record_free(&record);
    else
        added = zone_add(*r->zone, r->owner, record, false);
    if (added == ADDED_OUT_OF_ZONE)
        problem(r->problems, true, r->file, line, "%s is not in this zone%s", buf_str(&name),
                apex ? "" : "; does a name lack its final dot, or has it one too many?");
    else if (added == ADDED_CNAME_CONFLICT)
        problem(r->problems, true, r->file, line, "%s: %s", buf_str(&name),
                set ? "there is one already, and only one can be"
                    : "a CNAME cannot stand beside other data (RFC 1034 3.6.2)");
    buf_free(&name);
    return added == ADDED || added == ADDED_DUPLICATE;
}

static bool read_record(struct reader *r, int line, bool same_owner, struct slice rest)
{
    struct slice word;
    struct record record;
    struct buf reason = {0};
    bool has_ttl;
    uint32_t ttl = 0;
    if (same_owner) {
        if (!r->has_owner)
            return wrong(r, line, "no record before this one has an owner name");
    } else {
        uint8_t owner[NAME_MAX_LEN];
        next_word(&rest, &word);
        if (!name_parse(word, r->origin, owner))
            return wrong_word(r, line, word, "is no domain name");
        memcpy(r->owner, owner, sizeof owner);
        r->has_owner = true;
    }
    if (!read_ttl_and_class(r, line, &rest, &has_ttl, &ttl))
        return false;
    rest = slice_trim(rest);
    if (!record_parse(rest, r->owner, r->origin, ttl, &record, &reason)) {
        problem(r->problems, true, r->file, line, "\"%.*s\": %s",
                rest.n > 80 ? 80 : (int)rest.n, rest.p, buf_str(&reason));
        buf_free(&reason);
        return false;
    }
    record.line = line;
    if (has_ttl) {
        r->last_ttl = ttl;
        r->has_last = true;
    } else if (!default_ttl(r, &record)) {
        record_free(&record);
        return wrong(r, line, "no TTL: give one, or $TTL before");
    }
    return add_record(r, record);
}

static bool read_lines(struct reader *r)
{
    struct buf entry = {0};
    bool ok = true;
    while (r->at < r->text.n && r->problems->errors < PROBLEMS_MAX) {
        int line = r->line;
        buf_clear(&entry);
        const char *why = join_entry(r, &entry);
        if (why) {
            ok = wrong(r, line, why);
            break;          /* where the next entry begins is anybody's guess */
        }
        struct slice rest = buf_slice(&entry), word;
        bool blank = rest.n > 0 && *rest.p == ' ';
        struct slice peek = rest;
        if (!next_word(&peek, &word))
            continue;
        bool good = !blank && *word.p == '$' ? directive(r, line, word, peek)
                                             : read_record(r, line, blank, rest);
        ok = ok && good;
    }
    buf_free(&entry);
    return ok;
}

static struct zone *read_zone(struct slice text, const char *file, const uint8_t *origin,
                              bool complete, bool files, struct problems *problems)
{
    struct zone *zone = complete ? zone_new(origin) : NULL;
    struct reader r = {.text = text, .line = 1, .file = file, .depth = files ? 0 : -1,
                       .zone = &zone, .problems = problems};
    memcpy(r.origin, origin, name_len(origin));
    if (complete) {
        r.has_default = true;       /* a world's few lines need no TTL */
        r.default_ttl = 60;
    }
    int errors = problems->errors;
    read_lines(&r);
    if (!zone && problems->errors == errors)
        problem(problems, true, file, 0, "there is no SOA record, so this is no zone");
    if (zone && problems->errors == errors) {
        if (complete)
            zone_complete(zone);
        else
            zone_check(zone, file, problems);
    }
    if (problems->errors > errors) {
        zone_free(zone);
        zone = NULL;
    }
    return zone;
}

struct zone *zone_read(struct slice text, const char *file, const uint8_t *origin, bool complete,
                       struct problems *problems)
{
    return read_zone(text, file, origin, complete, false, problems);
}

struct zone *zone_load(const char *path, struct problems *problems)
{
    struct buf text = {0};
    uint8_t origin[NAME_MAX_LEN];
    const char *slash = strrchr(path, '/');
    struct slice base = slice_str(slash ? slash + 1 : path);
    if (slice_ends(base, SLICE(".zone")))
        base = slice_sub(base, 0, base.n - 5);
    if (!name_parse(base, NULL, origin))
        origin[0] = 0;
    struct zone *zone = NULL;
    if (buf_read_file(&text, path, ZONE_TEXT_MAX) != 0)
        problem(problems, true, path, 0, "%s", strerror(errno));
    else
        zone = read_zone(buf_slice(&text), path, origin, false, true, problems);
    buf_free(&text);
    return zone;
}

/* The numbers are small: in a simulated world changes should be seen at once. */
static void add_made_up(struct zone *z, const char *text, const char *if_too_long)
{
    struct record r;
    struct buf ignored = {0};
    if (record_parse(slice_str(text), z->origin, z->origin, 60, &r, &ignored)
        || record_parse(slice_str(if_too_long), z->origin, z->origin, 60, &r, &ignored))
        zone_add(z, z->origin, r, false);
    buf_free(&ignored);
}

void zone_complete(struct zone *z)
{
    if (!node_set(z->apex, TYPE_SOA))
        add_made_up(z, "SOA ns hostmaster 1 3600 600 86400 60", "SOA . . 1 3600 600 86400 60");
    if (!node_set(z->apex, TYPE_NS))
        add_made_up(z, "NS ns", "NS .");
}
