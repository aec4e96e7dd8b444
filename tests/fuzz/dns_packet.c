/* Hostile octets as a DNS message, over UDP and TCP, through the function that the sockets drive.
 * The first octet picks transport and fault; UPDATEs change the zone for good, so that later inputs
 * meet a zone that earlier ones made (it is loaded anew when it has grown). */
#include "base/mem.h"
#include "dns-sim/sim.h"
#include "dns-sim/zonefile.h"

#include <stdlib.h>

enum { RECORDS_MAX = 500 };

static const char zone_text[] =
    "@ MX 5 mail\n@ MX 10 mail1\nmail A 192.0.2.25\nmail1 AAAA 2001:db8::26\nalias CNAME mail\n"
    "*.wild TXT \"text\"\nsub NS ns.sub\nns.sub A 192.0.2.53\nold DNAME new\nx.new A 192.0.2.4\n"
    "s SRV 0 0 25 mail\nloop CNAME loop\n";

static const char *const faults[] = {
    "* ANY servfail", "* ANY nodata", "* ANY truncate", "* ANY lame", "* ANY wrong-id",
    "* ANY wrong-question", "* ANY short-rdata", "* ANY cut", "* ANY loop", "* ANY garbage",
    "* ANY raw 00", "* ANY raw-exact 00", "* ANY delay 1s", "* ANY authentic", "* ANY close",
};
enum { FAULTS = sizeof faults / sizeof *faults };

static struct dns_sim *sim;

static void load(void)
{
    struct problems problems = {0};
    uint8_t origin[NAME_MAX_LEN];
    if (!name_parse(slice_str("w.test"), NULL, origin))
        abort();
    struct zone *z = zone_read(slice_str(zone_text), "fuzz", origin, true, &problems);
    if (!z)
        die(1, "%s", buf_str(&problems.text));
    sim_put_zone(sim, z);
    buf_free(&problems.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct reply reply;
    struct asker from = {.transport = OVER_UDP};
    struct buf error = {0};
    if (size == 0 || size > MESSAGE_MAX)
        return 0;
    if (!sim) {
        sim = dns_sim_new(&(struct dns_options){.root_nxdomain = true});
        load();
    }
    from.transport = data[0] & 1 ? OVER_TCP : OVER_UDP;
    size_t fault = data[0] >> 1;
    if (fault < FAULTS && !faults_add(&sim->faults, slice_str(faults[fault]), &error))
        die(1, "%s", buf_str(&error));
    bool answered = dns_answer(sim, slice_of(data + 1, size - 1), &from, &reply);
    if (answered && reply.bytes.len > MESSAGE_MAX + 2 && from.transport == OVER_UDP)
        abort();
    faults_clear(&sim->faults, (struct slice){0});

    uint8_t origin[NAME_MAX_LEN];
    name_parse(slice_str("w.test"), NULL, origin);
    if (sim_zone(sim, origin)->records > RECORDS_MAX)
        load();
    return 0;
}
