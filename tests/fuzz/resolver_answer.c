/* DNS messages of a server that may be anybody. The first octet chooses the question's type. */
#include "reference/resolver/dns.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_MX, DNS_TYPE_PTR,
                                     DNS_TYPE_TXT};
    struct dns_answer a;
    if (n < 3)
        return 0;
    struct dns_question q = {.name = "hehuan.test", .type = types[data[0] % 5],
                             .id = (uint16_t)(data[1] << 8 | data[2])};
    if (dns_read_answer(slice_of(data + 1, n - 1), &q, &a) != READ_ANSWER)
        return 0;
    if ((a.status == DNS_OK) != (a.n > 0) || a.status == DNS_TEMPFAIL)
        abort();
    for (size_t i = 0; i < a.n; i++) {
        bool address = q.type == DNS_TYPE_A || q.type == DNS_TYPE_AAAA;
        if (address ? a.v[i].addr.len == 0 : !a.v[i].text)
            abort();
    }
    dns_answer_free(&a);
    return 0;
}
