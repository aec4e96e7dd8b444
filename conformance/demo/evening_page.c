/* evening_page.c - the evening as a picture: a line for each visitor, from the left to the defence
 * that stopped him or into the mailbox, and what the DNS was asked meanwhile. */
#include "conformance/demo/evening.h"

#include "base/mem.h"
#include "base/timing.h"
#include "conformance/demo/demo.h"
#include "conformance/demo/html.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LEFT = 330,              /* where the lines begin; to the left: who it is */
    STEP = 62,               /* from one defence to the next */
    ROW = 30,
    HEAD = 168,              /* above the first line: the names of the defences */
    RIGHT = 200,             /* behind the last defence: the mailbox */
    BAR_MAX = 560,
};

static int layer_count(void)
{
    int n = 0;
    while (evening_layers[n].title)
        n++;
    return n;
}

static int layer_x(int layer) { return LEFT + 40 + layer * STEP; }

static size_t stopped_by(const struct evening *e, int layer)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++)
        n += *e->v[i].rule && evening_layer_of(e->v[i].rule) == layer;
    return n;
}

static void add_text(struct buf *b, int x, int y, const char *class, const char *text,
                     size_t columns)
{
    buf_printf(b, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
    html_add(b, slice_str(text), columns);
    buf_add_str(b, "</text>");
}

/* The defences: a wall each, its name above, and how many it stopped. */
static void add_walls(struct buf *b, const struct evening *e, int height)
{
    for (int i = 0; evening_layers[i].title; i++) {
        int x = layer_x(i);
        size_t n = stopped_by(e, i);
        buf_printf(b, "<g><title>");
        html_add(b, slice_str(evening_layers[i].text), 0);
        buf_printf(b, "</title><line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"wall\"/>"
                      "<text transform=\"translate(%d %d) rotate(-48)\" class=\"layer\">",
                   x, HEAD - 14, x, height - 8, x + 4, HEAD - 46);
        html_add(b, slice_str(evening_layers[i].title), 0);
        buf_printf(b, "</text><circle cx=\"%d\" cy=\"%d\" r=\"13\" class=\"%s\"/>"
                      "<text x=\"%d\" y=\"%d\" class=\"count\">%zu</text></g>\n",
                   x, HEAD - 28, n ? "stopped" : "none", x, HEAD - 24, n);
    }
    buf_printf(b, "<text transform=\"translate(%d %d) rotate(-48)\" class=\"layer\">mailbox</text>",
               layer_x(layer_count()) + 4, HEAD - 46);
}

static void add_row(struct buf *b, const struct caller *c, int y, int walls)
{
    bool arrived = strcmp(c->rule, "mailbox") == 0;
    bool later = c->reply[0] == '4';
    int stop = evening_layer_of(c->rule);
    int end = layer_x(arrived ? walls : stop < 0 ? 0 : stop);
    const char *class = arrived ? "good" : later ? "later" : "bad";
    buf_add_str(b, "<g class=\"row\"><title>");
    html_add(b, slice_str(c->reply), 0);
    buf_add_str(b, "\n");
    html_add(b, slice_str(c->why), 0);
    buf_add_str(b, "</title>");
    add_text(b, 0, y + 4, "who", *c->title ? c->title : "jerry's server", 38);
    add_text(b, LEFT - 12, y + 4, "address", c->client, 0);
    buf_printf(b, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"%s\"/>", LEFT, y, end, y,
               class);
    for (int i = 0; i < walls && layer_x(i) < end; i++)
        buf_printf(b, "<circle cx=\"%d\" cy=\"%d\" r=\"3\" class=\"%s dot\"/>", layer_x(i), y,
                   class);
    if (arrived)
        buf_printf(b, "<path d=\"M%d %d h22 v16 h-22 z m0 0 l11 9 l11 -9\" class=\"letter\"/>", end,
                   y - 8);
    else
        buf_printf(b, "<circle cx=\"%d\" cy=\"%d\" r=\"7\" class=\"%s dot\"/>", end, y, class);
    if (!arrived)
        add_text(b, end + 13, y + 4, "reply", c->reply,
                 (size_t)(layer_x(walls) + RIGHT - end - 13) * 2 / 13);
    buf_add_str(b, "</g>\n");
}

static void add_picture(struct buf *b, const struct evening *e)
{
    int walls = layer_count(), width = layer_x(walls) + RIGHT;
    int height = HEAD + (int)e->n * ROW + 10;
    buf_printf(b, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" role=\"img\" aria-label=\"Who came, and "
                  "which defence stopped whom\">\n", width, height, width);
    add_walls(b, e, height);
    for (size_t i = 0; i < e->n; i++)
        add_row(b, &e->v[i], HEAD + 8 + (int)i * ROW, walls);
    buf_add_str(b, "</svg>\n");
}

/* D32: what the DNS was asked. */
static void add_questions(struct buf *b, const struct evening *e)
{
    static const struct { enum question q; const char *text, *class; } bars[] = {
        {ABOUT_ADDRESS, "backwards: what is this address called? (PTR)", "back"},
        {ABOUT_LISTED_ADDRESS, "is this address on a list? (below bl.test)", "back"},
        {ABOUT_NAME, "forwards: what address has this name? (A, AAAA)", "forth"},
        {ABOUT_EXCHANGER, "forwards: who takes mail for this domain? (MX)", "forth"},
        {ABOUT_LISTED_NAME, "is this name on a list? (below dbl.test)", "name"},
    };
    size_t most = 1, back = e->questions[ABOUT_ADDRESS] + e->questions[ABOUT_LISTED_ADDRESS];
    for (int q = 0; q < QUESTIONS; q++)
        most = e->questions[q] > most ? e->questions[q] : most;
    buf_printf(b, "<h2>What the DNS was asked</h2><p>%zu questions began with an address, %zu with the "
                  "name of a host or a domain that mail goes to, %zu were about names on lists. Every "
                  "client is looked up backwards; only a name that came out of that, or the domain of "
                  "a letter that is sent on, is looked up forwards.</p>\n"
                  "<svg viewBox=\"0 0 960 %d\" width=\"960\" role=\"img\">",
               back, e->questions[ABOUT_NAME] + e->questions[ABOUT_EXCHANGER],
               e->questions[ABOUT_LISTED_NAME], QUESTIONS * 34 + 6);
    for (int i = 0; i < QUESTIONS; i++) {
        size_t n = e->questions[bars[i].q];
        int y = i * 34 + 6, width = (int)(n * BAR_MAX / most);
        add_text(b, 0, y + 16, "who", bars[i].text, 0);
        buf_printf(b, "<rect x=\"330\" y=\"%d\" width=\"%d\" height=\"24\" rx=\"3\" class=\"%s\"/>"
                      "<text x=\"%d\" y=\"%d\" class=\"who\">%zu</text>", y, width, bars[i].class,
                   338 + width, y + 16, n);
    }
    buf_add_str(b, "</svg>\n");
}

static const char intro[] =
    "<p>A server with every defence up, and the visitors of one evening: a line each, in the "
    "order in which they came. A line ends at the defence that stopped it; what it passed before "
    "is a small dot. Everything was drawn from the logs of one run, with the real SpamAssassin "
    "and ClamAV. <b>Point at a line to read the reply and the reason, at a defence to read what "
    "it does.</b></p>\n"
    "<div class=\"legend\"><span class=\"good\">delivered</span>"
    "<span class=\"later\">asked to come again</span><span class=\"bad\">refused</span></div>\n";

int evening_page(const char *dir, const char *assets)
{
    struct evening e;
    struct buf b = {0};
    evening_load(&e, dir);
    if (e.n == 0)
        die(1, "%s: no sessions in here; was the evening run?", dir);
    page_begin(&b, assets, "evening.css", "one evening", "One evening at mail.hehuan.test",
               e.v[0].us);
    buf_printf(&b, "<p class=\"verdict %s\">%s ", e.good ? "yes" : "no", e.good ? "✓" : "✗");
    html_add(&b, slice_str(e.verdict), 0);
    buf_add_str(&b, "</p>");
    buf_add_str(&b, intro);
    buf_add_str(&b, "</header>\n<main>\n");
    add_picture(&b, &e);
    add_questions(&b, &e);
    buf_add_str(&b, "</main></body></html>\n");
    bool good = fwrite(b.data, 1, b.len, stdout) == b.len && fflush(stdout) == 0;
    buf_free(&b);
    evening_free(&e);
    return good ? 0 : 1;
}
