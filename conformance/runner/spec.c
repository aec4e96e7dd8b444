/* spec.c - SPEC.md: every behaviour and clause, with the scenarios that prove it. Made from the
 * rows of the requirements and the scenarios, never by hand. */
#include "conformance/runner/spec.h"

#include "base/mem.h"

#include <stdlib.h>

/* Text for a cell of a Markdown table. */
static void cell(struct buf *out, const char *text)
{
    for (const char *p = text ? text : ""; *p; p++) {
        if (*p == '|' || *p == '<' || *p == '*' || *p == '_' || *p == '`' || *p == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, *p);
    }
}

/* The scenarios that prove the row; those made from one file's table once, without their "#case".
 * With the way to the file, or not. Returns how many. */
static size_t proofs(struct buf *out, const struct library *l, const char *id, bool links)
{
    struct slice last = {0};
    size_t n = 0;
    for (size_t i = 0; i < l->scenarios.n; i++) {
        const struct scenario *s = l->scenarios.v[i];
        struct slice name = slice_str(s->id);
        ptrdiff_t hash = slice_index(name, '#');
        if (hash >= 0)
            name = slice_sub(name, 0, (size_t)hash);
        if (s->broken || !ids_have(&s->covers, id) || (last.p && slice_eq(last, name)))
            continue;
        last = name;
        buf_add_str(out, n++ ? ", " : "");
        if (links)
            buf_printf(out, "[%.*s](conformance/scenarios/%.*s.scn)", SLICE_ARG(name),
                       SLICE_ARG(name));
        else
            buf_add_slice(out, name);
    }
    return n;
}

bool spec_proved(const struct library *l, const char *id)
{
    for (size_t i = 0; i < l->scenarios.n; i++)
        if (!l->scenarios.v[i]->broken && ids_have(&l->scenarios.v[i]->covers, id))
            return true;
    return false;
}

static void behaviours(struct buf *out, const struct library *l)
{
    buf_add_str(out, "## The behaviours\n\n"
                "| | what a machine can show | standard | |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < l->catalogue.n; i++) {
        const struct requirement *r = &l->catalogue.v[i];
        if (strcmp(r->document, "behaviours") != 0)
            continue;
        struct buf by = {0};
        size_t n = proofs(&by, l, r->id, true);
        buf_printf(out, "| %s | ", r->id);
        cell(out, r->text);
        buf_add_str(out, " | ");
        cell(out, r->standard);
        buf_printf(out, " | %s%s |\n", n ? "proved by " : "not yet", buf_str(&by));
        buf_free(&by);
    }
}

struct tally { size_t rows, proved, unobservable; };

/* MUST and MUST NOT together, or the other levels. */
static struct tally tally(const struct library *l, const char *document, enum level level)
{
    struct tally t = {0};
    for (size_t i = 0; i < l->catalogue.n; i++) {
        const struct requirement *r = &l->catalogue.v[i];
        if (strcmp(r->document, document) != 0 || r->level != level)
            continue;
        bool proved = spec_proved(l, r->id);
        t.rows++;
        t.proved += proved;
        t.unobservable += !proved && !r->observable;
    }
    return t;
}

static void counts_row(struct buf *out, const struct library *l, const char *document)
{
    struct tally m = tally(l, document, LEVEL_MUST), s = tally(l, document, LEVEL_SHOULD),
                 y = tally(l, document, LEVEL_MAY);
    buf_printf(out, "| [%s](#%s) | %zu | %zu | %zu | %zu | %zu of %zu | %zu of %zu |\n", document,
               document, m.rows, m.proved, m.rows - m.proved - m.unobservable, m.unobservable,
               s.proved, s.rows, y.proved, y.rows);
}

/* The clauses, those not yet proved as a list of names: they are many. */
static void document_table(struct buf *out, const struct library *l, const char *document)
{
    struct buf open = {0}, unseen = {0};
    bool any = false;
    buf_printf(out, "\n### %s\n", document);
    for (size_t i = 0; i < l->catalogue.n; i++) {
        const struct requirement *r = &l->catalogue.v[i];
        if (strcmp(r->document, document) != 0)
            continue;
        struct buf by = {0};
        const char *name = r->id + strlen(document) + 1;
        if (proofs(&by, l, r->id, false)) {
            buf_add_str(out, any ? "" : "\n| clause | level | proved by |\n| --- | --- | --- |\n");
            any = true;
            buf_printf(out, "| %s | %s | %s |\n", name, r->level_text, buf_str(&by));
        } else {
            struct buf *list = r->observable ? &open : &unseen;
            buf_printf(list, "%s%s (%s)", list->len ? ", " : "", name, r->level_text);
        }
        buf_free(&by);
    }
    if (open.len)
        buf_printf(out, "\nNot yet: %s\n", buf_str(&open));
    if (unseen.len)
        buf_printf(out, "\nCannot be observed: %s\n", buf_str(&unseen));
    buf_free(&open);
    buf_free(&unseen);
}

/* Calls back for each document but the behaviours, in the order of the files. */
static void each_document(struct buf *out, const struct library *l,
                          void (*one)(struct buf *out, const struct library *l, const char *d))
{
    const char *last = "behaviours";
    for (size_t i = 0; i < l->catalogue.n; i++) {
        const char *document = l->catalogue.v[i].document;
        if (strcmp(document, "behaviours") == 0 || strcmp(document, last) == 0)
            continue;
        last = document;
        one(out, l, document);
    }
}

void spec_make(const struct library *l, struct buf *out)
{
    buf_add_str(out, "# The behaviours and the clauses\n\n"
        "Made by `conform coverage --spec --out SPEC.md` from `conformance/requirements/` and\n"
        "`conformance/scenarios/`; not to be edited. `conform explain ID` prints a row in full: what\n"
        "it asks, where it shows, how it was read.\n\n");
    behaviours(out, l);
    buf_add_str(out, "\n## The RFCs\n\nMUST stands for MUST and MUST NOT, SHOULD likewise.\n\n"
        "| document | MUST | proved | not yet | cannot be observed | SHOULD proved | MAY shown |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n");
    each_document(out, l, counts_row);
    buf_add_str(out, "\n## The clauses\n\nScenarios lie in `conformance/scenarios/`.\n");
    each_document(out, l, document_table);
}
