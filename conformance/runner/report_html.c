/* report_html.c - one self-contained page: the matrix of requirements by targets. The data stand in
 * the page as JSON; the page's own script (report_page.c) draws it. */
#include "conformance/runner/report.h"
#include "conformance/runner/result.h"

#include <stdlib.h>

extern const char report_page_head[], report_page_tail[];

static json_t *requirements_json(const struct catalogue *c)
{
    json_t *all = json_array();
    for (size_t i = 0; i < c->n; i++) {
        const struct requirement *r = &c->v[i];
        json_array_append_new(all, json_pack("{s:s,s:s,s:s,s:s,s:s*,s:s*,s:s*,s:b}", "id", r->id,
            "document", r->document, "section", r->section, "level", r->level_text, "text", r->text,
            "why", r->why, "seen", r->seen, "observable", r->observable));
    }
    return all;
}

/* JSON inside <script>: no "<" may stand there, so that nothing ends the element early. */
static void add_json(struct buf *out, const json_t *data)
{
    char *text = json_dumps(data, JSON_COMPACT | JSON_ENSURE_ASCII);
    for (const char *p = text ? text : "null"; *p; p++) {
        if (*p == '<')
            buf_add_str(out, "\\u003c");
        else
            buf_add_byte(out, *p);
    }
    free(text);
}

void report_html(struct buf *out, const json_t *const *runs, size_t n, const struct catalogue *c)
{
    json_t *data = json_object(), *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append(list, (json_t *)runs[i]);
    json_object_set_new(data, "requirements", requirements_json(c));
    json_object_set_new(data, "runs", list);
    buf_add_str(out, report_page_head);
    add_json(out, data);
    buf_add_str(out, report_page_tail);
    json_decref(data);
}
