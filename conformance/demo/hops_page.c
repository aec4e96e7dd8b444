/* hops_page.c - the picture: a row a letter, from jerry to tom, each wire and each host in the colour of
 * what somebody there could read; below it what passed on each wire. */
#include "conformance/demo/hops.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/demo/demo.h"
#include "conformance/demo/html.h"

#include <stdio.h>

enum { WIDTH = 1180, LEFT = 90, STEP = 250, LINE = 96, HEIGHT = 176, RADIUS = 17 };

static const struct { const char *name, *role; } places[PLACES] = {
    {"jerry", "his own machine"}, {"mail.magedu.test", "jerry's server"},
    {"mail1.hehuan.test", "second exchanger, no TLS"}, {"mail.hehuan.test", "tom's server"},
    {"tom", "his own machine"},
};
static const char *const sight_class[] = {
    [SIGHT_NONE] = "unused", [SIGHT_SEALED] = "sealed", [SIGHT_HEADER] = "header",
    [SIGHT_LETTER] = "clear",
};
static const char *const wire_names[WIRES] = {
    [WIRE_JERRY] = "jerry → his server (submission, RFC 8314)",
    [WIRE_BACKUP] = "his server → mail1.hehuan.test",
    [WIRE_ONWARD] = "mail1.hehuan.test → mail.hehuan.test",
    [WIRE_DIRECT] = "his server → mail.hehuan.test",
    [WIRE_TOM] = "mail.hehuan.test → tom (POP3)",
};
static const int way_there[] = {WIRE_JERRY, WIRE_BACKUP, WIRE_ONWARD, WIRE_DIRECT, WIRE_TOM};

static int place_x(int place) { return LEFT + place * STEP; }

static const char *sight_words(const struct wire_sight *w)
{
    switch (w->sight) {
    case SIGHT_LETTER: return "in clear: all of it can be read";
    case SIGHT_HEADER: return "in clear: header and envelope";
    case SIGHT_SEALED: return w->tls[0] ? "TLS: nothing can be read" : "nothing can be read";
    default: return "";
    }
}

static void add_lock(struct buf *b, int x, int y, bool open)
{
    buf_printf(b, "<path d=\"M%d %d v-5 a5 5 0 0 1 10 0 %s\" class=\"shackle\"/>"
                  "<rect x=\"%d\" y=\"%d\" width=\"16\" height=\"12\" rx=\"2\" class=\"body\"/>",
               x - 5, y - 5, open ? "v1" : "v5", x - 8, y - 5);
}

/* A wire between two places; the direct one goes over the place that it leaves out. */
static void add_wire(struct buf *b, const struct wire_sight *w, int from, int to, int y)
{
    int x1 = place_x(from) + RADIUS + 4, x2 = place_x(to) - RADIUS - 4, top = y - 52;
    bool over = to - from > 1;
    int mid = (x1 + x2) / 2, label = over ? top : y;
    buf_printf(b, "<g class=\"%s\"><title>", sight_class[w->sight]);
    html_add(b, slice_str(w->tls), 0);
    if (over)
        buf_printf(b, "</title><path d=\"M%d %d C%d %d %d %d %d %d\" class=\"wire\"/>", x1, y - 8,
                   x1 + 90, top - 4, x2 - 90, top - 4, x2, y - 8);
    else
        buf_printf(b, "</title><path d=\"M%d %d H%d\" class=\"wire\"/>", x1, y, x2);
    if (w->sight != SIGHT_NONE) {
        buf_printf(b, "<circle cx=\"%d\" cy=\"%d\" r=\"14\" class=\"seal\"/>", mid, label - (over ? 6 : 0));
        add_lock(b, mid, label - (over ? 6 : 0), w->sight != SIGHT_SEALED);
        buf_printf(b, "<text x=\"%d\" y=\"%d\" class=\"sight\">%s</text>", mid,
                   label + (over ? -28 : 32), sight_words(w));
    }
    buf_add_str(b, "</g>\n");
}

static void add_place(struct buf *b, const struct letter *l, int place, int y)
{
    bool person = place == 0 || place == PLACES - 1;
    enum sight sight = person ? SIGHT_NONE : l->disk[place];
    buf_printf(b, "<g class=\"%s\"><circle cx=\"%d\" cy=\"%d\" r=\"%d\" class=\"place%s\"/>"
                  "<text x=\"%d\" y=\"%d\" class=\"place-name\">%s</text>",
               sight_class[sight], place_x(place), y, RADIUS, person ? " person" : "", place_x(place),
               y - RADIUS - 10, places[place].name);
    buf_printf(b, "<text x=\"%d\" y=\"%d\" class=\"role\">%s</text>", place_x(place),
               y + RADIUS + 38, person ? places[place].role
               : sight == SIGHT_LETTER ? "on its disk: all of it"
               : sight == SIGHT_HEADER ? "on its disk: the header"
               : sight == SIGHT_SEALED ? "on its disk: nothing" : "did not see it");
    buf_add_str(b, "</g>\n");
}

static void add_row(struct buf *b, const struct letter *l)
{
    bool direct = l->wire[WIRE_DIRECT].sight != SIGHT_NONE;
    buf_printf(b, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"where it could be "
                  "read\">\n", WIDTH, HEIGHT, WIDTH);
    add_wire(b, &l->wire[WIRE_JERRY], 0, PLACE_SENDER, LINE);
    add_wire(b, &l->wire[WIRE_BACKUP], PLACE_SENDER, PLACE_BACKUP, LINE);
    add_wire(b, &l->wire[WIRE_ONWARD], PLACE_BACKUP, PLACE_MAIL, LINE);
    if (direct)
        add_wire(b, &l->wire[WIRE_DIRECT], PLACE_SENDER, PLACE_MAIL, LINE);
    add_wire(b, &l->wire[WIRE_TOM], PLACE_MAIL, PLACES - 1, LINE);
    for (int p = 0; p < PLACES; p++)
        add_place(b, l, p, LINE);
    buf_add_str(b, "</svg>\n");
}

/* What a listener has of each wire that the letter took. */
static void add_samples(struct buf *b, const struct letter *l)
{
    buf_add_str(b, "<div class=\"samples\">");
    for (size_t i = 0; i < sizeof way_there / sizeof *way_there; i++) {
        const struct wire_sight *w = &l->wire[way_there[i]];
        if (w->sight == SIGHT_NONE)
            continue;
        buf_printf(b, "<figure class=\"%s\"><figcaption>%s<br><small>", sight_class[w->sight],
                   wire_names[way_there[i]]);
        html_add(b, slice_str(w->tls[0] ? w->tls : "no TLS"), 0);
        buf_add_str(b, "</small></figcaption><pre>");
        struct slice rest = slice_of(w->sample.data, w->sample.len), line;
        while (slice_next(&rest, '\n', &line)) {
            html_add(b, line, 0);
            buf_add_byte(b, '\n');
        }
        buf_add_str(b, "</pre></figure>\n");
    }
    buf_add_str(b, "</div>\n");
}

/* RFC 3848: ESMTPS and ESMTPSA say that a hop was protected. */
static void add_trail(struct buf *b, const struct letter *l)
{
    struct slice rest = slice_of(l->trail.data, l->trail.len), line;
    buf_add_str(b, "<p class=\"note\">What the letter itself tells tom about its way, the last hop "
                   "first:</p><ul class=\"trail\">");
    while (slice_next(&rest, '\n', &line)) {
        bool sealed = slice_find(line, SLICE(" with ESMTPS")) >= 0 ||
                      slice_find(line, SLICE(" with UTF8SMTPS")) >= 0;
        buf_printf(b, "<li class=\"%s\">", sealed ? "sealed" : "clear");
        html_add(b, line, 0);
        buf_add_str(b, "</li>\n");
    }
    buf_add_str(b, "</ul>\n");
}

static const char intro[] =
    "<p>A letter passes three servers between jerry and tom, and each hop is protected by itself or "
    "not at all: one server without TLS, and everybody on the wire behind it reads along. TLS on all "
    "hops hides a letter from the wires, not from the servers. Drawn from the packets of one run and "
    "from the files on each host.</p>\n"
    "<div class=\"legend\"><span class=\"clear\">the letter can be read</span><span class=\"header\">"
    "who writes to whom, and the subject</span><span class=\"sealed\">nothing can be read</span></div>\n";

static const char today[] =
    "<h2>What is done about it</h2><p>End to end: S/MIME (RFC 8551) and OpenPGP, as in the second "
    "letter; the header stays open. By hop: demanded TLS, as in the third; REQUIRETLS (RFC 8689) lets "
    "the sender demand it, MTA-STS (RFC 8461) and DANE (RFC 7672) let the recipient's domain say that "
    "it has TLS, so that nobody on the way can talk it away.</p>\n";

int hops_page(const char *dir, const char *assets)
{
    struct hops h;
    struct buf b = {0};
    hops_load(&h, dir);
    if (h.n == 0)
        die(1, "%s: no letters in here; was the story told?", dir);
    page_begin(&b, assets, "hops.css", "where a letter can be read", "Where a letter can be read",
               h.v[0].us);
    buf_printf(&b, "<p class=\"verdict %s\">%s ", h.good ? "yes" : "no", h.good ? "✓" : "✗");
    html_add(&b, slice_str(h.verdict), 0);
    buf_add_str(&b, "</p>");
    buf_add_str(&b, intro);
    buf_add_str(&b, "</header>\n<main>\n");
    for (size_t i = 0; i < h.n; i++) {
        buf_printf(&b, "<section><h2>%zu. ", i + 1);
        html_add(&b, slice_str(h.v[i].title), 0);
        buf_add_str(&b, "</h2><p class=\"note\">");
        html_add(&b, slice_str(h.v[i].text), 0);
        if (*h.v[i].waits) {
            buf_add_str(&b, ". While only mail1 is up, it waits: “");
            html_add(&b, slice_str(h.v[i].waits), 0);
            buf_add_str(&b, "”");
        }
        buf_add_str(&b, "</p>");
        add_row(&b, &h.v[i]);
        add_samples(&b, &h.v[i]);
        add_trail(&b, &h.v[i]);
        buf_add_str(&b, "</section>\n");
    }
    buf_add_str(&b, today);
    buf_add_str(&b, "</main></body></html>\n");
    bool good = fwrite(b.data, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    buf_free(&b);
    hops_free(&h);
    return good ? 0 : 1;
}
