/* conform - the conformance harness. docs/conform.1.md */
#include "conformance/runner/cli.h"

#include <signal.h>
#include <stdio.h>

static const struct {
    const char *name;
    int (*run)(struct options *o);
    const char *help;
} commands[] = {
    {"run", command_run_scenarios, "run scenarios against a target"},
    {"list", command_list, "list scenarios, with what they cover"},
    {"lint", command_lint, "look for mistakes in scenarios and requirements"},
    {"coverage", command_coverage, "clauses with a scenario, without; --spec: SPEC.md"},
    {"selftest", command_selftest, "do the scenarios notice a target that does something else?"},
    {"explain", command_explain, "what a clause or scenario asks and what proves it"},
    {"report", command_report, "one page (HTML) of several runs' JSON: requirements by targets"},
    {"lab", command_lab, "a lab with the target in it, and a shell"},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int usage(FILE *out)
{
    fprintf(out, "usage: conform COMMAND [OPTIONS] [SELECTION...]\n\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].help);
    fprintf(out,
            "\nA selection is any number of ids or their beginnings: rfc5321/4.5, D05, smtp,\n"
            "mx/order, a file, tag:NAME, CVE-2023-51764. None: everything.\n\n"
            "  -t, --target NAME|host.conf   what is tested (reference)\n"
            "  -j, --jobs N                  labs side by side\n"
            "  --level L --tag T --name TEXT --subject S   narrow the selection\n"
            "  --repeat N  --shuffle  --seed N  --rerun (what failed last time)  --min N\n"
            "  --fail-on must|should         what makes the exit status 1 (must)\n"
            "  --format term|json|tap|junit|markdown|html   --out FILE\n"
            "  --report FORMAT:FILE          one more report; may be repeated\n"
            "  --artefacts DIR --keep        what is left of each run; of passed ones too\n"
            "  --trace                       each transcript to standard error\n"
            "  --spec                        coverage: SPEC.md instead of the counts\n\n"
            "Exit status: 0 no MUST failed, 1 some did, 2 the harness or its usage.\n");
    return out == stdout ? EXIT_FINE : EXIT_HARNESS;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
        return usage(stdout);
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        struct options o;
        if (!options_read(&o, argc - 1, argv + 1))
            return usage(stderr);
        int status = commands[i].run(&o);
        options_free(&o);
        return status;
    }
    fprintf(stderr, "conform: \"%s\" is no command\n\n", argv[1]);
    return usage(stderr);
}
