/* Verdicts of the configuration, and their texts filled with what a client and a list may say: the
 * result has no octet that a reply or a header field may not have. */
#include "reference/policy/access_list.h"
#include "reference/policy/action.h"

#include <stdlib.h>

static enum list_answer no(void *arg, const char *pattern)
{
    size_t *patterns = arg;
    if (++*patterns > 200000 || strlen(pattern) > 1300)
        abort();
    return LIST_NO;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size), verdict = {0}, value = {0};
    struct action a;
    const char *why;
    struct buf text = {0};
    slice_next(&rest, '\n', &verdict);
    slice_next(&rest, '\n', &value);
    char *said = slice_dup(value), *second = slice_dup(rest);
    if (action_parse(verdict, &a, &why) && a.text) {
        const struct action_word words[] = {{"client", said}, {"reason", second}, {"name", NULL}, {0}};
        action_text(&text, a.text, words);
        for (size_t i = 0; i < text.len; i++)
            if (text.data[i] < 32 || text.data[i] > 126)
                abort();
    }
    action_free(&a);
    size_t patterns = 0;
    for (int kind = SUBJECT_NAME; kind <= SUBJECT_PAIR; kind++)
        subject_patterns(&(struct subject){(enum subject_kind)kind, NULL, said, second}, no, &patterns);
    buf_free(&text);
    free(said);
    free(second);
    return 0;
}
