/* search.h - search programs (RFC 9051 6.4.4 and its extensions), and who uses their results:
 * SEARCH, SORT (RFC 5256, RFC 5957), THREAD (RFC 5256). */
#ifndef REFERENCE_IMAPD_SEARCH_H
#define REFERENCE_IMAPD_SEARCH_H

#include "reference/imapd/session.h"
#include "base/arena.h"
#include "reference/message/summary.h"
#include "reference/store/view.h"

enum {
    SEARCH_KEYS_MAX = 2000,          /* keys of one program */
    SEARCH_TEXTS_MAX = 64,           /* TEXT and BODY among them */
};

enum search_kind {
    KEY_ALL, KEY_AND, KEY_OR,
    KEY_FLAG, KEY_RECENT, KEY_KEYWORD,
    KEY_NUMBERS, KEY_UIDS,
    KEY_LARGER, KEY_SMALLER,
    KEY_BEFORE, KEY_ON, KEY_SINCE,                      /* internal date */
    KEY_OLDER, KEY_YOUNGER,                             /* RFC 5032 */
    KEY_SAVED_BEFORE, KEY_SAVED_ON, KEY_SAVED_SINCE,    /* RFC 8514 */
    KEY_SAVE_DATES,
    KEY_MODSEQ,                                         /* RFC 7162 3.1.5 */
    KEY_EMAILID, KEY_THREADID,                          /* RFC 8474 6 */
    KEY_SENT_BEFORE, KEY_SENT_ON, KEY_SENT_SINCE,
    KEY_SUMMARY,                                        /* a header field that the summary has */
    KEY_HEADER,                                         /* another one */
    KEY_BODY, KEY_TEXT,
};

/* What must be read of a message to know whether it matches; the cheap ones are tried first. */
enum search_cost { COST_VIEW, COST_SUMMARY, COST_HEADER, COST_TEXT };

struct search_key {
    enum search_kind kind;
    bool negated;                    /* NOT, UNSEEN, ... */
    enum search_cost cost;
    uint32_t flag;                   /* KEY_FLAG */
    int bit;                         /* KEY_KEYWORD: -1: no message has it */
    enum summary_field field;        /* KEY_SUMMARY */
    uint64_t number;                 /* sizes, modseq, ids, seconds */
    int32_t day;                     /* dates */
    struct slice name, text;         /* KEY_HEADER; what is looked for, UTF-8 and folded */
    int text_index;                  /* KEY_BODY, KEY_TEXT: from 0 */
    struct uid_set set;              /* KEY_NUMBERS, KEY_UIDS */
    struct search_key *child, *next; /* KEY_AND, KEY_OR: first child */
    struct search_key *made_before;  /* of all keys of the program, for search_free */
};

struct search_program {
    struct search_key *root;         /* a KEY_AND */
    struct search_key *last_made;
    struct arena arena;             /* keys and their text */
    struct search_key *texts[SEARCH_TEXTS_MAX];
    int texts_count, keys_count;
    size_t longest_text;
    bool modseq;                     /* there is a MODSEQ key */
    bool whole_texts;                /* there is a TEXT key */
    enum search_cost cost;
};

/* ---- search_parse.c ------------------------------------------------------------------------ */

/* Reads [CHARSET name] and the keys up to the end of the line. False: *no is the
 * text of a NO when it is not NULL, else args say what is wrong. */
bool search_parse(struct session *s, struct args *a, struct search_program *out, const char **no);
/* The same for SORT and THREAD: the charset stands in front, without the word. */
bool search_parse_with_charset(struct session *s, struct args *a, struct search_program *out,
                               const char **no);
void search_free(struct search_program *p);

/* ---- search_run.c -------------------------------------------------------------------------- */

/* One message that matched. */
struct search_hit {
    const struct view_message *message;
    uint32_t seq;
    const struct summary *summary;   /* NULL unless it was asked for */
};
typedef void search_found(void *arg, const struct search_hit *hit);

/* Calls found for every message that matches, by ascending number. `summaries`: for SORT and
 * THREAD each hit has its summary. False when the session should end (the service stops). */
bool search_run(struct session *s, const struct search_program *p, bool summaries,
                search_found *found, void *arg);

/* ---- search_text.c ------------------------------------------------------------------------- */

/* Looks for all texts of the program in the message; found[i] belongs to p->texts[i]. */
struct text_scan;
struct text_scan *text_scan_new(const struct search_program *p);
const bool *text_scan_message(struct text_scan *t, struct message_text *text);
void text_scan_free(struct text_scan *t);
/* The header of the message, with the empty line; the slice is t's, until the next call. */
struct slice text_scan_header(struct text_scan *t, struct message_text *text);

/* ---- search_return.c ----------------------------------------------------------------------- */

enum search_return {
    RETURN_MIN = 1, RETURN_MAX = 2, RETURN_ALL = 4, RETURN_COUNT = 8, RETURN_SAVE = 16,
    RETURN_GIVEN = 32,               /* the client asked for an ESEARCH response */
};
/* Reads "RETURN (...) " when it is there. */
bool search_return_parse(struct args *a, unsigned *options);

struct search_result {
    uint32_t *numbers;               /* of the messages, as the command wants them: UIDs or not */
    uint32_t *uids;                  /* the same messages */
    uint64_t *modseqs;               /* NULL unless the program has a MODSEQ key */
    size_t count, room;
    bool with_modseq;
};
void search_result_add(struct search_result *r, uint32_t number, uint32_t uid, uint64_t modseq);
void search_result_free(struct search_result *r);
/* The untagged answer: "* word n n n" or ESEARCH as options want, and what SAVE keeps. The
 * numbers are in the order in which they are to be told. */
void search_answer(struct session *s, const char *word, unsigned options, struct search_result *r);

/* ---- commands ------------------------------------------------------------------------------ */

void imap_search(struct session *s, struct args *a);   /* search.c */
void imap_sort(struct session *s, struct args *a);     /* sort.c */
void imap_thread(struct session *s, struct args *a);   /* thread.c */

#endif
