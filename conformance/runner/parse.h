/* parse.h - from the lines of a file to scenarios. */
#ifndef RUNNER_PARSE_H
#define RUNNER_PARSE_H

#include "conformance/runner/ast.h"
#include "conformance/runner/source.h"

struct scenarios { struct scenario **v; size_t n; };

/* Parses the scenarios of a loaded source: one, or one a row of its table. `id` is the name of
 * the file below the scenarios' folder, without its ending. They are added to *out even when
 * complaints were made (d->errors). */
void parse_source(const struct source *s, const char *id, struct scenarios *out, struct diags *d);
void scenarios_free(struct scenarios *s);

/* ---- between the parts of the parser ------------------------------------------------------ */

struct parser {
    const struct source *source;
    const struct table_row *row;
    struct scenario *scenario;
    struct diags *diags;
    size_t next;                       /* line to be read */
    size_t repeat_depth;
};

enum { PARSE_REPEAT_MAX = 1000000, PARSE_REPEAT_DEPTH = 4, PARSE_PORT_MAX = 65535,
       PARSE_COPIES_MAX = 1000 };

/* The next line, when it is indented more than `indent`, with parameters put in; else NULL. */
const struct line *parser_line(struct parser *p, int indent);
/* Takes that line. */
struct cursor parser_take(struct parser *p, const struct line *line);
/* Takes tags off the line and adds them to the scenario's. */
void parser_tags(struct parser *p, struct cursor *c, struct ids *ids);

struct server *parser_server(struct parser *p, const char *name);   /* declared before, or NULL */
struct client *parser_client(struct parser *p, const char *name);
struct part *parser_part(struct parser *p, enum part_kind kind, const struct cursor *c);

void parse_server(struct parser *p, struct cursor *c, int indent);
void parse_client(struct parser *p, struct cursor *c, int indent);
bool parse_deliver(struct parser *p, struct cursor *c, int indent);
/* The lines of a dialogue below `indent`. `sender` is 'C' in a client, 'S' in a server. */
void parse_steps(struct parser *p, int indent, enum proto proto, char sender, struct step **steps,
                 size_t *count);
struct expect *parse_expect(struct parser *p, struct cursor *c, enum proto proto, char sender,
                            int indent);
/* A rule of a server: the rest of "on EVENT ...: REACTION, then REACTION". */
struct rule *parse_rule(struct cursor *c, enum proto proto);
/* The text of an answer of a milter, spamd or clamd. */
void parse_filter_answer(struct cursor *c, const char *from, const char *to, enum proto proto,
                         struct text *out);
/* "within 10s mail has ...", "then ...", "and ...", "for 2s ...". False when the line begins with
 * none of what a check can begin with. */
bool parse_check(struct parser *p, struct cursor *c, int indent);
/* zone, dns, host, target */
bool parse_world(struct parser *p, struct cursor *c, int indent);
/* "| text" lines below. */
void parse_body(struct parser *p, int indent, struct text **lines, size_t *count);
/* "fixture NAME" was accepted: the name. "except A, B": header names. */
void parse_except(struct cursor *c, struct ids *out);
bool parse_tls_option(struct cursor *c, struct tls_options *o);
bool parse_endpoint(struct cursor *c, const char **address, int *port);

#endif
