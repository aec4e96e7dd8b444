/* Hostile text as a zone and, its first line, as a control command. */
#include "base/mem.h"
#include "dns-sim/server.h"
#include "dns-sim/zonefile.h"

/* ldns 1.8 loses parts of an IPSECKEY that it refuses. What this program would lose shows as other
 * allocations. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:ldns_str2rdf_ipseckey\nleak:ldns_rdf_new_frm_data\n";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct problems problems = {0};
    struct buf out = {0};
    uint8_t origin[NAME_MAX_LEN];
    name_parse(SLICE("w.test"), NULL, origin);
    zone_free(zone_read(text, "fuzz", origin, false, &problems));
    buf_free(&problems.text);

    ptrdiff_t end = slice_index(text, '\n');
    struct slice line = end < 0 ? text : slice_sub(text, 0, (size_t)end);
    struct slice rest = end < 0 ? slice_of(data, 0) : slice_sub(text, (size_t)end + 1, size);
    struct dns_sim *sim = dns_sim_new(&(struct dns_options){0});
    control_command(sim, SLICE("load w.test"), SLICE("@ MX 5 mail\nmail A 192.0.2.1\n"), &out);
    struct slice word;
    struct slice peek = line;
    /* "zone" reads files of the machine; what it reads is fuzzed above. */
    if (slice_word(&peek, &word) && !slice_eq_str(word, "zone")) {
        control_command(sim, line, rest, &out);
        control_command(sim, SLICE("list w.test"), slice_of(data, 0), &out);
        control_command(sim, SLICE("faults"), slice_of(data, 0), &out);
    }
    dns_sim_free(sim);
    buf_free(&out);
    return 0;
}
