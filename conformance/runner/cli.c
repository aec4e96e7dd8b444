#include "conformance/runner/cli.h"

#include "base/mem.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OPT_LEVEL = 256, OPT_TAG, OPT_NAME, OPT_REPEAT, OPT_SHUFFLE, OPT_SEED, OPT_TRACE, OPT_RERUN,
       OPT_MIN, OPT_FAIL_ON, OPT_FORMAT, OPT_REPORT, OPT_ROOT, OPT_BUILD, OPT_ARTEFACTS, OPT_KEEP,
       OPT_JSON, OPT_SUBJECT, OPT_SPEC, OPT_STOP_AFTER };
enum { JOBS_A_CORE = 4, JOBS_USUAL = 16 };

static const struct option long_options[] = {
    {"target", required_argument, NULL, 't'}, {"jobs", required_argument, NULL, 'j'},
    {"level", required_argument, NULL, OPT_LEVEL}, {"tag", required_argument, NULL, OPT_TAG},
    {"name", required_argument, NULL, OPT_NAME}, {"subject", required_argument, NULL, OPT_SUBJECT},
    {"repeat", required_argument, NULL, OPT_REPEAT}, {"shuffle", no_argument, NULL, OPT_SHUFFLE},
    {"seed", required_argument, NULL, OPT_SEED}, {"trace", no_argument, NULL, OPT_TRACE},
    {"rerun", no_argument, NULL, OPT_RERUN}, {"min", required_argument, NULL, OPT_MIN},
    {"fail-on", required_argument, NULL, OPT_FAIL_ON}, {"format", required_argument, NULL, OPT_FORMAT},
    {"report", required_argument, NULL, OPT_REPORT}, {"out", required_argument, NULL, 'o'},
    {"root", required_argument, NULL, OPT_ROOT}, {"build", required_argument, NULL, OPT_BUILD},
    {"artefacts", required_argument, NULL, OPT_ARTEFACTS}, {"keep", no_argument, NULL, OPT_KEEP},
    {"json", no_argument, NULL, OPT_JSON}, {"quiet", no_argument, NULL, 'q'},
    {"spec", no_argument, NULL, OPT_SPEC}, {"stop-after", required_argument, NULL, OPT_STOP_AFTER},
    {"verbose", no_argument, NULL, 'v'}, {NULL, 0, NULL, 0}};

static bool number(const char *name, const char *value, uint64_t max, uint64_t *out)
{
    if (slice_number(slice_str(value), max, out))
        return true;
    fprintf(stderr, "conform: --%s takes a number of at most %llu, not \"%s\"\n", name,
            (unsigned long long)max, value);
    return false;
}

static bool level_option(struct options *o, const char *value)
{
    static const struct { const char *name; enum level level; } levels[] = {
        {"MUST", LEVEL_MUST}, {"SHOULD", LEVEL_SHOULD}, {"MAY", LEVEL_MAY}};
    for (size_t i = 0; i < 3; i++)
        if (slice_ieq_str(slice_str(value), levels[i].name)) {
            o->selection.level = levels[i].level;
            return true;
        }
    fprintf(stderr, "conform: --level is MUST, SHOULD or MAY, not \"%s\"\n", value);
    return false;
}

static void add(const char ***v, size_t *n, const char *s)
{
    *v = xreallocarray(*v, *n + 1, sizeof **v);
    (*v)[(*n)++] = s;
}

static bool one_option(struct options *o, int c)
{
    uint64_t n = 0;
    bool ok = true;
    switch (c) {
    case 't': o->target = optarg; break;
    case 'j': ok = number("jobs", optarg, 64, &n); o->jobs = (int)n; break;
    case 'o': o->out = optarg; break;
    case 'q': o->quiet = true; break;
    case 'v': o->verbose = true; break;
    case OPT_LEVEL: return level_option(o, optarg);
    case OPT_TAG: add(&o->selection.tags, &o->selection.tag_count, optarg); break;
    case OPT_SUBJECT: add(&o->selection.words, &o->selection.word_count, optarg); break;
    case OPT_NAME: o->selection.name = optarg; break;
    case OPT_REPEAT: ok = number("repeat", optarg, 10000, &n); o->repeat = (int)n; break;
    case OPT_SHUFFLE: o->shuffle = true; break;
    case OPT_SEED: ok = number("seed", optarg, UINT32_MAX, &n); o->seed = (unsigned)n; break;
    case OPT_TRACE: o->trace = true; break;
    case OPT_RERUN: o->rerun = true; break;
    case OPT_MIN: ok = number("min", optarg, 1000000, &n); o->min = (int)n; break;
    case OPT_STOP_AFTER: ok = number("stop-after", optarg, 1000000, &n); o->stop_after = (int)n; break;
    case OPT_FAIL_ON:
        o->fail_on_should = strcmp(optarg, "should") == 0;
        ok = o->fail_on_should || strcmp(optarg, "must") == 0;
        if (!ok)
            fprintf(stderr, "conform: --fail-on is must or should\n");
        break;
    case OPT_FORMAT: o->format = optarg; break;
    case OPT_REPORT: add(&o->reports, &o->report_count, optarg); break;
    case OPT_ROOT: free(o->root); o->root = xstrdup(optarg); break;
    case OPT_BUILD: free(o->build); o->build = xstrdup(optarg); break;
    case OPT_ARTEFACTS: o->artefacts = optarg; break;
    case OPT_KEEP: o->keep = true; break;
    case OPT_JSON: o->json = true; break;
    case OPT_SPEC: o->spec = true; break;
    default: return false;
    }
    return ok;
}

/* conformance/ and build/ beside the program: build/bin/conform, build/NAME/bin/conform. */
static void find_places(struct options *o)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0)
        n = 0;
    self[n] = 0;
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(self, '/');
        if (slash)
            *slash = 0;
    }
    if (!o->build)
        o->build = xstrdup(self);
    char *base = xstrdup(self);
    while (!o->root && strchr(base, '/')) {
        char *try = xasprintf("%s/conformance", base), *probe = xasprintf("%s/scenarios", try);
        if (access(probe, R_OK) == 0)
            o->root = xstrdup(try);
        free(try);
        free(probe);
        *strrchr(base, '/') = 0;
    }
    free(base);
    if (!o->root)
        o->root = xstrdup("conformance");
}

bool options_read(struct options *o, int argc, char **argv)
{
    int c;
    /* Scenarios mostly wait, so several labs share a processor. */
    long jobs = sysconf(_SC_NPROCESSORS_ONLN) * JOBS_A_CORE;
    *o = (struct options){.target = "reference", .repeat = 1, .jobs = jobs > JOBS_USUAL ? JOBS_USUAL : (int)jobs,
                          .format = "term", .seed = 1};
    while ((c = getopt_long(argc, argv, "t:j:o:qv", long_options, NULL)) != -1)
        if (!one_option(o, c))
            return false;
    for (int i = optind; i < argc; i++)
        add(&o->selection.words, &o->selection.word_count, argv[i]);
    find_places(o);
    return true;
}

void options_free(struct options *o)
{
    free(o->root);
    free(o->build);
    free(o->selection.words);
    free(o->selection.tags);
    free(o->reports);
}
