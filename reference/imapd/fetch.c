/* fetch.c - FETCH (RFC 9051 6.4.5): the loop over the messages, and the items that need no text. */
#include "reference/imapd/fetch.h"

#include "base/mem.h"
#include "reference/message/summary.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

enum { OUTPUT_MAX = 64 * 1024 };     /* is sent when it is larger, which the stream does without a copy */

/* One FETCH command while it is answered. */
struct fetching {
    struct session *s;
    const struct fetch *f;
    struct view_message *messages;   /* a batch */
    struct cache_batch *cache;       /* of the same batch, when envelopes or structures are wanted */
    struct buf out;
    bool gone;                       /* some message was removed by others meanwhile */
    bool unreadable;                 /* some message cannot be read */
    const char *refusal;             /* some part cannot be had by BINARY; NULL: none */
};

/* ---- items ------------------------------------------------------------------------------------- */

/* RFC 9051 9, date-time, in UTC: where it was received is not known. */
static void add_date(struct buf *out, int64_t utc)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    time_t t = (time_t)utc;
    gmtime_r(&t, &tm);
    buf_printf(out, "\"%2d-%s-%04d %02d:%02d:%02d +0000\"", tm.tm_mday, months[tm.tm_mon],
               tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void add_plain_items(struct fetching *g, const struct view_message *v, bool flags)
{
    struct buf *out = &g->out;
    unsigned items = g->f->items;
    if (items & ITEM_UID || g->s->uid)
        buf_printf(out, "UID %u ", v->uid);
    if (items & ITEM_FLAGS || flags) {
        imap_write_flags(g->s, out, v);
        buf_add_byte(out, ' ');
    }
    if (items & ITEM_MODSEQ || (flags && g->s->condstore) ||
        (items & ITEM_FLAGS && g->s->qresync))
        buf_printf(out, "MODSEQ (%llu) ", (unsigned long long)v->modseq);
    if (items & ITEM_INTERNALDATE) {
        buf_add_str(out, "INTERNALDATE ");
        add_date(out, v->internal_date);
        buf_add_byte(out, ' ');
    }
    if (items & ITEM_SIZE)
        buf_printf(out, "RFC822.SIZE %llu ", (unsigned long long)v->size);
    if (items & ITEM_EMAILID)
        buf_printf(out, "EMAILID (M%016llx) ", (unsigned long long)v->emailid);
    if (items & ITEM_THREADID)             /* RFC 8474 5.2: threads are not kept */
        buf_add_str(out, "THREADID NIL ");
    if (items & ITEM_SAVEDATE && v->save_date == 0) {
        buf_add_str(out, "SAVEDATE NIL ");
    } else if (items & ITEM_SAVEDATE) {
        buf_add_str(out, "SAVEDATE ");
        add_date(out, v->save_date);
        buf_add_byte(out, ' ');
    }
}

/* The envelope, and with it what SEARCH, SORT, THREAD and HEADER.FIELDS will want of the same header. */
static void make_envelope(struct session *s, uint32_t uid, struct slice header, struct buf *made)
{
    struct envelope e;
    struct buf text = {0};
    envelope_read(&e, header);
    envelope_write(made, &e);
    summary_make(&text, header);
    view_cache_put(s->view, uid, CACHE_FIELDS, buf_slice(&text));
    buf_clear(&text);
    fetch_common_fields(header, &text);
    view_cache_put(s->view, uid, CACHE_HEADER, buf_slice(&text));
    buf_free(&text);
}

/* An item that is kept ready in the index, or made now and kept from then on. */
static void add_cached(struct fetching *g, struct fetch_message *m, const struct cached *cached,
                       enum cache_kind kind, const char *name)
{
    struct buf made = {0};
    struct slice text = cached ? cached->text[kind] : (struct slice){0};
    if (!text.p) {
        const struct mime_message *message =
            kind == CACHE_ENVELOPE ? fetch_header(m) : fetch_whole(m);
        if (!message)
            return;
        uint32_t uid = view_uid(g->s->view, m->seq);
        if (kind == CACHE_ENVELOPE)
            make_envelope(g->s, uid, message->root->header_text, &made);
        else
            bodystructure_write(&made, message->root, kind == CACHE_BODYSTRUCTURE);
        text = buf_slice(&made);
        view_cache_put(g->s->view, uid, kind, text);
    }
    buf_printf(&g->out, "%s ", name);
    buf_add_slice(&g->out, text);
    buf_add_byte(&g->out, ' ');
    buf_free(&made);
}

/* ---- a message --------------------------------------------------------------------------------- */

/* The common fields of its header, out of the index or read now and kept there. */
static struct slice common_fields(struct fetching *g, struct fetch_message *m,
                                  const struct cached *cached, struct buf *made)
{
    if (cached && cached->text[CACHE_HEADER].p)
        return cached->text[CACHE_HEADER];
    const struct mime_message *message = fetch_header(m);
    if (!message)
        return (struct slice){0};
    if (made->len == 0) {
        fetch_common_fields(message->root->header_text, made);
        view_cache_put(g->s->view, view_uid(g->s->view, m->seq), CACHE_HEADER, buf_slice(made));
    }
    return buf_slice(made);
}

/* What can go wrong is found out before anything is sent: the text is gone, or cannot be decoded. False: it
 * is so. */
static bool prepare(struct fetching *g, struct fetch_message *m, const struct cached *cached)
{
    for (size_t i = 0; i < g->f->n; i++) {
        const struct fetch_section *f = &g->f->sections[i];
        if (cached && cached->text[CACHE_HEADER].p && fetch_is_common(f))
            continue;
        if (!fetch_open(m)) {
            g->gone |= errno == ENOENT;
            g->unreadable |= errno != ENOENT;
            return false;
        }
        const char *refusal = f->kind != FETCH_BODY ? fetch_binary_refusal(m, f) : NULL;
        if (refusal) {
            g->refusal = refusal;
            return false;
        }
    }
    return true;
}

static bool write_sections(struct fetching *g, struct fetch_message *m, const struct cached *cached)
{
    struct buf made = {0};
    bool good = true;
    for (size_t i = 0; i < g->f->n && good && !m->failed; i++) {
        const struct fetch_section *f = &g->f->sections[i];
        if (fetch_is_common(f))
            fetch_write_common(f, common_fields(g, m, cached, &made), &g->out);
        else
            good = fetch_write_section(m, f, &g->out);
        buf_add_byte(&g->out, ' ');
    }
    buf_free(&made);
    return good && !m->failed;
}

static bool wants_measure(const struct fetch *f)
{
    return f->items & (ITEM_SIZE | ITEM_INTERNALDATE | ITEM_SAVEDATE);
}

/* Writes its FETCH response; nothing of it when its text cannot be had. False: the stream is of no use. */
static bool answer(struct fetching *g, uint32_t seq, const struct view_message *v,
                   const struct cached *cached, bool flags)
{
    struct fetch_message m = {.s = g->s, .seq = seq};
    const struct fetch *f = g->f;
    size_t before = g->out.len;
    if (wants_measure(f) && !v->measured) {
        g->gone = true;
        return true;
    }
    if (!prepare(g, &m, cached)) {
        fetch_message_free(&m);
        return true;
    }
    buf_printf(&g->out, "* %u FETCH (", seq);
    add_plain_items(g, v, flags);
    if (f->items & ITEM_ENVELOPE)
        add_cached(g, &m, cached, CACHE_ENVELOPE, "ENVELOPE");
    if (f->items & ITEM_BODY)
        add_cached(g, &m, cached, CACHE_BODY, "BODY");
    if (f->items & ITEM_BODYSTRUCTURE)
        add_cached(g, &m, cached, CACHE_BODYSTRUCTURE, "BODYSTRUCTURE");
    if (m.failed)
        goto unreadable;
    bool good = write_sections(g, &m, cached);
    if (g->out.len > 0 && g->out.data[g->out.len - 1] == ' ')
        buf_truncate(&g->out, g->out.len - 1);
    buf_add_str(&g->out, ")\r\n");
    if (f->items & ITEM_FLAGS || flags)
        view_told(g->s->view, seq, v->modseq);
    if (g->out.len > OUTPUT_MAX)
        imap_send(g->s, &g->out);
    fetch_message_free(&m);
    return good;

unreadable:
    g->gone |= errno == ENOENT;
    g->unreadable |= errno != ENOENT;
    buf_truncate(&g->out, before);
    fetch_message_free(&m);
    return true;
}

/* ---- batches ----------------------------------------------------------------------------------- */

static unsigned kinds_wanted(const struct fetch *f)
{
    unsigned header = 0;
    for (size_t i = 0; i < f->n; i++)
        header |= fetch_is_common(&f->sections[i]) ? 1u << CACHE_HEADER : 0;
    return header | (f->items & ITEM_ENVELOPE ? 1u << CACHE_ENVELOPE : 0) |
           (f->items & ITEM_BODY ? 1u << CACHE_BODY : 0) |
           (f->items & ITEM_BODYSTRUCTURE ? 1u << CACHE_BODYSTRUCTURE : 0);
}

/* Messages that are not \Seen become so; `unseen` gets who they were, for the FLAGS in their answers. */
static void see(struct fetching *g, uint32_t first, uint32_t count, bool *unseen)
{
    const struct flags_change change = {.how = FLAGS_ADD, .flags = FLAG_SEEN,
                                        .unchanged_since = UINT64_MAX};
    struct uid_set uids = {0};
    bool measured = wants_measure(g->f);
    for (uint32_t i = 0; i < count; i++) {
        unseen[i] = g->f->sees && !view_readonly(g->s->view) && !g->messages[i].expunged &&
                    !(g->messages[i].flags & FLAG_SEEN) &&
                    g->messages[i].modseq > g->f->changed_since;
        if (unseen[i])
            uid_set_add(&uids, g->messages[i].uid, g->messages[i].uid);
    }
    if (uids.n > 0 && view_store(g->s->view, &uids, &change, false, NULL, NULL, NULL) == 0)
        view_get_many(g->s->view, first, count, measured, g->messages);
    uid_set_free(&uids);
}

static bool answer_batch(struct fetching *g, uint32_t first, uint32_t count)
{
    bool unseen[CACHE_BATCH];
    unsigned kinds = kinds_wanted(g->f);
    count = view_get_many(g->s->view, first, count, wants_measure(g->f), g->messages);
    see(g, first, count, unseen);
    if (g->f->items & ITEM_FLAGS || g->f->sees)
        imap_write_new_keywords(g->s, &g->out);
    bool cached = kinds && view_cache_read(g->s->view, first, count, kinds, g->cache) == 0;
    for (uint32_t i = 0; i < count; i++) {
        if (g->messages[i].modseq <= g->f->changed_since)
            continue;
        if (!answer(g, first + i, &g->messages[i], cached ? &g->cache->v[i] : NULL, unseen[i]))
            return false;
    }
    return true;
}

static void finish(struct fetching *g, bool good)
{
    struct session *s = g->s;
    imap_send(s, &g->out);
    if (!good) {                       /* a literal stays open: whatever came next would be in it */
        s->broken = s->closing = s->answered = true;
        s->end = "error";
    } else if (g->refusal) {
        imap_no(s, "%s", g->refusal);
    } else if (g->unreadable) {
        imap_no(s, "[UNAVAILABLE] some messages cannot be read now");
    } else if (g->gone) {              /* RFC 2180 4.1.1, RFC 5530 3 */
        imap_no(s, "[EXPUNGEISSUED] some messages are gone");
    } else {
        imap_ok(s, "FETCH completed");
    }
}

/* RFC 7162 3.2.6 */
static void tell_vanished(struct session *s, const struct fetch *f)
{
    struct uid_set known = {0}, gone = {0};
    struct buf out = {0};
    uint32_t count = view_count(s->view);
    number_set_resolve(&f->set, count ? view_uid(s->view, count) : 0, &known);
    if (view_vanished(s->view, f->changed_since, &known, &gone) == 0 && gone.n > 0) {
        buf_add_str(&out, "* VANISHED (EARLIER) ");
        uid_set_text(&gone, &out);
        buf_add_str(&out, "\r\n");
        imap_send(s, &out);
    }
    buf_free(&out);
    uid_set_free(&known);
    uid_set_free(&gone);
}

static void fetch(struct session *s, const struct fetch *f, const struct uid_set *seqs)
{
    struct fetching g = {.s = s, .f = f};
    bool good = true;
    g.messages = xcalloc(CACHE_BATCH, sizeof *g.messages);
    g.cache = kinds_wanted(f) ? xcalloc(1, sizeof *g.cache) : NULL;
    for (size_t i = 0; i < seqs->n && good; i++) {
        for (uint64_t seq = seqs->v[i].first; seq <= seqs->v[i].last && good; seq += CACHE_BATCH) {
            uint64_t left = seqs->v[i].last - seq + 1;
            good = answer_batch(&g, (uint32_t)seq,
                                left < CACHE_BATCH ? (uint32_t)left : CACHE_BATCH);
        }
    }
    finish(&g, good);
    if (g.cache)
        cache_batch_free(g.cache);
    free(g.cache);
    free(g.messages);
    buf_free(&g.out);
}

void imap_fetch(struct session *s, struct args *a)
{
    struct fetch f = {0};
    struct uid_set seqs = {0};
    if (!fetch_read(a, &f)) {
        imap_bad_args(s, a);
    } else if (f.vanished && (!s->uid || !s->qresync || !f.changed_since)) {
        imap_bad(s, "VANISHED goes with UID FETCH, CHANGEDSINCE and ENABLE QRESYNC "
                    "(RFC 7162 3.2.6)");
    } else if (imap_messages(s, &f.set, &seqs)) {
        if (f.items & ITEM_MODSEQ)
            imap_enable_condstore(s);
        if (f.vanished)
            tell_vanished(s, &f);
        fetch(s, &f, &seqs);
    }
    fetch_free(&f);
    uid_set_free(&seqs);
}
