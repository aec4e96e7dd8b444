#include "reference/policy/verdict.h"

#include <stdarg.h>
#include <stdio.h>

void verdict_set(struct verdict *v, int code, const char *enhanced, const char *rule,
                 const char *clause, const char *fmt, ...)
{
    v->code = code;
    v->enhanced = enhanced;
    v->rule = rule;
    v->clause = clause;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->text, sizeof v->text, fmt, ap);
    va_end(ap);
}
