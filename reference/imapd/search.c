/* search.c - SEARCH and UID SEARCH (RFC 9051 6.4.4). */
#include "reference/imapd/search.h"

struct collector {
    struct session *s;
    struct search_result result;
};

static void collect(void *arg, const struct search_hit *hit)
{
    struct collector *c = arg;
    const struct view_message *m = hit->message;
    search_result_add(&c->result, c->s->uid ? m->uid : hit->seq, m->uid, m->modseq);
}

void imap_search(struct session *s, struct args *a)
{
    struct collector c = {.s = s};
    struct search_program program = {0};
    const char *no = NULL;
    unsigned options = 0;
    if (!args_space(a) || !search_return_parse(a, &options) ||
        !search_parse(s, a, &program, &no)) {
        if (no) {
            if (options & RETURN_SAVE)
                uid_set_clear(&s->saved);            /* RFC 9051 6.4.4.1: a NO empties it */
            imap_no(s, "%s", no);
        } else {
            imap_bad_args(s, a);
        }
        search_free(&program);
        return;
    }
    if (program.modseq)
        imap_enable_condstore(s);                    /* RFC 7162 3.1 */
    c.result.with_modseq = program.modseq;
    if (search_run(s, &program, false, collect, &c)) {
        search_answer(s, "SEARCH", options, &c.result);
        imap_ok(s, "SEARCH completed");
    } else {
        imap_no(s, "[UNAVAILABLE] the server is stopping");
    }
    search_result_free(&c.result);
    search_free(&program);
}
