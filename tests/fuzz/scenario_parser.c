/* Any text is parsed as a scenario, with its table, without a crash, a leak or a hang. */
#include "conformance/runner/lint.h"
#include "conformance/runner/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {0};
    struct scenarios all = {0};
    struct diags d = {0};
    struct catalogue none = {0};
    if (source_text(&source, "fuzz.scn", slice_of(data, size), &d))
        parse_source(&source, "fuzz", &all, &d);
    catalogue_finish(&none, &d);
    for (size_t i = 0; i < all.n; i++)
        if (!all.v[i]->broken)
            lint_scenario(all.v[i], &none, "/nonexistent", &d);
    scenarios_free(&all);
    source_free(&source);
    catalogue_free(&none);
    buf_free(&d.text);
    return 0;
}
