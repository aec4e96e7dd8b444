/* How urgent a message says it is. */
#include "reference/message/priority.h"

#include <criterion/criterion.h>

#define IS(text, p) cr_expect_eq(priority_of(SLICE(text)), p, "%s", text)

Test(priority, of_fields)
{
    IS("", PRIORITY_NORMAL);
    IS("From: a\r\n\r\nPriority: urgent\r\n", PRIORITY_NORMAL);
    IS("From: a\r\nPriority: urgent\r\n\r\n", PRIORITY_URGENT);
    IS("PRIORITY : Non-Urgent\r\n\r\n", PRIORITY_BULK);
    IS("Precedence: list\r\n\r\n", PRIORITY_BULK);
    IS("Precedence: bulk\r\nPriority: normal\r\n\r\n", PRIORITY_NORMAL);
    IS("Priority: urgent\r\nPrecedence: junk\r\n\r\n", PRIORITY_URGENT);
    IS("Precedence: special-delivery\r\nX-Priority: 1\r\nImportance: high\r\n\r\n", PRIORITY_NORMAL);
    IS(":\n:", PRIORITY_NORMAL);
    IS("Precedence: bulk", PRIORITY_BULK);
}
