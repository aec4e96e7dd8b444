/* transcript.c - what passed between the parties, in the order of time. */
#include "conformance/runner/run.h"

#include "base/mem.h"
#include "base/timing.h"

#include <stdlib.h>

static void add(struct run *r, const char *actor, char direction, struct slice bytes, int64_t us)
{
    struct entry *last = r->entry_count ? &r->entries[r->entry_count - 1] : NULL;
    size_t room = TRANSCRIPT_MAX - r->entry_octets;
    size_t kept = bytes.n < room ? bytes.n : room;
    r->entry_octets += kept;
    if (last && direction != '-' && last->direction == direction &&
        strcmp(last->actor, actor) == 0 && us - last->us < 2000 && last->n < 65536) {
        last->bytes = xrealloc(last->bytes, last->n + kept + 1);
        memcpy(last->bytes + last->n, bytes.p, kept);
        last->n += kept;
        last->left_out += bytes.n - kept;
        return;
    }
    if ((r->entry_count & (r->entry_count - 1)) == 0)
        r->entries = xreallocarray(r->entries, r->entry_count ? r->entry_count * 2 : 1,
                                   sizeof *r->entries);
    struct entry *e = &r->entries[r->entry_count++];
    *e = (struct entry){.us = us, .actor = actor, .direction = direction,
                        .bytes = xmalloc(kept + 1), .n = kept, .left_out = bytes.n - kept};
    if (kept)
        memcpy(e->bytes, bytes.p, kept);
}

void run_bytes(struct run *r, const char *actor, char direction, struct slice bytes)
{
    run_lock(r);
    add(r, actor, direction, bytes, mono_us() - r->start_us);
    run_unlock(r);
}

void run_note(struct run *r, const char *actor, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vprintf(&b, fmt, ap);
    va_end(ap);
    run_bytes(r, actor, '-', buf_slice(&b));
    buf_free(&b);
}

enum { SHOW_LINE = 1200, SHOW_LINES = 60 };     /* octets of a line, lines of one entry */

static void show_prefix(struct buf *out, int64_t us, const char *actor, const char *arrow)
{
    buf_printf(out, "%+9.3f  %-12s %s ", (double)us / 1e6, actor, arrow);
}

static void show_bytes(struct buf *out, const struct entry *e)
{
    struct slice rest = slice_of(e->bytes, e->n);
    for (int lines = 0; rest.n; lines++) {
        if (lines == SHOW_LINES) {
            show_prefix(out, e->us, e->actor, "  ");
            buf_printf(out, "(%zu more octets)\n", rest.n);
            return;
        }
        ptrdiff_t lf = slice_index(rest, '\n');
        struct slice line = lf < 0 ? rest : slice_sub(rest, 0, (size_t)lf + 1);
        show_prefix(out, e->us, e->actor, e->direction == '>' ? "->" : "<-");
        if (line.n > SHOW_LINE) {
            buf_add_escaped(out, slice_sub(line, 0, SHOW_LINE));
            buf_printf(out, "... (%zu octets)", line.n);
        } else {
            buf_add_escaped(out, line);
        }
        buf_add_byte(out, '\n');
        rest = slice_sub(rest, line.n, rest.n);
    }
    if (e->left_out) {
        show_prefix(out, e->us, e->actor, "  ");
        buf_printf(out, "(%zu octets not kept)\n", e->left_out);
    }
}

static void show_query(struct buf *out, const struct run *r, const struct dns_query *q)
{
    show_prefix(out, q->wall_us - r->start_wall_us, "dns", "??");
    buf_printf(out, "%s asks %s %s", q->client, q->name, q->type);
    if (!q->rcode)
        buf_add_str(out, ": no answer");
    else
        buf_printf(out, ": %s %s", q->rcode, q->answer ? q->answer : "");
    buf_add_byte(out, '\n');
}

void transcript_text(const struct run *r, struct buf *out)
{
    size_t q = 0;
    for (size_t i = 0; i < r->entry_count; i++) {
        const struct entry *e = &r->entries[i];
        while (q < r->query_count && r->queries[q].wall_us - r->start_wall_us <= e->us)
            show_query(out, r, &r->queries[q++]);
        if (e->direction != '-') {
            show_bytes(out, e);
            continue;
        }
        show_prefix(out, e->us, e->actor, "--");
        buf_add_escaped(out, slice_of(e->bytes, e->n));
        buf_add_byte(out, '\n');
    }
    while (q < r->query_count)
        show_query(out, r, &r->queries[q++]);
}
