/* list.c - LIST with its extensions (RFC 9051 6.3.9, RFC 5258, RFC 5819, RFC 6154) and LSUB (RFC 3501 6.3.9). */
#include "reference/imapd/session.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

enum { PATTERNS_MAX = 100 };

enum list_option {
    SELECT_SUBSCRIBED = 1, SELECT_REMOTE = 2, SELECT_RECURSIVE = 4, SELECT_SPECIAL = 8,
    RETURN_SUBSCRIBED = 16, RETURN_CHILDREN = 32, RETURN_SPECIAL = 64, RETURN_STATUS = 128,
};

struct list {
    unsigned options;
    unsigned status_items;
    struct slice reference;
    struct buf patterns[PATTERNS_MAX];       /* with the reference in front, in UTF-8 */
    size_t count;
    bool extended;                           /* something of RFC 5258 was used */
    bool lsub;
    bool root;                               /* the pattern was empty */
};

/* ---- patterns ---------------------------------------------------------------------------------- */

/* RFC 9051 6.3.9: "*" is anything, "%" anything within a level. The last star that matched is the only
 * one to come back to, so the time is bounded by the product of both lengths. */
static bool matches(struct slice pattern, struct slice name)
{
    size_t p = 0, n = 0, star_p = SIZE_MAX, star_n = 0, percent_p = SIZE_MAX, percent_n = 0;
    for (;;) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star_p = ++p;
            star_n = n;
            percent_p = SIZE_MAX;
        } else if (p < pattern.n && pattern.p[p] == '%') {
            percent_p = ++p;
            percent_n = n;
        } else if (n == name.n && p == pattern.n) {
            return true;
        } else if (n < name.n && p < pattern.n && pattern.p[p] == name.p[n]) {
            p++;
            n++;
        } else if (percent_p != SIZE_MAX && percent_n < name.n &&
                   name.p[percent_n] != FOLDER_SEPARATOR) {
            p = percent_p;
            n = ++percent_n;
        } else if (star_p != SIZE_MAX && star_n < name.n) {
            p = star_p;
            n = ++star_n;
            percent_p = SIZE_MAX;
        } else {
            return false;
        }
    }
}

static bool any_matches(const struct list *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (matches(buf_slice(&l->patterns[i]), slice_str(name)))
            return true;
    return false;
}

/* ---- arguments --------------------------------------------------------------------------------- */

static bool read_selection(struct args *a, struct list *l)
{
    static const struct { const char *name; unsigned option; } known[] = {
        {"SUBSCRIBED", SELECT_SUBSCRIBED}, {"REMOTE", SELECT_REMOTE},
        {"RECURSIVEMATCH", SELECT_RECURSIVE}, {"SPECIAL-USE", SELECT_SPECIAL},
    };
    bool first = true;
    l->extended = true;
    args_open(a);
    while (args_more(a, &first)) {
        unsigned option = 0;
        for (size_t i = 0; i < sizeof known / sizeof *known && !option; i++)
            option = args_keyword(a, known[i].name) ? known[i].option : 0;
        if (!option)
            return args_fail(a, "SUBSCRIBED, REMOTE, RECURSIVEMATCH or SPECIAL-USE");
        l->options |= option;
    }
    /* RFC 5258 3.1: it says how others select, and selects nothing. */
    if (l->options & SELECT_RECURSIVE && !(l->options & (SELECT_SUBSCRIBED | SELECT_SPECIAL)))
        return args_fail(a, "SUBSCRIBED beside RECURSIVEMATCH");
    return args_space(a);
}

static bool read_return(struct args *a, struct list *l)
{
    bool first = true;
    if (args_at_end(a))
        return true;
    l->extended = true;
    if (!args_space(a))
        return false;
    if (!args_keyword(a, "RETURN"))
        return args_fail(a, "RETURN");
    if (!args_space(a) || !args_open(a))
        return false;
    while (args_more(a, &first)) {
        if (args_keyword(a, "SUBSCRIBED"))
            l->options |= RETURN_SUBSCRIBED;
        else if (args_keyword(a, "CHILDREN"))
            l->options |= RETURN_CHILDREN;
        else if (args_keyword(a, "SPECIAL-USE"))
            l->options |= RETURN_SPECIAL;
        else if (!args_keyword(a, "STATUS"))
            return args_fail(a, "SUBSCRIBED, CHILDREN, SPECIAL-USE or STATUS");
        else if (!args_space(a) || !imap_status_items(a, &l->status_items))
            return false;
    }
    return a->status == ARGS_GOOD;
}

/* One pattern, with the reference in front of it. */
static bool read_pattern(struct args *a, struct list *l)
{
    struct slice text;
    if (l->count == PATTERNS_MAX)
        return args_fail(a, "fewer patterns");
    if (!args_pattern(a, &text))
        return false;
    l->root = text.n == 0 && !l->extended;
    struct buf whole = {0}, *out = &l->patterns[l->count];
    /* RFC 9051 6.3.9: how they are put together is ours to say; a pattern from the root stands alone. */
    buf_add_slice(&whole, text.n > 0 && text.p[0] == FOLDER_SEPARATOR ? (struct slice){0}
                                                                     : l->reference);
    buf_add_slice(&whole, text);
    bool good = args_name_text(a, buf_slice(&whole), out);
    buf_free(&whole);
    l->count++;
    return good;
}

static bool read_list(struct args *a, struct list *l)
{
    bool first = true;
    if (!args_space(a))
        return false;
    if (!l->lsub && args_next_is(a, '(') && !read_selection(a, l))
        return false;
    if (!args_astring(a, &l->reference) || !args_space(a))
        return false;
    if (l->lsub || !args_next_is(a, '('))
        return read_pattern(a, l) && (l->lsub || read_return(a, l)) && args_end(a);
    l->extended = true;
    args_open(a);
    while (args_more(a, &first))
        if (!read_pattern(a, l))
            return false;
    return a->status == ARGS_GOOD && read_return(a, l) && args_end(a);
}

/* ---- answers ----------------------------------------------------------------------------------- */

static void add_attribute(struct buf *out, const char *name)
{
    if (out->data[out->len - 1] != '(')
        buf_add_byte(out, ' ');
    buf_add_str(out, name);
}

/* "* LIST (attributes) "/" name", with the reason why it is named (RFC 5258 3.5). */
static void tell(struct session *s, const struct list *l, const struct folder *f, bool for_children,
                 struct buf *out)
{
    bool new_words = l->extended || s->rev2;
    buf_printf(out, "* %s (", l->lsub ? "LSUB" : "LIST");
    if (!f->exists && new_words)
        add_attribute(out, "\\NonExistent");
    else if (l->lsub ? for_children : !f->selectable)
        add_attribute(out, "\\Noselect");
    if (!l->lsub) {
        if (f->no_inferiors)
            add_attribute(out, "\\Noinferiors");
        else
            add_attribute(out, f->has_children ? "\\HasChildren" : "\\HasNoChildren");
        if (f->subscribed && l->options & (RETURN_SUBSCRIBED | SELECT_SUBSCRIBED))
            add_attribute(out, "\\Subscribed");
        for (unsigned bit = 1; bit <= f->use; bit <<= 1)
            if (f->use & bit)
                add_attribute(out, folder_use_name(bit));
    }
    buf_add_str(out, ") \"/\" ");
    imap_mailbox_name(s, out, slice_str(f->name));
    if (for_children && !l->lsub)
        buf_add_str(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    buf_add_str(out, "\r\n");
}

/* Is it named, and is it only for what is below it? */
static bool is_chosen(const struct list *l, const struct folder *f, bool *for_children)
{
    *for_children = false;
    if (l->lsub) {
        /* RFC 3501 6.3.9: a "%" that hides a subscribed name shows the level above it. */
        *for_children = !f->subscribed && f->child_subscribed;
        if (*for_children) {
            for (size_t i = 0; i < l->count; i++) {
                struct slice p = buf_slice(&l->patterns[i]);
                if (p.n > 0 && p.p[p.n - 1] == '%' && matches(p, slice_str(f->name)))
                    return true;
            }
        }
        return f->subscribed && any_matches(l, f->name);
    }
    if (!any_matches(l, f->name))
        return false;
    if (l->options & SELECT_SPECIAL && !f->use)
        return false;
    if (l->options & SELECT_SUBSCRIBED) {
        *for_children = f->child_subscribed && l->options & SELECT_RECURSIVE;
        return f->subscribed || *for_children;
    }
    return f->exists || f->has_children;
}

static void tell_all(struct session *s, const struct list *l)
{
    struct folder_list all;
    struct buf out = {0};
    if (folder_list(s->mail, &all) != 0) {
        imap_no_errno(s, errno, "the mailboxes cannot be listed");
        return;
    }
    for (size_t i = 0; i < all.n; i++) {
        bool for_children;
        if (!is_chosen(l, &all.v[i], &for_children))
            continue;
        tell(s, l, &all.v[i], for_children, &out);
        imap_send(s, &out);
        /* RFC 5819 2: one that has gone meanwhile has no STATUS. */
        if (l->status_items && all.v[i].selectable)
            imap_status_line(s, all.v[i].name, l->status_items);
    }
    folder_list_free(&all);
    buf_free(&out);
    imap_ok(s, "%s completed", s->command->name);
}

static void list(struct session *s, struct args *a, bool lsub)
{
    struct list *l = xcalloc(1, sizeof *l);
    l->lsub = lsub;
    if (!read_list(a, l)) {
        imap_bad_args(s, a);
    } else if (l->root) {
        /* RFC 9051 6.3.9: an empty pattern asks for the separator and the root of the reference. */
        imap_untagged(s, "%s (\\Noselect) \"/\" \"\"", s->command->name);
        imap_ok(s, "%s completed", s->command->name);
    } else {
        tell_all(s, l);
    }
    for (size_t i = 0; i < l->count; i++)
        buf_free(&l->patterns[i]);
    free(l);
}

void imap_list(struct session *s, struct args *a)
{
    list(s, a, false);
}

void imap_lsub(struct session *s, struct args *a)
{
    list(s, a, true);
}
