/* cmd_selftest.c - conform selftest: how much of what a target could do wrong the scenarios see. */
#include "conformance/runner/cli.h"
#include "conformance/runner/pool.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct score { size_t finished, all; bool quiet; };

static size_t number(const json_t *o, const char *key)
{
    return (size_t)json_integer_value(json_object_get(o, key));
}

static void progress(void *arg, size_t index, const json_t *result)
{
    struct score *p = arg;
    (void)index;
    p->finished++;
    if (!p->quiet && isatty(2))
        fprintf(stderr, "\r%zu/%zu  %-50.50s%s", p->finished, p->all, json_text(result, "id"),
                p->finished == p->all ? "\r\n" : "");
}

static void print_scenario(const json_t *result, const json_t *test)
{
    size_t changes = number(test, "changes"), noticed = number(test, "noticed"), i;
    json_t *one;
    const char *reason = json_text(test, "reason");
    if (!test)
        printf("%-44s not tried: %s %s\n", json_text(result, "id"), json_text(result, "verdict"),
               json_text(result, "reason"));
    else if (*reason)
        printf("%-44s cannot be replayed: %s\n", json_text(result, "id"), reason);
    else
        printf("%-44s %4zu/%-4zu %5.1f%%\n", json_text(result, "id"), noticed, changes,
               changes ? 100.0 * (double)noticed / (double)changes : 100.0);
    json_array_foreach(json_object_get(test, "missed"), i, one)
        printf("    not noticed: %s: %s (exempt %s)\n", json_text(one, "place"),
               json_text(one, "what"), json_text(one, "kind"));
    if (number(test, "untried"))
        printf("    for want of time %zu were not tried\n", number(test, "untried"));
}

/* The total; the last line ends in the score. */
static double print_total(const json_t *results)
{
    size_t i, changes = 0, noticed = 0, exempt = 0, tested = 0, untested = 0, broken = 0;
    json_t *one;
    json_array_foreach(results, i, one) {
        json_t *test = json_object_get(one, "selftest");
        print_scenario(one, test);
        changes += number(test, "changes");
        noticed += number(test, "noticed");
        exempt += number(test, "exempt");
        broken += *json_text(test, "reason") != 0;
        tested += test && !*json_text(test, "reason");
        untested += !test;
    }
    double score = changes ? 100.0 * (double)noticed / (double)changes : 0;
    printf("%zu scenarios replayed, %zu could not be, %zu did not run or pass; %zu changes exempted\n",
           tested, broken, untested, exempt);
    printf("noticed %zu of %zu changes: %.1f%%\n", noticed, changes, score);
    return score;
}

static int run_all(struct options *o, struct library *l, const struct target *t,
                   struct scenario **v, size_t n)
{
    struct score p = {.all = n, .quiet = o->quiet};
    struct pool_conf conf = {.target = t, .catalogue = &l->catalogue, .scenarios = v, .count = n,
                             .jobs = o->jobs, .done = progress, .arg = &p, .selftest = true};
    struct buf error = {0};
    char *version = NULL;
    json_t *results = pool_run(&conf, &version, &error);
    double score = 0;
    if (!results)
        fprintf(stderr, "conform: %s\n", buf_str(&error));
    else if (o->json)
        json_dumpf(results, stdout, JSON_INDENT(1));
    else
        score = print_total(results);
    int status = !results ? EXIT_HARNESS : o->min && score < o->min ? EXIT_BROKEN : EXIT_FINE;
    json_decref(results);
    buf_free(&error);
    free(version);
    return status;
}

int command_selftest(struct options *o)
{
    struct library l;
    struct diags d = {0};
    struct buf errors = {0};
    int status = EXIT_HARNESS;
    size_t n = 0;
    library_load(&l, o->root, &d);
    add_named_files(o, &l);
    fputs(buf_str(&d.text), stderr);
    struct target *t = target_load(o->target, o->root, o->build, &errors);
    struct scenario **v = library_select(&l, &o->selection, &n);
    library_complaints(&l, v, n);
    if (!t)
        fputs(buf_str(&errors), stderr);
    else if (!t->lab)
        fprintf(stderr, "conform: the self-test needs a target that runs in the lab\n");
    else if (!n)
        fprintf(stderr, "conform: nothing is selected\n");
    else
        status = run_all(o, &l, t, v, n);
    free(v);
    target_free(t);
    library_free(&l);
    buf_free(&errors);
    buf_free(&d.text);
    return status;
}
