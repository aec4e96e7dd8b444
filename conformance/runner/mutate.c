/* mutate.c - which changes of what the target did a scenario must notice. */
#include "conformance/runner/mutate.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>

static struct change *add(struct changes *out, enum change_kind kind, struct place at, char *what)
{
    out->v = xreallocarray(out->v, out->n + 1, sizeof *out->v);
    out->v[out->n] = (struct change){.kind = kind, .channel = -1, .at = at, .what = what};
    return &out->v[out->n++];
}

static struct change *add_to_reply(struct changes *out, const struct tape_reply *r,
                                   enum change_kind kind, const char *how)
{
    struct change *c = add(out, kind, r->at, xasprintf("%s: %s", r->source ? r->source : "?", how));
    c->channel = r->channel;
    c->from = r->from;
    c->to = r->from + r->n;
    return c;
}

static struct slice bytes_of(const struct tape *t, const struct tape_reply *r)
{
    return slice_sub(buf_slice(&t->channels[r->channel].bytes), r->from, r->from + r->n);
}

static bool wants(const struct tape_reply *r, enum alt_kind kind)
{
    for (size_t i = 0; i < r->expect.alt_count; i++)
        if (r->expect.alts[i].kind == kind)
            return true;
    return false;
}

/* Is this code one of the outcomes that the expectation lists? */
static bool allows_code(const struct tape_reply *r, const char *code)
{
    for (size_t i = 0; i < r->expect.alt_count; i++) {
        const struct alt *a = &r->expect.alts[i];
        bool fits = a->kind == ALT_CODE && a->verdict == V_PASS;
        for (int k = 0; k < 3 && fits; k++)
            fits = a->code[k] == 'x' || a->code[k] == code[k];
        if (fits)
            return true;
    }
    return false;
}

static bool allows_word(const struct tape_reply *r, const char *word)
{
    for (size_t i = 0; i < r->expect.alt_count; i++) {
        const struct alt *a = &r->expect.alts[i];
        if (a->kind == ALT_STATUS && a->word && strcmp(a->word, word) == 0)
            return true;
    }
    return false;
}

static void other_code(struct changes *out, const struct tape *t, const struct tape_reply *r,
                       const char *code)
{
    struct slice rest = bytes_of(t, r), line;
    if (allows_code(r, code))
        return;
    struct change *c = add_to_reply(out, r, CHANGE_CODE, code);
    while (slice_next(&rest, '\n', &line) && line.n) {
        buf_add_str(&c->text, code);
        buf_add_slice(&c->text, slice_sub(line, 3, line.n));
        buf_add_byte(&c->text, '\n');
    }
}

static void other_word(struct changes *out, const struct tape *t, const struct tape_reply *r,
                       const char *word, const char *instead)
{
    struct slice all = bytes_of(t, r);
    ptrdiff_t at = slice_find(all, slice_str(word));
    if (at < 0 || at > 40 || allows_word(r, instead))
        return;
    struct change *c = add_to_reply(out, r, CHANGE_CODE, instead);
    c->from = r->from + (size_t)at;
    c->to = c->from + strlen(word);
    buf_add_str(&c->text, instead);
}

static void codes(struct changes *out, const struct tape *t, const struct tape_reply *r)
{
    struct slice all = bytes_of(t, r);
    if (wants(r, ALT_CODE) && all.n >= 3) {
        bool good = all.p[0] == '2' || all.p[0] == '3';
        other_code(out, t, r, good ? "550" : "250");
        other_code(out, t, r, good || all.p[0] == '5' ? "451" : "551");
    } else if (wants(r, ALT_STATUS) && r->proto == PROTO_POP3) {
        bool good = slice_starts(all, SLICE("+OK"));
        other_word(out, t, r, good ? "+OK" : "-ERR", good ? "-ERR" : "+OK");
    } else if (wants(r, ALT_STATUS)) {
        static const char *const words[] = {" OK", " NO", " BAD"};
        for (int i = 0; i < 3; i++)
            if (slice_find(slice_sub(all, 0, 40), slice_str(words[i])) >= 0) {
                const char *instead = i == 0 ? "NO" : "OK";
                if (!allows_word(r, instead)) {
                    char *with_blank = xasprintf(" %s", instead);
                    other_word(out, t, r, words[i], with_blank);
                    free(with_blank);
                }
                break;
            }
    }
}

/* The word of a pattern by which its line is known: the longest run of letters and digits; in IMAP,
 * where values follow it, the first that is neither a number nor the OK before a response code. */
static struct slice key_word(const char *source, bool imap)
{
    struct slice best = {0};
    for (const char *p = source; *p;) {
        const char *start = p;
        if (*p == '$') {               /* a variable's name says nothing */
            for (p++; isalnum((unsigned char)*p) || *p == ':' || *p == '_';)
                p++;
            continue;
        }
        while (isalnum((unsigned char)*p) || *p == '-')
            p++;
        struct slice word = slice_of(start, (size_t)(p - start));
        if (imap && word.n && isalpha((unsigned char)*start) && !slice_ieq_str(word, "OK"))
            return word;
        if (word.n > best.n)
            best = word;
        p += p == start;
    }
    return best;
}

/* Where the line has the word; -1: nowhere. */
static ptrdiff_t word_at(struct slice line, struct slice word)
{
    for (size_t i = 0; word.n && i + word.n <= line.n; i++)
        if (slice_istarts(slice_sub(line, i, line.n), word) &&
            (i == 0 || !isalnum((unsigned char)line.p[i - 1])) &&
            (i + word.n == line.n || !isalnum((unsigned char)line.p[i + word.n])))
            return (ptrdiff_t)i;
    return -1;
}

/* Takes the line of the reply out that an item speaks of; of SMTP's the last must stay the last. */
static void without_line(struct changes *out, const struct tape *t, const struct tape_reply *r,
                         struct slice word)
{
    struct slice all = bytes_of(t, r), rest = all, line;
    struct buf kept = {0};
    size_t last = 0, n = 0;
    bool found = false;
    while (slice_next(&rest, '\n', &line) && line.n) {
        if (n++ > 0 && !found && word_at(line, word) >= 0) {
            found = true;
            continue;
        }
        last = kept.len;
        buf_add_slice(&kept, line);
        buf_add_byte(&kept, '\n');
    }
    if (found && r->proto != PROTO_POP3 && kept.len > last + 3)
        kept.data[last + 3] = ' ';
    if (found) {
        char *how = xasprintf("without the line %.*s", SLICE_ARG(word));
        add_to_reply(out, r, CHANGE_LINE, how)->text = kept;
        free(how);
    } else {
        buf_free(&kept);
    }
}

/* IMAP: the untagged response before the tagged one that has the word earliest (prose has it too). */
static void without_untagged(struct changes *out, const struct tape *t, const struct tape_reply *r,
                             struct slice word)
{
    const struct tape_reply *best = NULL;
    ptrdiff_t best_at = 0;
    for (const struct tape_reply *u = r; u-- > t->replies;) {
        if (u->channel != r->channel)
            continue;
        if (u->judged)
            break;
        ptrdiff_t at = word_at(bytes_of(t, u), word);
        if (at >= 0 && (!best || at < best_at)) {
            best = u;
            best_at = at;
        }
    }
    if (!best)
        return;
    char *how = xasprintf("without the response %.*s", SLICE_ARG(word));
    struct change *c = add_to_reply(out, r, CHANGE_LINE, how);
    c->from = best->from;
    c->to = best->from + best->n;
    free(how);
}

static void lines(struct changes *out, const struct tape *t, const struct tape_reply *r)
{
    for (size_t i = 0; i < r->expect.item_count; i++) {
        const struct item *item = &r->expect.items[i];
        struct slice word = key_word(item->pattern.source ? item->pattern.source : "",
                                     r->proto == PROTO_IMAP);
        if (item->negative)
            continue;
        if (r->proto == PROTO_IMAP)
            without_untagged(out, t, r, word);
        else
            without_line(out, t, r, word);
    }
}

/* The last letter before the end of these bytes becomes another. */
static bool other_letter(struct changes *out, enum change_kind kind, struct place at, char *what,
                         int channel, struct slice all, size_t from, size_t to)
{
    for (size_t i = to; i-- > from;)
        if (isalpha((unsigned char)all.p[i])) {
            struct change *c = add(out, kind, at, what);
            c->channel = channel;
            c->from = i;
            c->to = i + 1;
            buf_add_byte(&c->text, all.p[i] == 'q' ? 'x' : 'q');
            return true;
        }
    free(what);
    return false;
}

static void of_reply(struct changes *out, const struct tape *t, const struct tape_reply *r)
{
    struct slice all = bytes_of(t, r);
    if (r->closed && !r->n) {
        if (!wants(r, ALT_NOTHING))
            add_to_reply(out, r, CHANGE_SILENCE, "stays open");
        return;
    }
    if (!r->n)
        return;
    codes(out, t, r);
    lines(out, t, r);
    if (slice_ends(all, SLICE("\r\n"))) {
        struct change *c = add_to_reply(out, r, CHANGE_BYTE, "a bare LF at its end");
        c->from = c->to - 2;
        buf_add_byte(&c->text, '\n');
    }
    if (r->expect.equals_fixture)
        other_letter(out, CHANGE_BYTE, r->at, xasprintf("%s: a letter of the message", r->source),
                     r->channel, buf_slice(&t->channels[r->channel].bytes), r->from + 5,
                     r->from + r->n);
    if (!wants(r, ALT_NOTHING))
        add_to_reply(out, r, CHANGE_SILENCE, "silence");
    if (!wants(r, ALT_CLOSED))
        add_to_reply(out, r, CHANGE_CLOSE, "closed");
}

/* ---- what the target did as a client, in mailboxes, in the DNS ------------------------------- */

/* A check of this kind about that server or user; NULL when there is none. */
static const struct part *check_of(const struct scenario *s, enum check_kind kind, const char *name,
                                   bool mailbox)
{
    for (size_t i = 0; i < s->part_count; i++) {
        const struct check *k = s->parts[i].check;
        if (s->parts[i].kind == PART_CHECK && k->kind == kind && k->name &&
            strcmp(k->name, name) == 0 && (kind != CHECK_MESSAGE_EQUALS || k->in_mailbox == mailbox))
            return &s->parts[i];
    }
    return NULL;
}

static bool exact(const struct part *p)
{
    return p && p->check->count.kind == COUNT_EXACTLY && p->check->count.n > 0;
}

static bool has_script(const struct server *def)
{
    return def->script_count > 0;
}

static void of_connection(struct changes *out, const struct tape *t, const struct scenario *s,
                          int channel, const struct server *def)
{
    struct slice all = buf_slice(&t->channels[channel].bytes);
    const struct part *count = check_of(s, CHECK_MESSAGES, def->name, false),
                      *same = check_of(s, CHECK_MESSAGE_EQUALS, def->name, false);
    ptrdiff_t data = -1;
    for (size_t i = 0; i + 6 <= all.n && data < 0; i++)
        if ((i == 0 || all.p[i - 1] == '\n') &&
            slice_istarts(slice_sub(all, i, i + 6), SLICE("DATA\r\n")))
            data = (ptrdiff_t)i + 6;
    ptrdiff_t end = data < 0 ? -1 : slice_find(slice_sub(all, (size_t)data, all.n),
                                               SLICE("\r\n.\r\n"));
    bool message = end >= 0;
    if (!has_script(def) && !(message && (count || same)))
        return;
    add(out, CHANGE_ABSENT, def->at, xasprintf("no connection to %s", def->name))->channel = channel;
    if (message && same)
        other_letter(out, CHANGE_BYTE, same->at, xasprintf("a letter of the message to %s", def->name),
                     channel, all, (size_t)data, (size_t)(data + end));
    if (message && exact(count))
        add(out, CHANGE_TWICE, count->at, xasprintf("the message to %s twice", def->name))->channel =
            channel;
}

static void of_mailbox(struct changes *out, const struct tape *t, const struct scenario *s,
                       const char *user)
{
    const struct part *count = check_of(s, CHECK_MAILBOX, user, true),
                      *same = check_of(s, CHECK_MESSAGE_EQUALS, user, true);
    const struct tape_mailbox *last = NULL;
    size_t most = 0;
    for (size_t i = 0; i < t->mailbox_count; i++)
        if (strcmp(t->mailboxes[i].user, user) == 0) {
            last = &t->mailboxes[i];
            most = last->n > most ? last->n : most;
        }
    if (!last || !(count || same))
        return;
    struct place at = count ? count->at : same->at;
    if (last->n)
        add(out, CHANGE_MAIL_LOST, at, xasprintf("%s gets no mail", user))->user = user;
    if (last->n && same)
        add(out, CHANGE_MAIL_BYTE, same->at, xasprintf("a letter in %s's mail", user))->user = user;
    if (last->n && exact(count))
        add(out, CHANGE_MAIL_TWICE, count->at, xasprintf("%s's mail twice", user))->user = user;
    if (!last->n && most && count)
        add(out, CHANGE_MAIL_STAYS, count->at, xasprintf("%s's mail stays", user))->user = user;
}

static void of_query(struct changes *out, const struct part *p)
{
    const struct check *k = p->check;
    if (k->kind == CHECK_DNS && k->count.n > 0 && k->count.kind != COUNT_AT_MOST) {
        struct change *c = add(out, CHANGE_QUERY_LOST, p->at,
                               xasprintf("no query %s %s", k->dns_name, k->dns_type));
        c->name = k->dns_name;
        c->type = k->dns_type;
    }
    if (k->kind == CHECK_DNS && exact(p)) {
        struct change *c = add(out, CHANGE_QUERY_TWICE, p->at,
                               xasprintf("%s %s asked twice", k->dns_name, k->dns_type));
        c->name = k->dns_name;
        c->type = k->dns_type;
    }
}

void changes_find(const struct tape *t, const struct scenario *s, struct changes *out)
{
    for (size_t i = 0; i < t->reply_count; i++)
        if (t->replies[i].judged)
            of_reply(out, t, &t->replies[i]);
    for (size_t i = 0; i < t->channel_count; i++)
        for (size_t k = 0; t->channels[i].server && k < s->part_count; k++) {
            const struct part *p = &s->parts[k];
            struct netaddr at;
            char where[160];
            if (p->kind != PART_SERVER ||
                !netaddr_parse(&at, slice_str(p->server->address), (uint16_t)p->server->port))
                continue;
            netaddr_text(&at, where);
            if (strcmp(where, t->channels[i].where) == 0) {
                of_connection(out, t, s, (int)i, p->server);
                break;
            }
        }
    for (size_t i = 0; i < t->mailbox_count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(t->mailboxes[k].user, t->mailboxes[i].user) == 0;
        if (!seen)
            of_mailbox(out, t, s, t->mailboxes[i].user);
    }
    for (size_t i = 0; i < s->part_count; i++)
        if (s->parts[i].kind == PART_CHECK)
            of_query(out, &s->parts[i]);
}

void mutations_free(struct changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        buf_free(&c->v[i].text);
        free(c->v[i].what);
    }
    free(c->v);
    *c = (struct changes){0};
}

const char *change_exempt(const struct change *c, const struct scenario *s)
{
    for (size_t i = 0; i < s->exempt_count; i++) {
        struct slice rest = slice_str(s->exempts[i].mutation), kind;
        if (!slice_word(&rest, &kind) ||
            !(slice_eq_str(kind, change_name(c->kind)) || slice_eq_str(kind, "any")))
            continue;
        rest = slice_trim(rest);
        if (!rest.n || slice_find(slice_str(c->what), rest) >= 0)
            return s->exempts[i].reason;
    }
    return NULL;
}
