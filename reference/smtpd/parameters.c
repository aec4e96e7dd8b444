/* parameters.c - the arguments of MAIL and RCPT. */
#include "reference/smtpd/parameters.h"

enum { PARAMETER_ROWS_MAX = 32 };

/* esmtp-param = esmtp-keyword ["=" esmtp-value] */
static bool parse_parameter(struct slice word, struct parameter *out)
{
    ptrdiff_t equals = slice_index(word, '=');
    out->keyword = equals < 0 ? word : slice_sub(word, 0, (size_t)equals);
    out->value = equals < 0 ? slice_of(NULL, 0) : slice_sub(word, (size_t)equals + 1, word.n);
    if (out->keyword.n == 0 || out->keyword.p[0] == '-' || (equals >= 0 && out->value.n == 0))
        return false;
    for (size_t i = 0; i < out->keyword.n; i++) {
        char c = out->keyword.p[i];
        bool let_dig = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!let_dig && c != '-')
            return false;
    }
    for (size_t i = 0; i < out->value.n; i++)
        if (out->value.p[i] == '=' || out->value.p[i] == 127 ||
            (out->value.p[i] < 33 && !(out->value.p[i] & 0x80)))
            return false;
    /* RFC 6533 3: an original recipient may be UTF-8. */
    return text_is_ascii(out->value) || slice_ieq_str(out->keyword, "ORCPT");
}

static bool apply_one(struct session *s, const struct parameter *p,
                      const struct parameter_row *rows, bool *seen)
{
    for (size_t i = 0; rows[i].keyword != NULL && i < PARAMETER_ROWS_MAX; i++) {
        if (!slice_ieq_str(p->keyword, rows[i].keyword))
            continue;
        if (seen[i]) {
            smtpd_refuse(s, 501, "5.5.4", "parameter-twice", "RFC 1870 6, RFC 6152 3",
                         "%s= is given twice", rows[i].keyword);
            return false;
        }
        seen[i] = true;
        return rows[i].handle(s, p->value);
    }
    smtpd_refuse(s, 555, "5.5.4", "parameter-unknown", "RFC 5321 4.1.1.11",
                 "parameter %.*s is not known or was not offered", SLICE_ARG(p->keyword));
    return false;
}

bool smtpd_parameters_apply(struct session *s, struct slice text, const struct parameter_row *rows)
{
    bool seen[PARAMETER_ROWS_MAX] = {0};
    struct slice word;
    struct parameter p;
    while (slice_word(&text, &word)) {
        /* RFC 5321 4.1.1.2: they belong to extensions, and HELO negotiates none. */
        if (!s->extended) {
            smtpd_refuse(s, 555, "5.5.4", "parameter-after-helo", "RFC 5321 4.1.1.2, 4.1.1.11",
                         "parameters need EHLO instead of HELO");
            return false;
        }
        if (!parse_parameter(word, &p)) {
            smtpd_refuse(s, 501, "5.5.4", "parameter-syntax", "RFC 5321 4.1.2",
                         "parameters are KEYWORD or KEYWORD=value, one space between");
            return false;
        }
        if (!apply_one(s, &p, rows, seen))
            return false;
    }
    return true;
}

static void refuse_path(struct session *s, enum address_error err, bool reverse)
{
    const char *enhanced = reverse ? "5.1.7" : "5.1.3"; /* RFC 3463 3.2 */
    switch (err) {
    case ADDRESS_LOCAL_LONG:
        smtpd_refuse(s, 501, enhanced, "local-part-length", "RFC 5321 4.5.3.1.1",
                     "local part is over 64 octets");
        return;
    case ADDRESS_DOMAIN_LONG:
        smtpd_refuse(s, 501, enhanced, "domain-length", "RFC 5321 4.5.3.1.2",
                     "domain is over 255 octets");
        return;
    case ADDRESS_PATH_LONG:
        smtpd_refuse(s, 501, enhanced, "path-length", "RFC 5321 4.5.3.1.3",
                     "path is over 256 octets");
        return;
    default:
        smtpd_refuse(s, 501, enhanced, "path-syntax", "RFC 5321 4.1.2",
                     "address must be <local@domain>, in angle brackets");
        return;
    }
}

bool smtpd_parse_path_argument(struct session *s, struct slice argument, const char *keyword,
                         bool reverse, struct path *out, struct slice *parameters)
{
    if (!slice_istarts(argument, slice_str(keyword))) {
        smtpd_refuse(s, 501, "5.5.4", "argument-syntax",
                     reverse ? "RFC 5321 4.1.1.2" : "RFC 5321 4.1.1.3",
                     "the command is %s %s<address>", reverse ? "MAIL" : "RCPT", keyword);
        return false;
    }
    struct slice text = slice_sub(argument, strlen(keyword), argument.n);
    if (text.n > 0 && text.p[0] == ' ') {
        smtpd_refuse(s, 501, "5.5.4", "space-after-colon", "RFC 5321 3.3",
                     "no space is allowed after %s", keyword);
        return false;
    }
    enum address_error err = path_parse(text, reverse, !reverse, out, parameters);
    if (err == ADDRESS_OK && parameters->n > 0 && parameters->p[0] != ' ') {
        path_free(out);
        err = ADDRESS_SYNTAX;
    }
    if (err != ADDRESS_OK) {
        refuse_path(s, err, reverse);
        return false;
    }
    return true;
}
