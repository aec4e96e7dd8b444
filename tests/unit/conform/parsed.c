#include "tests/unit/conform/parsed.h"

void parse_text(struct parsed *p, const char *text)
{
    *p = (struct parsed){0};
    if (source_text(&p->source, "t.scn", slice_str(text), &p->diags))
        parse_source(&p->source, "t", &p->all, &p->diags);
    p->s = p->all.n ? p->all.v[0] : NULL;
}

void parsed_free(struct parsed *p)
{
    scenarios_free(&p->all);
    source_free(&p->source);
    buf_free(&p->diags.text);
}

char *complaints(const char *text)
{
    struct parsed p;
    parse_text(&p, text);
    char *out = buf_take(&p.diags.text);
    parsed_free(&p);
    return out;
}
