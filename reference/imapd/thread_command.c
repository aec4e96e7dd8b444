/* thread_command.c - THREAD and UID THREAD (RFC 5256 3). */
#include "reference/imapd/search.h"
#include "reference/imapd/thread.h"

static const struct {
    const char *name;
    void (*run)(struct thread_tree *t, struct buf *out);
} ALGORITHMS[] = {
    {"ORDEREDSUBJECT", thread_ordered_subject},
    {"REFERENCES", thread_references},
};
enum { ALGORITHM_COUNT = sizeof ALGORITHMS / sizeof ALGORITHMS[0] };

struct collector {
    struct session *s;
    struct thread_tree *tree;
};

static void collect(void *arg, const struct search_hit *hit)
{
    struct collector *c = arg;
    const struct view_message *m = hit->message;
    int64_t date = hit->summary->has_date ? hit->summary->sent : m->internal_date;
    thread_add(c->tree, c->s->uid ? m->uid : hit->seq, date, hit->summary);
}

static bool parse_algorithm(struct args *a, int *algorithm)
{
    struct slice word;
    if (!args_space(a) || !args_atom(a, &word))
        return false;
    for (*algorithm = 0; *algorithm < ALGORITHM_COUNT; ++*algorithm)
        if (slice_ieq_str(word, ALGORITHMS[*algorithm].name))
            return args_space(a);
    return args_fail(a, "ORDEREDSUBJECT or REFERENCES");
}

void imap_thread(struct session *s, struct args *a)
{
    struct search_program program = {0};
    const char *no = NULL;
    int algorithm;
    if (!parse_algorithm(a, &algorithm) || !search_parse_with_charset(s, a, &program, &no)) {
        if (no)
            imap_no(s, "%s", no);
        else
            imap_bad_args(s, a);
        search_free(&program);
        return;
    }
    if (program.modseq)
        imap_enable_condstore(s);
    struct collector c = {.s = s, .tree = thread_new()};
    if (search_run(s, &program, true, collect, &c)) {
        struct buf out = {0};
        buf_add_str(&out, "* THREAD");
        ALGORITHMS[algorithm].run(c.tree, &out);
        buf_add_str(&out, "\r\n");
        imap_send(s, &out);
        buf_free(&out);
        imap_ok(s, "THREAD completed");
    } else {
        imap_no(s, "[UNAVAILABLE] the server is stopping");
    }
    thread_free(c.tree);
    search_free(&program);
}
