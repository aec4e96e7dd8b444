/* check_look.c - what the scripted servers took, what is in a mailbox, what a file is like. */
#include "conformance/runner/checks.h"

#include "base/mem.h"
#include "conformance/runner/files.h"
#include "conformance/runner/match.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static bool path_is(struct run *r, const struct text *want, const char *got)
{
    struct buf bytes = {0};
    const char *missing = NULL;
    bool ok = text_bytes(want, &r->env, &bytes, &missing);
    /* The local part is the receiver's affair (RFC 5321 2.4); a scenario writes it as it was. */
    struct slice a = buf_slice(&bytes), b = slice_str(got);
    ptrdiff_t at = slice_rindex(a, '@'), bt = slice_rindex(b, '@');
    if (at < 0 || bt < 0)
        ok = ok && at == bt && slice_eq(a, b);
    else
        ok = ok && slice_eq(slice_sub(a, 0, (size_t)at), slice_sub(b, 0, (size_t)bt)) &&
             slice_ieq(slice_sub(a, (size_t)at, a.n), slice_sub(b, (size_t)bt, b.n));
    buf_free(&bytes);
    return ok;
}

bool check_messages(struct run *r, const struct check *k, struct buf *came)
{
    struct server_state *s = server_find(r, k->name);
    size_t n = 0;
    for (size_t i = 0; i < s->message_count; i++) {
        const struct received *m = &s->messages[i];
        bool fits = !k->from || path_is(r, k->from, m->from), to = !k->for_;
        for (size_t t = 0; t < m->to_count && !to; t++)
            to = path_is(r, k->for_, m->to[t]);
        n += fits && to;
    }
    if (count_holds(&k->count, n))
        return true;
    buf_printf(came, "%s has %zu such messages (%zu in all) and has seen %zu connections", k->name, n,
               s->message_count, s->connection_count);
    for (size_t i = 0; i < s->message_count && i < 5; i++) {
        buf_printf(came, "\n    from <%s> for", s->messages[i].from);
        for (size_t t = 0; t < s->messages[i].to_count && t < 5; t++)
            buf_printf(came, " <%s>", s->messages[i].to[t]);
    }
    return false;
}

/* The first octet in a connection's input that must not be there, or -1. */
static ptrdiff_t offence(const struct check *k, struct slice in)
{
    size_t line = 0;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char b = (unsigned char)in.p[i];
        bool bad = (k->bare == BARE_CR && b == '\r' && i + 1 < in.n && in.p[i + 1] != '\n') ||
                   (k->bare == BARE_LF && b == '\n' && (i == 0 || in.p[i - 1] != '\r')) ||
                   (k->bare == BARE_NUL && b == 0) || (k->bare == BARE_8BIT && b >= 128) ||
                   (k->bare == BARE_LONG && (int64_t)(++line) > k->limit);
        if (bad)
            return (ptrdiff_t)i;
        if (b == '\n')
            line = 0;
    }
    return -1;
}

static bool check_bare(struct run *r, const struct check *k, struct buf *came)
{
    struct server_state *s = server_find(r, k->name);
    size_t octets = 0;
    for (size_t i = 0; i < s->connection_count; i++) {
        struct slice in = buf_slice(&s->connections[i]->input);
        ptrdiff_t at = offence(k, in);
        octets += in.n;
        if (at < 0)
            continue;
        buf_printf(came, "in connection %zu at octet %td: ", i + 1, at + 1);
        buf_add_escaped(came, slice_sub(in, at > 40 ? (size_t)at - 40 : 0, (size_t)at + 20));
        return false;
    }
    if (!octets)                   /* nothing came, so nothing was shown */
        buf_printf(came, "%s has received nothing at all", k->name);
    return octets > 0;
}

static bool check_apart(struct run *r, const struct check *k, struct buf *came)
{
    struct server_state *s = server_find(r, k->name);
    if (s->connection_count < 2) {
        buf_printf(came, "%s has seen %zu connections; two are needed", k->name,
                   s->connection_count);
        return false;
    }
    for (size_t i = 1; i < s->connection_count; i++) {
        int64_t gap = (s->connections[i]->us - s->connections[i - 1]->us) / 1000;
        if (gap < k->limit) {
            buf_printf(came, "connections %zu and %zu were %lld ms apart", i, i + 1,
                       (long long)gap);
            return false;
        }
    }
    return true;
}

static bool check_before(struct run *r, const struct check *k, struct buf *came)
{
    struct server_state *a = server_find(r, k->name), *b = server_find(r, k->other);
    if (a->connection_count && b->connection_count &&
        a->connections[0]->us <= b->connections[0]->us)
        return true;
    buf_printf(came, "%s has seen %zu connections, %s %zu", k->name, a->connection_count, k->other,
               b->connection_count);
    if (a->connection_count && b->connection_count)
        buf_printf(came, ", and %s was first", k->other);
    return false;
}

bool check_wire(struct run *r, const struct check *k, struct buf *came)
{
    struct server_state *s = server_find(r, k->name);
    size_t n = 0;
    if (k->kind == CHECK_BARE)
        return check_bare(r, k, came);
    if (k->kind == CHECK_APART)
        return check_apart(r, k, came);
    if (k->kind == CHECK_BEFORE)
        return check_before(r, k, came);
    if (k->kind == CHECK_CONNECTIONS) {
        n = s->connection_count;
        buf_printf(came, "%s has seen %zu connections", k->name, n);
        return count_holds(&k->count, n);
    }
    for (size_t i = 0; i < s->connection_count; i++)
        for (size_t c = 0; c < s->connections[i]->commands.n; c++) {
            size_t mark = env_mark(&r->env);
            struct slice line = slice_str(s->connections[i]->commands.v[c]);
            if (pattern_match(k->pattern, line, &r->env) && n++ > 0)
                env_forget(&r->env, mark);     /* bound at the first match */
        }
    buf_printf(came, "%s has seen %zu such commands in %zu connections", k->name, n,
               s->connection_count);
    return count_holds(&k->count, n);
}

/* An inbox is read without the lock: it may take a connection. */
static bool inbox(struct run *r, const struct part *part, struct mail **v, size_t *n,
                  struct buf *came)
{
    struct buf error = {0};
    run_unlock(r);
    bool ok = inbox_read(r->world, part->check->name, v, n, &error);
    if (!ok)
        buf_printf(came, "the mailbox of %s cannot be read: %s", part->check->name,
                   buf_str(&error));
    buf_free(&error);
    run_lock(r);
    r->blind = !ok;
    return ok;
}

bool check_mailbox(struct run *r, const struct part *part, struct buf *came)
{
    struct mail *v = NULL;
    size_t n = 0;
    if (!inbox(r, part, &v, &n, came))
        return false;
    mailbox_free(v, n);
    buf_printf(came, "the mailbox of %s has %zu messages", part->check->name, n);
    return count_holds(&part->check->count, n);
}

static bool equal_message(struct run *r, const struct part *part, struct slice got,
                          struct buf *came)
{
    const struct check *k = part->check;
    struct buf want = {0}, error = {0};
    const char *missing = NULL;
    bool ok = true;
    if (k->fixture)
        ok = fixture_load(&want, k->fixture, r->scenario->file, r->world->target->root, &error);
    for (size_t i = 0; ok && i < k->body_lines; i++) {
        ok = text_bytes(&k->body[i], &r->env, &want, &missing);
        buf_add_str(&want, "\r\n");
        if (!ok)
            buf_printf(&error, "$%s has no value", missing);
    }
    if (!ok)
        buf_add_slice(came, buf_slice(&error));
    else
        ok = messages_equal(buf_slice(&want), got, &k->except, &r->world->target->adds, came);
    buf_free(&want);
    buf_free(&error);
    return ok;
}

static bool header_check(struct run *r, const struct check *k, struct slice got, struct buf *came)
{
    struct header_field f;
    struct slice rest = got;
    size_t n = 0, position = 0, all = 0;
    for (; message_header_next(&rest, &f); position++) {
        if (!slice_ieq_str(f.name, k->header))
            continue;
        all++;
        if (k->kind == CHECK_MESSAGE_FIRST)
            return position == 0 || (buf_printf(came, "%s is field %zu", k->header, position + 1),
                                     false);
        size_t mark = env_mark(&r->env);
        bool fits = !k->pattern || pattern_match(k->pattern, f.value, &r->env);
        if (fits && n++ > 0)
            env_forget(&r->env, mark);
        if (!fits && came->len < 2000) {
            buf_printf(came, "%s: ", k->header);
            buf_add_escaped(came, slice_sub(f.value, 0, 500));
            buf_add_str(came, "\n    ");
        }
    }
    buf_printf(came, "the message has %zu fields %s%s", all, k->header,
               k->pattern ? ", none like that" : "");
    return k->kind != CHECK_MESSAGE_FIRST && count_holds(&k->count, n);
}

static bool about_message(struct run *r, const struct part *part, struct slice got,
                          struct buf *came)
{
    const struct check *k = part->check;
    if (k->kind == CHECK_MESSAGE_EQUALS)
        return equal_message(r, part, got, came);
    if (k->kind == CHECK_MESSAGE_HEADER || k->kind == CHECK_MESSAGE_FIRST)
        return header_check(r, k, got, came);
    bool there = k->pattern->text.n == 1 && k->pattern->text.v[0].kind == PIECE_EXACT
        ? slice_find(got, k->pattern->text.v[0].bytes) >= 0
        : pattern_match(k->pattern, got, &r->env);
    if (there == k->negative) {
        buf_add_str(came, there ? "it does contain that:\n    " : "it does not:\n    ");
        buf_add_escaped(came, slice_sub(got, 0, 1500));
    }
    return there != k->negative;
}

bool check_message(struct run *r, const struct part *part, struct buf *came)
{
    const struct check *k = part->check;
    struct mail *v = NULL;
    size_t n = 0, which = k->number ? (size_t)k->number - 1 : 0;
    bool ok = false;
    if (k->in_mailbox && !inbox(r, part, &v, &n, came))
        return false;
    struct server_state *s = k->in_mailbox ? NULL : server_find(r, k->name);
    n = s ? s->message_count : n;
    if (which >= n || (!k->number && n != 1)) {
        buf_printf(came, "%s has %zu messages", k->name, n);
        if (!k->number && n > 1)
            buf_add_str(came, "; say which: message 1 ...");
    } else if (s) {
        ok = about_message(r, part, slice_of(s->messages[which].bytes, s->messages[which].n), came);
    } else {
        ok = about_message(r, part, slice_of(v[which].bytes, v[which].n), came);
    }
    mailbox_free(v, k->in_mailbox ? n : 0);
    return ok;
}

bool check_file(struct run *r, const struct part *part, struct buf *came)
{
    const struct check *k = part->check;
    struct buf path = {0}, want = {0}, name = {0};
    const char *missing = NULL;
    struct stat st;
    bool ok = text_bytes(&k->left, &r->env, &path, &missing) &&
              text_bytes(&k->right, &r->env, &want, &missing);
    if (buf_str(&path)[0] != '/')
        buf_printf(&name, "%s/", r->world->state ? r->world->state : "");
    buf_add_slice(&name, buf_slice(&path));
    bool there = ok && stat(buf_str(&name), &st) == 0;
    if (ok && (strcmp(k->attribute, "exists") == 0 || strcmp(k->attribute, "missing") == 0)) {
        ok = there == (k->attribute[0] == 'e');
        buf_printf(came, "%s: %s", buf_str(&name), there ? "it exists" : strerror(errno));
    } else if (!there) {
        ok = false;
        buf_printf(came, "%s: %s", buf_str(&name), missing ? missing : strerror(errno));
    } else {
        char mode[8];
        snprintf(mode, sizeof mode, "%04o", st.st_mode & 07777u);
        struct passwd *user = getpwuid(st.st_uid);
        struct group *group = getgrgid(st.st_gid);
        const char *is = k->attribute[0] == 'm' ? mode
            : k->attribute[0] == 'o' ? user ? user->pw_name : "?" : group ? group->gr_name : "?";
        ok = strcmp(is, buf_str(&want)) == 0;
        buf_printf(came, "%s has %s %s", buf_str(&name), k->attribute, is);
    }
    buf_free(&path);
    buf_free(&want);
    buf_free(&name);
    return ok;
}
