/* page.c - the page around the diagram. */
#include "conformance/demo/demo.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/demo/html.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ASSET_MAX ((size_t)1 << 20)

void page_add_asset(struct buf *b, const char *assets, const char *name)
{
    char *path = xasprintf("%s/%s", assets, name);
    if (buf_read_file(b, path, ASSET_MAX) != 0)
        die(1, "%s: %s", path, strerror(errno));
    free(path);
}

void page_begin(struct buf *b, const char *assets, const char *css, const char *title,
                const char *heading, int64_t us)
{
    buf_printf(b, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width\">"
                  "<title>Postroad: %s</title>\n<style>\n", title);
    page_add_asset(b, assets, "page.css");
    if (css)
        page_add_asset(b, assets, css);
    buf_printf(b, "</style></head>\n<body><header><h1>%s</h1><p class=\"when\">", heading);
    buf_add_rfc5322_date(b, us);
    buf_add_str(b, "</p>");
}

static void add_cell(struct buf *b, const char *class, const char *text)
{
    buf_printf(b, "<td class=\"%s\">", class);
    html_add(b, slice_str(text), 0);
    buf_add_str(b, "</td>");
}

/* ms from the sender's acceptance to the mailbox, within the events [from, to). -1: it did not. */
static double travel_ms(const struct events *e, size_t from, size_t to)
{
    int64_t accepted = 0;
    for (size_t i = from; i < to; i++) {
        if (e->v[i].source == LOG_SENDER && strcmp(e->v[i].name, "smtpd.accepted") == 0)
            accepted = e->v[i].us;
        if (e->v[i].source == LOG_MAIL && strcmp(e->v[i].name, "mda.delivered") == 0 && accepted)
            return (double)(e->v[i].us - accepted) / 1000;
    }
    return -1;
}

/* A row for each scene that ended with a comparison. */
static void add_messages(struct buf *b, const struct events *e)
{
    const struct event_line *scene = NULL;
    size_t begin = 0;
    int number = 0;
    buf_add_str(b, "<table class=\"messages\"><thead><tr><th></th><th>Message</th><th>Octets</th>"
                   "<th>Way</th><th>To the mailbox</th><th>Compared with what was sent</th></tr>"
                   "</thead><tbody>");
    for (size_t i = 0; i < e->n; i++) {
        const struct event_line *v = &e->v[i];
        if (v->source != LOG_DEMO)
            continue;
        if (strcmp(v->name, "demo.scene") == 0) {
            scene = v;
            begin = i;
            number++;
            continue;
        }
        int64_t size = event_number(v, "size");
        if (!scene || !json_is_true(json_object_get(v->object, "compared")))
            continue;
        bool good = strcmp(event_text(v, "good"), "yes") == 0;
        double ms = travel_ms(e, begin, i);
        char text[64];
        buf_printf(b, "<tr><td><a href=\"#scene%d\">%d</a></td>", number, number);
        add_cell(b, "what", event_text(scene, "title"));
        snprintf(text, sizeof text, "%lld", (long long)size);
        add_cell(b, "number", text);
        add_cell(b, "way", event_text(v, "path"));
        snprintf(text, sizeof text, ms < 0 ? "never" : ms < 1000 ? "%.0f ms" : "%.1f s",
                 ms < 1000 ? ms : ms / 1000);
        add_cell(b, "number", text);
        buf_printf(b, "<td class=\"%s\">%s ", good ? "yes" : "no", good ? "✓" : "✗");
        html_add(b, slice_str(event_text(v, "title")), 0);
        buf_add_str(b, good ? "<small> but for " : "<small> ");
        html_add(b, slice_str(event_text(v, good ? "added" : "text")), 0);
        buf_add_str(b, "</small></td></tr>");
    }
    buf_add_str(b, "</tbody></table>\n");
}

static void add_card(struct buf *b, const char *number, const char *what)
{
    buf_printf(b, "<div class=\"card\"><b>%s</b>", number);
    html_add(b, slice_str(what), 0);
    buf_add_str(b, "</div>");
}

static void add_cards(struct buf *b, const struct events *e, const struct story *s)
{
    char text[64];
    size_t talks[TALK_DNS + 1] = {0}, delivered = 0;
    for (size_t i = 0; i < s->n; i++)
        talks[s->v[i].kind]++;
    for (size_t i = 0; i < e->n; i++)
        delivered += strcmp(e->v[i].name, "mda.delivered") == 0;
    buf_add_str(b, "<div class=\"cards\">");
    snprintf(text, sizeof text, "%zu", delivered);
    add_card(b, text, "messages in tom's mailbox");
    snprintf(text, sizeof text, "%zu", talks[TALK_SMTP]);
    add_card(b, text, "SMTP conversations");
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->dns.questions);
    add_card(b, text, "questions to the DNS");
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->dns.reverse);
    add_card(b, text, "of them backwards, for a name by its address");
    snprintf(text, sizeof text, "%.1f s", (double)(e->v[e->n - 1].us - s->begin) / 1e6);
    add_card(b, text, "from the first event to the last");
    buf_add_str(b, "</div>\n");
}

/* What the last event of the demo itself says of the whole. */
static void add_verdict(struct buf *b, const struct events *e)
{
    for (size_t i = e->n; i-- > 0;)
        if (strcmp(e->v[i].name, "demo.result") == 0) {
            bool good = strcmp(event_text(&e->v[i], "good"), "yes") == 0;
            buf_printf(b, "<p class=\"verdict %s\">%s ", good ? "yes" : "no", good ? "✓" : "✗");
            html_add(b, slice_str(event_text(&e->v[i], "title")), 0);
            buf_add_str(b, "</p>");
            return;
        }
}

static const char intro[] =
    "<p>jerry@magedu.test writes to tom@hehuan.test. His server asks the DNS who takes the mail of "
    "hehuan.test, goes to the exchanger with the lowest preference, and when that one is off to the "
    "next, which keeps the message until the first is back. Everything here was drawn from the logs "
    "of one run, of real servers on real ports. <b>Click an arrow to read what was said.</b></p>\n";

static const char legend[] =
    "<div class=\"legend\"><span class=\"smtp\">SMTP</span><span class=\"dns\">DNS</span>"
    "<span class=\"lmtp\">LMTP, into the mailbox</span><span class=\"pop3\">POP3</span>"
    "<span class=\"bad\">refused, or put off</span>"
    "<button type=\"button\" id=\"all\">Open all</button></div>\n";

int page(const char *dir, const char *assets)
{
    struct events e;
    struct story s;
    struct buf b = {0};
    events_load(&e, dir);
    if (e.n == 0)
        die(1, "%s: no events in here; was the demo run?", dir);
    story_tell(&s, &e);
    page_begin(&b, assets, NULL, "from jerry to tom", "From jerry to tom", s.begin);
    add_verdict(&b, &e);
    buf_add_str(&b, intro);
    add_cards(&b, &e, &s);
    buf_add_str(&b, "</header>\n<main><h2>The messages</h2>\n");
    add_messages(&b, &e);
    buf_add_str(&b, "<h2>What happened, in the order of time</h2>\n");
    buf_add_str(&b, legend);
    buf_add_str(&b, "<div class=\"diagram\">\n");
    diagram_add(&b, &s);
    buf_add_str(&b, "</div></main>\n<script>\n");
    page_add_asset(&b, assets, "page.js");
    buf_add_str(&b, "</script></body></html>\n");
    bool good = fwrite(b.data, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    buf_free(&b);
    story_free(&s);
    events_free(&e);
    return good ? 0 : 1;
}
