/* A line to the auth process, and the same line as its answer to a client: never a crash, an answer
 * is one line that a client understands, and nothing verifies without the right password. */
#include "reference/auth/protocol.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct accounts *world(void)
{
    static char *domains[] = {"hehuan.test"};
    static struct config config = {.local_domains = {domains, 1}, .postmaster = "tom"};
    static struct accounts *accounts;
    if (accounts)
        return accounts;
    static char users[] = "/tmp/postroad-fuzz-users-XXXXXX",
                aliases[] = "/tmp/postroad-fuzz-aliases-XXXXXX";
    struct buf errors = {0};
    int u = mkstemp(users), a = mkstemp(aliases);
    /* A locked account needs no hashing, which would take all the time. */
    if (u < 0 || a < 0 || dprintf(u, "tom:!\nann:!:7:8:/home/ann\n") < 0 ||
        dprintf(a, "staff: tom, ann\nbob: bob, \"ann lee\"@magedu.test\n") < 0)
        die(1, "cannot write the files of the test");
    close(u);
    close(a);
    config.users_file = users;
    config.aliases_file = aliases;
    accounts = accounts_new(&config, &errors);
    /* Kept in memory: the files are not needed again, and what was read stays in force. */
    unlink(users);
    unlink(aliases);
    if (errors.len)
        die(1, "%s", buf_str(&errors));
    return accounts;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf answer = {0};
    struct account account;
    struct slice line = slice_of(data, size > AUTH_REQUEST_MAX ? AUTH_REQUEST_MAX : size);
    bool verify = slice_find(line, SLICE("verify")) >= 0;
    struct sasl_connection c = {0};
    if (auth_answer(world(), &c, line, &answer)) {
        if (slice_index(buf_slice(&answer), '\n') != (ptrdiff_t)answer.len - 1)
            abort();
        enum auth_status s = auth_read_answer(slice_trim(buf_slice(&answer)), &account);
        if (s == AUTH_TEMPFAIL || (verify && slice_find(line, SLICE("lookup")) < 0 && s != AUTH_NO))
            abort();
        account_free(&account);
    } else if (answer.len) {
        abort();
    }
    auth_read_answer(line, &account);
    account_free(&account);
    buf_free(&answer);
    return 0;
}
