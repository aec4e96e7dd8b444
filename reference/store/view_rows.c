/* view_rows.c - the messages of a view: an array in the order of their UIDs, their names, and a
 * hash table from names to UIDs that is made when it is first needed. */
#include "base/mem.h"
#include "reference/store/view_internal.h"

#include <stdlib.h>

#define SLOTS_MIN 16

size_t row_from(const struct mailbox_view *v, uint32_t uid)
{
    size_t guess = v->n > 0 ? (size_t)uid - v->v[0].uid : 0;
    if (guess < v->n && v->v[guess].uid == uid)
        return guess;              /* the usual case: no UID before it is missing */
    size_t low = 0, high = v->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (v->v[mid].uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct row *row_by_uid(const struct mailbox_view *v, uint32_t uid)
{
    size_t at = row_from(v, uid);
    return at < v->n && v->v[at].uid == uid ? &v->v[at] : NULL;
}

const char *row_name(const struct mailbox_view *v, const struct row *r)
{
    return v->names.data + r->name;
}

/* --- names -------------------------------------------------------------------------------- */

static struct slice base_of(struct slice name)
{
    ptrdiff_t colon = slice_index(name, ':');
    return colon < 0 ? name : slice_sub(name, 0, (size_t)colon);
}

static uint32_t hash_of(struct slice base)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < base.n; i++)
        h = (h ^ (unsigned char)base.p[i]) * 16777619u;
    return h;
}

static void put_slot(struct mailbox_view *v, uint32_t hash, uint32_t uid)
{
    size_t i = hash & (v->slot_count - 1);
    while (v->slots[i].uid != 0)
        i = (i + 1) & (v->slot_count - 1);
    v->slots[i] = (struct name_slot){hash, uid};
    v->slots_used++;
}

/* Slots of rows that are gone stay until the table is made anew, at the latest when it is half
 * full. */
static void make_slots(struct mailbox_view *v)
{
    free(v->slots);
    v->slot_count = SLOTS_MIN;
    while (v->slot_count < v->n * 4)
        v->slot_count *= 2;
    v->slots = xcalloc(v->slot_count, sizeof *v->slots);
    v->slots_used = 0;
    for (size_t i = 0; i < v->n; i++)
        put_slot(v, hash_of(base_of(slice_str(row_name(v, &v->v[i])))), v->v[i].uid);
}

struct row *row_by_name(struct mailbox_view *v, struct slice base)
{
    if (!v->slots)
        make_slots(v);
    uint32_t hash = hash_of(base);
    for (size_t i = hash & (v->slot_count - 1); v->slots[i].uid != 0;
         i = (i + 1) & (v->slot_count - 1)) {
        if (v->slots[i].hash != hash)
            continue;
        struct row *r = row_by_uid(v, v->slots[i].uid);
        if (r && slice_eq(base_of(slice_str(row_name(v, r))), base))
            return r;
    }
    return NULL;
}

static uint32_t add_name(struct mailbox_view *v, struct slice name)
{
    if (v->names.len + name.n + 1 > UINT32_MAX)
        die(70, "a mailbox has too many messages for one view");
    uint32_t at = (uint32_t)v->names.len;
    buf_add_slice(&v->names, name);
    buf_add_byte(&v->names, 0);
    return at;
}

/* Copies the names that are in use when most are not. */
static void tidy_names(struct mailbox_view *v)
{
    if (v->names_dead < 4096 || v->names_dead < v->names.len / 2)
        return;
    struct buf old = v->names;
    v->names = (struct buf){0};
    buf_reserve(&v->names, old.len - v->names_dead);
    for (size_t i = 0; i < v->n; i++)
        v->v[i].name = add_name(v, slice_str(old.data + v->v[i].name));
    for (size_t i = 0; i < v->ghost_count; i++)
        v->ghosts[i].row.name = add_name(v, slice_str(old.data + v->ghosts[i].row.name));
    v->names_dead = 0;
    buf_free(&old);
}

void row_rename(struct mailbox_view *v, struct row *r, struct slice name)
{
    char *now = v->names.data + r->name;
    size_t length = strlen(now);
    if (length >= name.n) {        /* the usual case: what is behind the colon goes */
        memmove(now, name.p, name.n);
        now[name.n] = 0;
        v->names_dead += length - name.n;
        return;
    }
    v->names_dead += length + 1;
    r->name = add_name(v, name);
}

/* --- coming and going --------------------------------------------------------------------- */

struct row *row_add(struct mailbox_view *v, const struct row *r, struct slice name)
{
    if (v->n == v->cap) {
        v->cap = v->cap ? v->cap * 2 : 16;
        v->v = xreallocarray(v->v, v->cap, sizeof *v->v);
    }
    struct row *added = &v->v[v->n++];
    *added = *r;
    added->name = add_name(v, name);
    v->in_new += (added->flags & ROW_NEW) != 0;
    v->unmeasured += (added->flags & ROW_UNMEASURED) != 0;
    if (v->slots && v->slots_used * 2 >= v->slot_count)
        make_slots(v);
    else if (v->slots)
        put_slot(v, hash_of(base_of(name)), r->uid);
    snapshot_release(v->snapshot);
    v->snapshot = NULL;
    v->generation++;
    return added;
}

static void add_ghost(struct mailbox_view *v, const struct row *r)
{
    if (v->ghost_count == v->ghost_cap) {
        v->ghost_cap = v->ghost_cap ? v->ghost_cap * 2 : 16;
        v->ghosts = xreallocarray(v->ghosts, v->ghost_cap, sizeof *v->ghosts);
    }
    v->ghosts[v->ghost_count++] = (struct ghost){*r, v->generation};
}

static int by_uid(const void *a, const void *b)
{
    const struct ghost *x = a, *y = b;
    return (x->row.uid > y->row.uid) - (x->row.uid < y->row.uid);
}

void rows_remove(struct mailbox_view *v, const uint32_t *doomed, size_t n)
{
    if (n == 0)
        return;
    size_t next = 0, kept = doomed[0];
    v->generation++;
    for (size_t i = doomed[0]; i < v->n; i++) {
        if (next < n && doomed[next] == i) {
            v->in_new -= (v->v[i].flags & ROW_NEW) != 0;
            v->unmeasured -= (v->v[i].flags & ROW_UNMEASURED) != 0;
            if (v->sessions)
                add_ghost(v, &v->v[i]);
            else
                v->names_dead += strlen(row_name(v, &v->v[i])) + 1;
            next++;
        } else {
            v->v[kept++] = v->v[i];
        }
    }
    v->n = kept;
    if (v->ghost_count > 1)
        qsort(v->ghosts, v->ghost_count, sizeof *v->ghosts, by_uid);
    snapshot_release(v->snapshot);
    v->snapshot = NULL;
    tidy_names(v);
}

const struct row *ghost_by_uid(const struct mailbox_view *v, uint32_t uid)
{
    size_t low = 0, high = v->ghost_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (v->ghosts[mid].row.uid < uid)
            low = mid + 1;
        else
            high = mid;
    }
    return low < v->ghost_count && v->ghosts[low].row.uid == uid ? &v->ghosts[low].row : NULL;
}

void ghosts_drop(struct mailbox_view *v)
{
    uint64_t oldest = UINT64_MAX;
    size_t kept = 0;
    if (v->ghost_count == 0)
        return;
    for (const struct view_session *s = v->sessions; s; s = s->next) {
        if (s->generation < oldest)
            oldest = s->generation;
    }
    for (size_t i = 0; i < v->ghost_count; i++) {
        if (v->ghosts[i].generation > oldest)
            v->ghosts[kept++] = v->ghosts[i];
        else
            v->names_dead += strlen(row_name(v, &v->ghosts[i].row)) + 1;
    }
    v->ghost_count = kept;
    tidy_names(v);
}

void rows_free(struct mailbox_view *v)
{
    free(v->v);
    free(v->ghosts);
    free(v->slots);
    buf_free(&v->names);
    snapshot_release(v->snapshot);
    v->v = NULL;
    v->ghosts = NULL;
    v->slots = NULL;
    v->snapshot = NULL;
    v->n = v->cap = v->ghost_count = v->ghost_cap = v->slot_count = v->slots_used = 0;
    v->in_new = v->unmeasured = v->names_dead = 0;
}
