/* main.c - demo-page: what `make demo` needs beside a shell. */
#include "conformance/demo/demo.h"
#include "conformance/demo/evening.h"
#include "conformance/demo/hops.h"

#include "base/event.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static int usage(void)
{
    fputs("usage: demo-page note DIR scene|state|result AT yes|no TITLE TEXT\n"
          "       demo-page follow DIR HOST EVENT COUNT MILLISECONDS\n"
          "       demo-page compare DIR SENT GOT\n"
          "       demo-page html DIR ASSETS > PAGE\n"
          "       demo-page visit DIR TITLE WANT CLIENT HELO FROM TO MESSAGE [early|submission]\n"
          "       demo-page await ADDRESS PORT MILLISECONDS\n"
          "       demo-page evening DIR ASSETS > PAGE\n"
          "       demo-page wiretap FILE.pcap\n"
          "       demo-page hops DIR ASSETS > PAGE\n", stderr);
    return 64;
}

/* Adds a line of the demo's own to the story. */
static int note(char **argv)
{
    char *log = xasprintf("%s/demo.jsonl", argv[2]), *name = xasprintf("demo.%s", argv[3]);
    int failed = event_open(log, false, NULL, "demo");
    event(name, EV_STR("at", argv[4]), EV_STR("good", argv[5]), EV_STR("title", argv[6]),
          EV_STR("text", argv[7]));
    free(log);
    free(name);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc == 8 && strcmp(argv[1], "note") == 0)
        return note(argv);
    if (argc == 7 && strcmp(argv[1], "follow") == 0)
        return follow(argv[2], argv[3], argv[4], strtoul(argv[5], NULL, 10), atoll(argv[6]));
    if (argc == 5 && strcmp(argv[1], "compare") == 0)
        return compare(argv[2], argv[3], argv[4]);
    if (argc == 4 && strcmp(argv[1], "html") == 0)
        return page(argv[2], argv[3]);
    if (argc == 4 && strcmp(argv[1], "evening") == 0)
        return evening_page(argv[2], argv[3]);
    if (argc == 3 && strcmp(argv[1], "wiretap") == 0)
        return wiretap(argv[2]);
    if (argc == 4 && strcmp(argv[1], "hops") == 0)
        return hops_page(argv[2], argv[3]);
    if (argc == 5 && strcmp(argv[1], "await") == 0)
        return await(argv[2], (uint16_t)atoi(argv[3]), atoll(argv[4]));
    if ((argc == 10 || argc == 11) && strcmp(argv[1], "visit") == 0)
        return visit(argv[2], &(struct visit){
            .title = argv[3], .want = argv[4], .client = argv[5], .helo = argv[6], .from = argv[7],
            .to = argv[8], .message = argv[9],
            .early = argc == 11 && strcmp(argv[10], "early") == 0,
            .submission = argc == 11 && strcmp(argv[10], "submission") == 0});
    return usage();
}
