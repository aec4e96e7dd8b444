/* fetch_items.c - reads the arguments of FETCH (RFC 9051 6.4.5). */
#include "reference/imapd/fetch.h"

#include "base/mem.h"

#include <stdlib.h>

static const struct { const char *name; unsigned items; const char *section; } words[] = {
    {"UID", ITEM_UID, "RFC 9051 6.4.5"},
    {"FLAGS", ITEM_FLAGS, "RFC 9051 6.4.5"},
    {"INTERNALDATE", ITEM_INTERNALDATE, "RFC 9051 6.4.5"},
    {"RFC822.SIZE", ITEM_SIZE, "RFC 9051 6.4.5"},
    {"ENVELOPE", ITEM_ENVELOPE, "RFC 9051 6.4.5"},
    {"BODY", ITEM_BODY, "RFC 9051 6.4.5"},
    {"BODYSTRUCTURE", ITEM_BODYSTRUCTURE, "RFC 9051 6.4.5"},
    {"MODSEQ", ITEM_MODSEQ, "RFC 7162 3.1.5"},
    {"EMAILID", ITEM_EMAILID, "RFC 8474 5.3"},
    {"THREADID", ITEM_THREADID, "RFC 8474 5.3"},
    {"SAVEDATE", ITEM_SAVEDATE, "RFC 8514 4.2"},
};
static const struct { const char *name; unsigned items; } macros[] = {
    {"ALL", ITEM_FLAGS | ITEM_INTERNALDATE | ITEM_SIZE | ITEM_ENVELOPE},
    {"FAST", ITEM_FLAGS | ITEM_INTERNALDATE | ITEM_SIZE},
    {"FULL", ITEM_FLAGS | ITEM_INTERNALDATE | ITEM_SIZE | ITEM_ENVELOPE | ITEM_BODY},
};
static const struct { const char *name; enum section_kind kind; bool peek; } old_words[] = {
    {"RFC822", SECTION_ALL, false},              /* RFC 3501 6.4.5 */
    {"RFC822.HEADER", SECTION_HEADER, true},
    {"RFC822.TEXT", SECTION_TEXT, false},
};
static const struct { const char *name; enum fetch_kind kind; bool peek; } bracketed[] = {
    {"BODY", FETCH_BODY, false},
    {"BODY.PEEK", FETCH_BODY, true},
    {"BINARY", FETCH_BINARY, false},
    {"BINARY.PEEK", FETCH_BINARY, true},
    {"BINARY.SIZE", FETCH_BINARY_SIZE, true},
};
enum { NAMES_ROOM = 8 };
#define COUNT(table) (sizeof table / sizeof *table)

static struct fetch_section *add_section(struct args *a, struct fetch *f)
{
    if (f->n == FETCH_SECTIONS_MAX) {
        args_fail(a, "fewer sections");
        return NULL;
    }
    f->sections = xreallocarray(f->sections, f->n + 1, sizeof *f->sections);
    f->sections[f->n] = (struct fetch_section){0};
    return &f->sections[f->n++];
}

/* The field names of HEADER.FIELDS. */
static bool read_names(struct args *a, struct section *sec)
{
    bool first = true;
    size_t room = 0;
    struct slice name;
    if (!args_space(a) || !args_open(a))
        return false;
    while (args_more(a, &first)) {
        if (!args_astring(a, &name))
            return false;
        if (sec->names_count == SECTION_NAMES_MAX)
            return args_fail(a, "fewer names");
        if (sec->names_count == room) {
            room = room ? 2 * room : NAMES_ROOM;
            sec->names = xreallocarray(sec->names, room, sizeof *sec->names);
        }
        sec->names[sec->names_count++] = name;
    }
    return a->status == ARGS_GOOD && (sec->names_count > 0 || args_fail(a, "a field name"));
}

static bool read_partial(struct args *a, struct fetch_section *out)
{
    if (!args_next_is(a, '<'))
        return true;
    out->partial = true;
    if (!args_char(a, '<') || !args_number(a, INT64_MAX, &out->offset) || !args_char(a, '.') ||
        !args_number(a, INT64_MAX, &out->count) || !args_char(a, '>'))
        return false;
    return out->count > 0 || args_fail(a, "a count that is not 0");
}

/* What follows BODY, BODY.PEEK, BINARY...: "[1.2.HEADER]<0.100>" */
static bool read_bracketed(struct args *a, struct fetch *f, enum fetch_kind kind, bool peek)
{
    struct slice text;
    struct fetch_section *s = add_section(a, f);
    if (!s || !args_char(a, '[') || !args_section(a, &text))
        return false;
    s->kind = kind;
    s->peek = peek;
    if (!section_parse(text, &s->section))
        return args_fail(a, "a section such as [], [1.2], [HEADER] or [1.MIME]");
    bool fields = s->section.kind == SECTION_FIELDS || s->section.kind == SECTION_FIELDS_NOT;
    if (kind != FETCH_BODY && s->section.kind != SECTION_ALL)
        return args_fail(a, "numbers of a part (RFC 3516 4.2)");
    if (fields && !read_names(a, &s->section))
        return false;
    if (!args_char(a, ']') || (kind != FETCH_BINARY_SIZE && !read_partial(a, s)))
        return false;
    f->sees |= !peek;
    return true;
}

static bool read_item(struct args *a, struct fetch *f)
{
    struct slice name;
    if (!args_name(a, &name))
        return false;
    for (size_t i = 0; i < COUNT(bracketed) && args_next_is(a, '['); i++)
        if (slice_ieq_str(name, bracketed[i].name))
            return read_bracketed(a, f, bracketed[i].kind, bracketed[i].peek);
    for (size_t i = 0; i < COUNT(words); i++) {
        if (slice_ieq_str(name, words[i].name)) {
            f->items |= words[i].items;
            return true;
        }
    }
    for (size_t i = 0; i < COUNT(old_words); i++) {
        if (!slice_ieq_str(name, old_words[i].name))
            continue;
        struct fetch_section *s = add_section(a, f);
        if (s) {
            s->name = old_words[i].name;
            s->peek = old_words[i].peek;
            s->section.kind = old_words[i].kind;
            f->sees |= !s->peek;
        }
        return s != NULL;
    }
    return args_fail(a, "an item of FETCH");
}

static bool read_items(struct args *a, struct fetch *f)
{
    bool first = true;
    for (size_t i = 0; i < COUNT(macros); i++) {
        if (args_keyword(a, macros[i].name)) {
            f->items = macros[i].items;
            return true;
        }
    }
    if (!args_next_is(a, '('))
        return read_item(a, f);
    args_open(a);
    while (args_more(a, &first))
        if (!read_item(a, f))
            return false;
    return a->status == ARGS_GOOD && (!first || args_fail(a, "an item of FETCH"));
}

/* (CHANGEDSINCE n [VANISHED]) */
static bool read_modifiers(struct args *a, struct fetch *f)
{
    bool first = true;
    if (!args_next_is(a, ' '))
        return true;
    if (!args_space(a) || !args_open(a))
        return false;
    while (args_more(a, &first)) {
        if (args_keyword(a, "VANISHED"))
            f->vanished = true;
        else if (!args_keyword(a, "CHANGEDSINCE"))
            return args_fail(a, "CHANGEDSINCE or VANISHED");
        else if (!args_space(a) || !args_number(a, INT64_MAX, &f->changed_since))
            return false;
        else if (f->changed_since == 0)
            return args_fail(a, "a mod-sequence that is not 0");
        else
            f->items |= ITEM_MODSEQ;
    }
    return a->status == ARGS_GOOD;
}

bool fetch_read(struct args *a, struct fetch *f)
{
    return args_space(a) && args_sequence_set(a, &f->set) && args_space(a) && read_items(a, f) &&
           read_modifiers(a, f) && args_end(a);
}

void fetch_free(struct fetch *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->sections[i].section.names);
    free(f->sections);
    number_set_free(&f->set);
}
