/* idn.c - U-labels to A-labels, by libidn2. */
#include "reference/message/idn.h"

#include "reference/message/dsn.h"

#include <idn2.h>
#include <stdlib.h>

bool buf_add_ascii_domain(struct buf *b, struct slice domain)
{
    if (text_is_ascii(domain)) {
        buf_add_slice(b, domain);
        return true;
    }
    char *name = slice_dup(domain), *ascii = NULL;
    /* RFC 5891 5.3: the client brings the name into normal form (NFC). */
    bool good = strlen(name) == domain.n &&
                idn2_to_ascii_8z(name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK;
    if (good)
        buf_add_str(b, ascii);
    idn2_free(ascii);
    free(name);
    return good;
}
