#include "conformance/runner/filter.h"

#include <stdlib.h>

enum io filter_read(struct filter *f)
{
    buf_clear(&f->line);
    f->event = NULL;
    f->ends = f->has_message = false;
    return f->proto == PROTO_MILTER ? milter_request(f)
         : f->proto == PROTO_SPAMD ? spamd_read(f) : clamd_read(f);
}

void filter_answer(struct filter *f, struct slice text)
{
    if (f->proto == PROTO_MILTER)
        milter_answer(f, text);
    else if (f->proto == PROTO_SPAMD)
        spamd_answer(f, text);
    else
        clamd_answer(f, text);
}

const char *filter_text_ok(enum proto proto, struct slice text)
{
    if (proto == PROTO_MILTER)
        return milter_text_ok(text) ? NULL
            : "a milter answers continue, accept, reject, tempfail, discard, 550 5.7.1 TEXT, add header "
              "NAME: VALUE, insert|change header N NAME: VALUE, delete header N NAME, replace body "
              "TEXT, add|delete recipient <A>, change sender <A>, quarantine TEXT, progress, skip, "
              "OPTNEG [VERSION ACTIONS STEPS]";
    if (proto == PROTO_SPAMD)
        return scan_text_ok(proto, text) ? NULL
            : "spamd answers spam|ham SCORE/THRESHOLD [TEST,TEST], or error NUMBER TEXT";
    return scan_text_ok(proto, text) ? NULL : "clamd answers clean, found NAME, or error TEXT";
}

bool filter_once(const struct filter *f)
{
    return f->proto == PROTO_SPAMD || (f->proto == PROTO_CLAMD && !f->session);
}

void filter_forget(struct filter *f)
{
    for (size_t i = 0; i < f->to_count; i++)
        free(f->to[i]);
    free(f->to);
    free(f->from);
    f->from = NULL;
    f->to = NULL;
    f->to_count = 0;
    buf_clear(&f->content);
}

void filter_free(struct filter *f)
{
    filter_forget(f);
    buf_free(&f->content);
    buf_free(&f->line);
}
