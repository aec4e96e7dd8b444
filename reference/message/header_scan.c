/* header_scan.c - what kind of header line is this? */
#include "reference/message/header_scan.h"

/* field-name = 1*ftext: printable ASCII without the colon (RFC 5322 3.6.8). White space before
 * the colon is the obsolete form (4.5), which must be understood. */
static struct slice field_name(struct slice line)
{
    ptrdiff_t colon = slice_index(line, ':');
    if (colon <= 0)
        return slice_of(NULL, 0);
    struct slice name = slice_sub(line, 0, (size_t)colon);
    while (name.n > 0 && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
        name.n--;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] < 33 || name.p[i] > 126)
            return slice_of(NULL, 0);
    return name;
}

enum header_line header_scan_line(struct header_scan *h, struct slice line)
{
    if (line.n == 0)
        return HEADER_END;
    if (h->any_field && (line.p[0] == ' ' || line.p[0] == '\t'))
        return HEADER_FIELD;
    struct slice name = field_name(line);
    if (name.n == 0)
        return HEADER_BROKEN;
    h->any_field = true;
    if (slice_ieq_str(name, "Received"))
        h->received++;
    else if (slice_ieq_str(name, "Date"))
        h->has_date = true;
    else if (slice_ieq_str(name, "Message-ID"))
        h->has_message_id = true;
    return HEADER_FIELD;
}
