/* search_parse.c - search keys as the client writes them (RFC 9051 6.4.4, 9), into a tree. */
#include "reference/imapd/search.h"

#include "reference/message/decode.h"
#include "reference/message/subject.h"

enum argument { NOTHING, DATE, SIZE, STRING, SECONDS, WORD, SPECIAL };

struct row {
    const char *name;
    enum search_kind kind;
    enum argument argument;
    uint32_t flag;                   /* KEY_FLAG: the flag; KEY_SUMMARY: the field */
    bool negated;
};

static const struct row ROWS[] = {
    {"ALL", KEY_ALL, NOTHING, 0, false},
    {"ANSWERED", KEY_FLAG, NOTHING, FLAG_ANSWERED, false},
    {"DELETED", KEY_FLAG, NOTHING, FLAG_DELETED, false},
    {"DRAFT", KEY_FLAG, NOTHING, FLAG_DRAFT, false},
    {"FLAGGED", KEY_FLAG, NOTHING, FLAG_FLAGGED, false},
    {"SEEN", KEY_FLAG, NOTHING, FLAG_SEEN, false},
    {"UNANSWERED", KEY_FLAG, NOTHING, FLAG_ANSWERED, true},
    {"UNDELETED", KEY_FLAG, NOTHING, FLAG_DELETED, true},
    {"UNDRAFT", KEY_FLAG, NOTHING, FLAG_DRAFT, true},
    {"UNFLAGGED", KEY_FLAG, NOTHING, FLAG_FLAGGED, true},
    {"UNSEEN", KEY_FLAG, NOTHING, FLAG_SEEN, true},
    {"RECENT", KEY_RECENT, NOTHING, 0, false},          /* RFC 3501; gone in RFC 9051 */
    {"OLD", KEY_RECENT, NOTHING, 0, true},
    {"NEW", KEY_AND, SPECIAL, 0, false},
    {"KEYWORD", KEY_KEYWORD, WORD, 0, false},
    {"UNKEYWORD", KEY_KEYWORD, WORD, 0, true},
    {"BEFORE", KEY_BEFORE, DATE, 0, false},
    {"ON", KEY_ON, DATE, 0, false},
    {"SINCE", KEY_SINCE, DATE, 0, false},
    {"SENTBEFORE", KEY_SENT_BEFORE, DATE, 0, false},
    {"SENTON", KEY_SENT_ON, DATE, 0, false},
    {"SENTSINCE", KEY_SENT_SINCE, DATE, 0, false},
    {"SAVEDBEFORE", KEY_SAVED_BEFORE, DATE, 0, false},
    {"SAVEDON", KEY_SAVED_ON, DATE, 0, false},
    {"SAVEDSINCE", KEY_SAVED_SINCE, DATE, 0, false},
    {"SAVEDATESUPPORTED", KEY_SAVE_DATES, NOTHING, 0, false},
    {"OLDER", KEY_OLDER, SECONDS, 0, false},
    {"YOUNGER", KEY_YOUNGER, SECONDS, 0, false},
    {"LARGER", KEY_LARGER, SIZE, 0, false},
    {"SMALLER", KEY_SMALLER, SIZE, 0, false},
    {"FROM", KEY_SUMMARY, STRING, SUMMARY_FROM, false},
    {"TO", KEY_SUMMARY, STRING, SUMMARY_TO, false},
    {"CC", KEY_SUMMARY, STRING, SUMMARY_CC, false},
    {"BCC", KEY_SUMMARY, STRING, SUMMARY_BCC, false},
    {"SUBJECT", KEY_SUMMARY, STRING, SUMMARY_SUBJECT, false},
    {"BODY", KEY_BODY, STRING, 0, false},
    {"TEXT", KEY_TEXT, STRING, 0, false},
    {"EMAILID", KEY_EMAILID, WORD, 0, false},
    {"THREADID", KEY_THREADID, WORD, 0, false},
    {"HEADER", KEY_HEADER, SPECIAL, 0, false},
    {"UID", KEY_UIDS, SPECIAL, 0, false},
    {"MODSEQ", KEY_MODSEQ, SPECIAL, 0, false},
    {"NOT", KEY_AND, SPECIAL, 0, true},
    {"OR", KEY_OR, SPECIAL, 0, false},
};

struct parser {
    struct session *s;
    struct args *a;
    struct search_program *program;
    struct slice charset;            /* of the strings */
    int depth;
};

static struct search_key *parse_key(struct parser *p);

/* NULL when there are too many. */
static struct search_key *new_key(struct parser *p, enum search_kind kind)
{
    if (++p->program->keys_count > SEARCH_KEYS_MAX) {
        args_fail(p->a, "fewer search keys");
        return NULL;
    }
    struct search_key *key = arena_alloc(&p->program->arena, sizeof *key);
    key->kind = kind;
    key->made_before = p->program->last_made;
    p->program->last_made = key;
    key->cost = kind >= KEY_BODY ? COST_TEXT : kind == KEY_HEADER ? COST_HEADER
                : kind >= KEY_SENT_BEFORE ? COST_SUMMARY : COST_VIEW;
    return key;
}

/* Adds a child before the first that costs more, so that the cheap ones are tried first. */
static void add_child(struct search_key *parent, struct search_key *child)
{
    struct search_key **at = &parent->child;
    while (*at && (*at)->cost <= child->cost)
        at = &(*at)->next;
    child->next = *at;
    *at = child;
    if (child->cost > parent->cost)
        parent->cost = child->cost;
}

/* A string in UTF-8, folded: what is compared with. */
static bool parse_text(struct parser *p, struct slice *out)
{
    struct slice text;
    if (!args_astring(p->a, &text))
        return false;
    struct buf utf8 = {0}, folded = {0};
    charset_decode(&utf8, text, p->charset);
    text_fold(&folded, buf_slice(&utf8));
    *out = arena_slice(&p->program->arena, buf_slice(&folded));
    buf_free(&utf8);
    buf_free(&folded);
    return true;
}

static bool add_text(struct parser *p, struct search_key *key)
{
    struct search_program *program = p->program;
    if (program->texts_count == SEARCH_TEXTS_MAX)
        return args_fail(p->a, "fewer TEXT and BODY keys");
    key->text_index = program->texts_count++;
    program->whole_texts = program->whole_texts || key->kind == KEY_TEXT;
    program->texts[key->text_index] = key;
    if (key->text.n > program->longest_text)
        program->longest_text = key->text.n;
    return true;
}

/* RFC 9051 6.4.4, HEADER: a field of the summary when it is one of those, else one to be read. */
static bool parse_header(struct parser *p, struct search_key *key)
{
    struct slice name;
    if (!args_space(p->a) || !args_astring(p->a, &name) || !args_space(p->a) ||
        !parse_text(p, &key->text))
        return false;
    key->name = arena_slice(&p->program->arena, name);
    int field = summary_field_of(name);
    if (field >= 0) {
        key->kind = KEY_SUMMARY;
        key->field = (enum summary_field)field;
        key->cost = COST_SUMMARY;
    }
    return true;
}

/* [SP entry-name SP entry-type-req] SP mod-sequence-valzer (RFC 7162 7); what entry is the same
 * to us. */
static bool parse_modseq(struct parser *p, struct search_key *key)
{
    struct slice entry, type;
    if (!args_space(p->a))
        return false;
    if (args_next_is(p->a, '"')) {
        if (!args_string(p->a, &entry) || !args_space(p->a) || !args_atom(p->a, &type))
            return false;
        if (!slice_istarts(entry, SLICE("/flags/")))
            return args_fail(p->a, "\"/flags/...\"");
        if (!slice_ieq_str(type, "all") && !slice_ieq_str(type, "priv") &&
            !slice_ieq_str(type, "shared"))
            return args_fail(p->a, "all, priv or shared");
        if (!args_space(p->a))
            return false;
    }
    p->program->modseq = true;
    return args_number(p->a, INT64_MAX, &key->number);
}

static void resolve_set(struct parser *p, const struct number_set *set, bool uids,
                        struct uid_set *out)
{
    struct view_session *view = p->s->view;
    if (!set->saved) {
        uint32_t count = view_count(view);
        number_set_resolve(set, uids ? view_uid(view, count) : count, out);
        return;
    }
    for (size_t i = 0; i < p->s->saved.n; i++)
        uid_set_add(out, p->s->saved.v[i].first, p->s->saved.v[i].last);
}

static bool parse_set(struct parser *p, struct search_key *key)
{
    struct number_set set = {0};
    if (key->kind == KEY_UIDS && !args_space(p->a))
        return false;
    bool good = args_sequence_set(p->a, &set);
    if (good) {
        if (set.saved)
            key->kind = KEY_UIDS;    /* RFC 9051 6.4.4.1: UIDs are what was saved */
        resolve_set(p, &set, key->kind == KEY_UIDS, &key->set);
    }
    number_set_free(&set);
    return good;
}

/* "M" and sixteen digits, as FETCH EMAILID tells it; anything else is no message's. */
static uint64_t email_id(struct slice text)
{
    uint64_t id = 0;
    if (text.n != 17 || text.p[0] != 'M')
        return 0;
    for (size_t i = 1; i < text.n; i++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, text.p[i]);
        if (!at || !*at)
            return 0;
        id = id << 4 | (uint64_t)(at - digits);
    }
    return id;
}

static bool parse_word(struct parser *p, struct search_key *key)
{
    struct slice word;
    if (!args_atom(p->a, &word))
        return false;
    if (key->kind == KEY_KEYWORD)
        key->bit = view_keyword_bit(p->s->view, word, false);
    else
        key->number = email_id(word);
    return true;
}

static bool parse_special(struct parser *p, struct search_key *key, const struct row *row)
{
    struct search_key *child;
    switch (row->kind) {
    case KEY_HEADER:
        return parse_header(p, key);
    case KEY_UIDS:
        return parse_set(p, key);
    case KEY_MODSEQ:
        return parse_modseq(p, key);
    case KEY_OR:
        for (int i = 0; i < 2; i++) {
            if (!args_space(p->a) || !(child = parse_key(p)))
                return false;
            add_child(key, child);
        }
        return true;
    default:
        break;
    }
    if (row->negated) {                                 /* NOT */
        if (!args_space(p->a) || !(child = parse_key(p)))
            return false;
        add_child(key, child);
        return true;
    }
    struct search_key *recent = new_key(p, KEY_RECENT), *unseen = new_key(p, KEY_FLAG);
    if (!recent || !unseen)
        return false;
    unseen->flag = FLAG_SEEN;                           /* NEW is RECENT UNSEEN */
    unseen->negated = true;
    add_child(key, recent);
    add_child(key, unseen);
    return true;
}

static bool parse_argument(struct parser *p, struct search_key *key, const struct row *row)
{
    if (row->argument == NOTHING)
        return true;
    if (row->argument == SPECIAL)
        return parse_special(p, key, row);
    if (!args_space(p->a))
        return false;
    switch (row->argument) {
    case DATE:
        return args_date(p->a, &key->day);
    case SIZE:
        return args_number(p->a, INT64_MAX, &key->number);
    case SECONDS:                                       /* RFC 5032 4: nz-number */
        return args_number(p->a, UINT32_MAX, &key->number) &&
               (key->number > 0 || args_fail(p->a, "a number of seconds over 0"));
    case WORD:
        return parse_word(p, key);
    default:
        return parse_text(p, &key->text) && (row->kind < KEY_BODY || add_text(p, key));
    }
}

/* Keys in parentheses, or all of them: AND. */
static struct search_key *parse_list(struct parser *p, bool parentheses)
{
    struct search_key *list = new_key(p, KEY_AND), *child;
    if (!list || (parentheses && !args_char(p->a, '(')))
        return NULL;
    do {
        if (!(child = parse_key(p)))
            return NULL;
        add_child(list, child);
    } while (args_next_is(p->a, ' ') && args_space(p->a));
    if (parentheses && !args_char(p->a, ')'))
        return NULL;
    return list;
}

static struct search_key *parse_row(struct parser *p)
{
    struct slice word;
    if (!args_atom(p->a, &word))
        return NULL;
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        if (!slice_ieq_str(word, ROWS[i].name))
            continue;
        struct search_key *key = new_key(p, ROWS[i].kind);
        if (!key)
            return NULL;
        key->flag = ROWS[i].flag;
        key->field = (enum summary_field)ROWS[i].flag;
        key->negated = ROWS[i].negated;
        return parse_argument(p, key, &ROWS[i]) ? key : NULL;
    }
    args_fail(p->a, "a search key");
    return NULL;
}

static bool begins_set(const struct args *a)
{
    return a->rest.n > 0 && (strchr("123456789*", a->rest.p[0]) != NULL || a->rest.p[0] == '$');
}

static struct search_key *parse_key(struct parser *p)
{
    struct search_key *key;
    if (p->depth == ARGS_DEPTH_MAX) {
        args_fail(p->a, "fewer keys inside each other");
        return NULL;
    }
    p->depth++;
    if (args_next_is(p->a, '(')) {
        key = parse_list(p, true);
    } else if (p->a->status == ARGS_GOOD && begins_set(p->a)) {
        key = new_key(p, KEY_NUMBERS);
        if (key && !parse_set(p, key))
            key = NULL;
    } else {
        key = parse_row(p);
    }
    p->depth--;
    return key;
}

static bool parse_keys(struct parser *p, const char **no)
{
    if (!charset_known(p->charset)) {
        *no = "[BADCHARSET (US-ASCII UTF-8 ISO-8859-1)] charset is not known";
        return false;
    }
    p->program->root = parse_list(p, false);
    if (!p->program->root || !args_end(p->a))
        return false;
    p->program->cost = p->program->root->cost;
    return true;
}

bool search_parse(struct session *s, struct args *a, struct search_program *out, const char **no)
{
    *out = (struct search_program){0};
    struct parser p = {.s = s, .a = a, .program = out};
    *no = NULL;
    if (args_keyword(a, "CHARSET")) {
        /* RFC 6855 3: a mistake after ENABLE UTF8=ACCEPT; IMAP4rev2 allows it (RFC 9051 6.4.4). */
        if (s->utf8 && !s->rev2)
            return args_fail(a, "no CHARSET: UTF8=ACCEPT is enabled");
        if (!args_space(a) || !args_astring(a, &p.charset) || !args_space(a))
            return false;
    }
    return parse_keys(&p, no);
}

bool search_parse_with_charset(struct session *s, struct args *a, struct search_program *out,
                               const char **no)
{
    *out = (struct search_program){0};
    struct parser p = {.s = s, .a = a, .program = out};
    *no = NULL;
    if (!args_astring(a, &p.charset) || !args_space(a))
        return false;
    return parse_keys(&p, no);
}

void search_free(struct search_program *p)
{
    for (struct search_key *key = p->last_made; key; key = key->made_before)
        uid_set_free(&key->set);
    arena_free(&p->arena);
    *p = (struct search_program){0};
}
