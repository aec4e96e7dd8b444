/* diagram.c - the sequence diagram. Each conversation is a row of its own, an SVG picture in the
 * summary of a <details>; the rows together make the lifelines. So the page opens and closes
 * transcripts between the arrows without a script. */
#include "conformance/demo/html.h"

#include <stdio.h>

enum { WIDTH = 1200, FIRST_X = 170, STEP_X = 186, ROW = 60, SMALL_ROW = 40 };

static int x_of(enum party p)
{
    return FIRST_X + STEP_X * (int)p;
}

/* What the rows have in common while they are written. */
struct drawing {
    struct buf *b;
    const struct story *s;
    bool off[PARTIES];         /* taken down at this point */
    int scene;
};

static void text_at(struct drawing *d, double x, double y, const char *anchor, const char *class,
                    const char *text, size_t columns)
{
    buf_printf(d->b, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\" class=\"%s\">", x, y, anchor,
               class);
    html_add(d->b, slice_str(text), columns);
    buf_add_str(d->b, "</text>");
}

static void open_svg(struct drawing *d, int height, const char *title)
{
    buf_printf(d->b, "<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">", WIDTH,
               height, WIDTH, height);
    buf_add_str(d->b, "<title>");
    html_add(d->b, slice_str(title), 0);
    buf_add_str(d->b, "</title>");
    for (int p = 0; p < PARTIES; p++)
        buf_printf(d->b, "<line class=\"life%s\" x1=\"%d\" x2=\"%d\" y1=\"0\" y2=\"%d\"/>",
                   d->off[p] ? " off" : "", x_of(p), x_of(p), height);
}

static const char *kind_class(const struct talk *t)
{
    if (t->failed)
        return "bad";
    switch (t->kind) {
    case TALK_DNS: return "dns";
    case TALK_LMTP: return "lmtp";
    case TALK_POP3: return "pop3";
    case TALK_NOTE: case TALK_RESULT: case TALK_STATE: return "good";
    default: return "smtp";
    }
}

static const char *kind_name(const struct talk *t)
{
    switch (t->kind) {
    case TALK_DNS: return "DNS";
    case TALK_LMTP: return "LMTP";
    case TALK_POP3: return "POP3";
    case TALK_SMTP: return t->from == JERRY ? "submission" : "SMTP";
    default: return "";
    }
}

static void line_with_head(struct drawing *d, const char *class, double x1, double x2, double y)
{
    double back = x2 > x1 ? -8 : 8;
    buf_printf(d->b, "<path class=\"%s\" d=\"M%.0f %.0fH%.0f\"/>", class, x1, y, x2 + back / 2);
    buf_printf(d->b, "<path class=\"head\" d=\"M%.0f %.0fl%.0f -4.5v9z\"/>", x2, y, back);
}

/* There and back between two lifelines. */
static void arrow(struct drawing *d, const struct talk *t)
{
    double a = x_of(t->from), b = x_of(t->to), dir = b > a ? 1 : -1, middle = (a + b) / 2;
    size_t columns = (size_t)((b - a) * dir / 6.2) + 20;
    char label[512];
    snprintf(label, sizeof label, "%s", t->label ? t->label : kind_name(t));
    text_at(d, middle, 17, "middle", "label", label, columns);
    bool no_way = t->failed && t->n == 1; /* not even a connection */
    if (no_way) {
        double x = b - dir * 26;
        buf_printf(d->b, "<path class=\"there\" d=\"M%.0f 25H%.0f\"/>", a + dir * 4, x);
        buf_printf(d->b, "<path class=\"cross\" d=\"M%.0f 19l12 12m0 -12l-12 12\"/>", x - 6);
    } else {
        line_with_head(d, "there", a + dir * 4, b - dir * 3, 25);
        line_with_head(d, "back", b - dir * 4, a + dir * 3, 50);
    }
    if (t->answer)
        text_at(d, middle, 43, "middle", "answer", t->answer, columns);
}

/* Within one host: to its mailbox. */
static void loop(struct drawing *d, const struct talk *t)
{
    double x = x_of(t->from);
    buf_printf(d->b, "<path class=\"there\" d=\"M%.0f 14h22q8 0 8 8v8q0 8 -8 8h-16\"/>", x + 4);
    buf_printf(d->b, "<path class=\"head\" d=\"M%.0f 38l8 -4.5v9z\"/>", x + 3);
    size_t columns = (size_t)((WIDTH - x - 60) / 6.2);
    const char *label = t->label ? t->label : "to the delivery agent";
    text_at(d, x + 44, 22, "start", "label", label, columns);
    if (t->answer)
        text_at(d, x + 44, 38, "start", "answer", t->answer, columns);
}

/* A box on a lifeline. */
static void box(struct drawing *d, const struct talk *t, const char *text)
{
    size_t characters = 0;
    for (const char *p = text; *p; p++)
        characters += (*p & 0xc0) != 0x80;
    if (characters > 100)
        characters = 100;
    double w = (double)characters * 7.2 + 30, x = x_of(t->from) - w / 2;
    if (x + w > WIDTH - 8)
        x = WIDTH - 8 - w;
    buf_printf(d->b, "<rect class=\"box\" x=\"%.0f\" y=\"7\" width=\"%.0f\" height=\"26\" rx=\"13\"/>", x,
               w);
    text_at(d, x + w / 2, 24, "middle", "inbox", text, 100);
}

static void picture(struct drawing *d, const struct talk *t)
{
    struct buf text = {0};
    switch (t->kind) {
    case TALK_NOTE:
        buf_printf(&text, "%s %s", t->failed ? "⏳" : "📬", t->label);
        break;
    case TALK_STATE:
        buf_printf(&text, "%s %s: %s", t->failed ? "▼" : "▲", t->label, t->answer);
        break;
    case TALK_RESULT:
        buf_printf(&text, "%s %s", t->failed ? "✗" : "✓", t->label);
        break;
    case TALK_LMTP:
        loop(d, t);
        return;
    default:
        arrow(d, t);
        return;
    }
    box(d, t, buf_str(&text));
    buf_free(&text);
}

static void transcript(struct drawing *d, const struct talk *t)
{
    static const char *const classes[] = {
        [LINE_ASK] = "ask", [LINE_ANSWER] = "ans", [LINE_REMARK] = "rem"};
    buf_add_str(d->b, "<div class=\"talk\"><div class=\"who\">");
    if (t->from != t->to || t->kind == TALK_LMTP) {
        html_add(d->b, slice_str(party_name(t->from)), 0);
        buf_printf(d->b, " → %s%s%s, %.1f ms",
                   t->kind == TALK_LMTP ? "its delivery agent" : party_name(t->to),
                   t->kind == TALK_DNS ? "" : ", ", t->kind == TALK_DNS ? "" : kind_name(t),
                   (double)(t->end - t->begin) / 1000);
    } else {
        html_add(d->b, slice_str(party_name(t->from)), 0);
    }
    buf_add_str(d->b, "</div><table>");
    for (size_t i = 0; i < t->n; i++) {
        const struct line *l = &t->lines[i];
        bool bad = l->kind == LINE_ANSWER && t->kind != TALK_DNS && l->text[0]
                && strchr("45-", l->text[0]);
        buf_printf(d->b, "<tr class=\"%s%s\"><td>+%.1f ms</td><td>%s</td><td>", classes[l->kind],
                   bad ? " no" : "", (double)(l->us - t->begin) / 1000,
                   l->kind == LINE_ASK ? "▶" : l->kind == LINE_ANSWER ? "◀" : "");
        html_add(d->b, slice_str(l->text), 0);
        buf_add_str(d->b, "</td></tr>");
    }
    if (t->kind == TALK_RESULT || t->kind == TALK_STATE) {
        buf_add_str(d->b, "<tr class=\"rem\"><td></td><td></td><td>");
        html_add(d->b, slice_str(t->answer), 0);
        buf_add_str(d->b, "</td></tr>");
    }
    buf_add_str(d->b, "</table></div>");
}

static void scene(struct drawing *d, const struct talk *t)
{
    buf_printf(d->b, "%s<section id=\"scene%d\"><h3><span>%d</span>", d->scene ? "</section>" : "",
               d->scene + 1, d->scene + 1);
    d->scene++;
    html_add(d->b, slice_str(t->label), 0);
    if (t->answer[0]) {
        buf_add_str(d->b, " <small>");
        html_add(d->b, slice_str(t->answer), 0);
        buf_add_str(d->b, "</small>");
    }
    buf_add_str(d->b, "</h3>");
}

static void row(struct drawing *d, const struct talk *t)
{
    char time[32], title[256];
    bool small = t->kind == TALK_NOTE || t->kind == TALK_STATE || t->kind == TALK_RESULT;
    snprintf(title, sizeof title, "%s to %s: %.180s", party_name(t->from), party_name(t->to),
             t->label ? t->label : kind_name(t));
    snprintf(time, sizeof time, "%.3f s", (double)(t->begin - d->s->begin) / 1e6);
    buf_printf(d->b, "<details class=\"%s\"><summary>", kind_class(t));
    open_svg(d, small ? SMALL_ROW : ROW, title);
    text_at(d, 12, small ? 24 : 29, "start", "time", time, 0);
    if (!small)
        text_at(d, 12, 44, "start", "kind", kind_name(t), 0);
    picture(d, t);
    buf_add_str(d->b, "</svg></summary>");
    transcript(d, t);
    buf_add_str(d->b, "</details>\n");
}

/* The names over the lifelines; they stay in sight. */
static void heads(struct drawing *d)
{
    static const char *const roles[PARTIES] = {
        [JERRY] = "writes", [SENDER] = "jerry's server", [DNS] = "dns-sim",
        [MAIL] = "exchanger, preference 5", [MAIL1] = "exchanger, preference 10", [TOM] = "reads"};
    buf_printf(d->b, "<div class=\"heads\"><svg viewBox=\"0 0 %d 58\" width=\"%d\" height=\"58\">",
               WIDTH, WIDTH);
    for (int p = 0; p < PARTIES; p++) {
        bool person = p == JERRY || p == TOM;
        int x = x_of(p);
        buf_printf(d->b, "<line class=\"life\" x1=\"%d\" x2=\"%d\" y1=\"48\" y2=\"58\"/>", x, x);
        buf_printf(d->b, "<rect class=\"party %s\" x=\"%d\" y=\"6\" width=\"168\" height=\"42\" "
                         "rx=\"%d\"/>", person ? "person" : p == DNS ? "names" : "server", x - 84,
                   person ? 21 : 6);
        text_at(d, x, 24, "middle", "name", party_name(p), 0);
        text_at(d, x, 40, "middle", "role", roles[p], 0);
    }
    buf_add_str(d->b, "</svg></div>\n");
}

void diagram_add(struct buf *b, const struct story *s)
{
    struct drawing d = {.b = b, .s = s};
    heads(&d);
    for (size_t i = 0; i < s->n; i++) {
        const struct talk *t = &s->v[i];
        if (t->kind == TALK_SCENE) {
            scene(&d, t);
            continue;
        }
        if (t->kind == TALK_STATE && !t->failed)
            d.off[t->from] = false;
        row(&d, t);
        if (t->kind == TALK_STATE && t->failed)
            d.off[t->from] = true;
    }
    if (d.scene)
        buf_add_str(b, "</section>");
}
