/* any_state.c - commands that are legal in every state, and ENABLE (RFC 9051 6.1, 6.3.1, RFC 2971). */
#include "reference/imapd/session.h"

#include "base/event.h"

void imap_capability(struct session *s, struct args *a)
{
    struct buf line = {0};
    if (!args_end(a)) {
        imap_bad_args(s, a);
        return;
    }
    imap_capabilities(s, &line);
    imap_untagged(s, "%s", buf_str(&line));
    buf_free(&line);
    imap_ok(s, "CAPABILITY completed");
}

void imap_noop(struct session *s, struct args *a)
{
    if (args_end(a))
        imap_ok(s, "NOOP completed");
    else
        imap_bad_args(s, a);
}

void imap_logout(struct session *s, struct args *a)
{
    if (!args_end(a)) {
        imap_bad_args(s, a);
        return;
    }
    /* What may be written late is written now: who hears OK may start mail(1). */
    imap_deselect(s);
    imap_bye(s, "logout", "see you");
    imap_ok(s, "LOGOUT completed");
}

/* ---- ID (RFC 2971) ----------------------------------------------------------------------------- */

enum { ID_PAIRS_MAX = 30, ID_NAME_MAX = 30, ID_VALUE_MAX = 1024 };    /* RFC 2971 3.3 */

static bool read_id(struct args *a)
{
    struct slice name, value;
    bool first = true;
    int pairs = 0;
    if (args_keyword(a, "NIL"))
        return args_end(a);
    if (!args_open(a))
        return false;
    while (args_more(a, &first)) {
        if (!args_string(a, &name) || !args_space(a) || !args_nstring(a, &value))
            return false;
        if (name.n > ID_NAME_MAX || value.n > ID_VALUE_MAX || ++pairs > ID_PAIRS_MAX)
            return args_fail(a, "30 pairs at most, of 30 and 1024 octets");
    }
    return args_end(a);
}

void imap_id(struct session *s, struct args *a)
{
    if (!args_space(a) || !read_id(a)) {
        imap_bad_args(s, a);
        return;
    }
    /* RFC 2971 4: no version, which would only help those who look for old ones. */
    imap_untagged(s, "ID (\"name\" \"Postroad\")");
    imap_ok(s, "ID completed");
}

/* ---- ENABLE (RFC 5161, RFC 9051 6.3.1) --------------------------------------------------------- */

static void enable_utf8(struct session *s) { s->utf8 = true; }
static void enable_rev2(struct session *s) { s->utf8 = s->rev2 = true; }
static void enable_qresync(struct session *s)
{
    imap_enable_condstore(s);
    s->qresync = true;
}

static const struct {
    const char *name;
    void (*on)(struct session *s);
    const char *section;
} enables[] = {
    {"IMAP4rev2", enable_rev2, "RFC 9051 6.3.1"},
    {"UTF8=ACCEPT", enable_utf8, "RFC 6855 3"},
    {"CONDSTORE", imap_enable_condstore, "RFC 7162 3.1"},
    {"QRESYNC", enable_qresync, "RFC 7162 3.2.3"},
};

void imap_enable(struct session *s, struct args *a)
{
    struct slice name;
    struct buf done = {0};
    do {
        if (!args_space(a) || !args_atom(a, &name)) {
            imap_bad_args(s, a);
            buf_free(&done);
            return;
        }
        for (size_t i = 0; i < sizeof enables / sizeof *enables; i++) {
            if (!slice_ieq_str(name, enables[i].name))
                continue;
            enables[i].on(s);
            buf_printf(&done, " %s", enables[i].name);
        }
    } while (!args_at_end(a));
    imap_untagged(s, "ENABLED%s", buf_str(&done));
    buf_free(&done);
    imap_ok(s, "ENABLE completed");
}
