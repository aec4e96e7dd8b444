/* SASL exchanges and dialogues with any client: no crash, no log-in without a password, an end
 * after a bounded number of messages. The first octet chooses the mechanism; then come messages, a
 * length octet before each, or by one bit the lines of a whole dialogue. */
#include "tests/unit/sasl/sasl_world.h"

static const char *const mechanisms[] = {
    "PLAIN",    "LOGIN",     "CRAM-MD5",           "SCRAM-SHA-1", "SCRAM-SHA-256",
    "EXTERNAL", "ANONYMOUS", "SCRAM-SHA-256-PLUS",
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* Who may be logged in at the end of this input? Proofs are out of a fuzzer's reach. */
static void check_end(enum sasl_status s, const char *mechanism, const struct account *a,
                      struct slice input)
{
    check((s == SASL_OK) == (a->user != NULL));
    if (s != SASL_OK)
        return;
    bool named = strcmp(mechanism, "EXTERNAL") == 0 || strcmp(mechanism, "ANONYMOUS") == 0;
    check(named || slice_find(input, SLICE("-pw")) >= 0);
    check(strcmp(mechanism, "EXTERNAL") != 0 || strcmp(a->user, "tom") == 0);
    check(strcmp(a->user, "locked") != 0);
}

static void messages(const char *mechanism, bool initial, struct slice in)
{
    struct slice whole = in;
    struct sasl_exchange *e = sasl_exchange_new(sasl_world_server, &everything, mechanism);
    struct buf challenge = {0};
    struct account account = {0};
    enum sasl_status s = SASL_CONTINUE;
    int steps = 0;
    check(e != NULL);
    if (!initial)
        s = sasl_exchange_step(e, NULL, &challenge, &account);
    while (s == SASL_CONTINUE && in.n > 0) {
        size_t n = (unsigned char)in.p[0];
        struct slice message = slice_sub(in, 1, n + 1);
        in = slice_sub(in, n + 1, in.n);
        buf_clear(&challenge);
        account_free(&account);
        s = sasl_exchange_step(e, &message, &challenge, &account);
        check(s == SASL_CONTINUE || challenge.len == 0);
        check(++steps <= SASL_STEPS_MAX + 1);
    }
    check_end(s, mechanism, &account, whole);
    account_free(&account);
    sasl_exchange_free(e);
    buf_free(&challenge);
}

static void lines(const char *mechanism, struct slice in)
{
    struct buf out = {0}, argument = {0};
    struct slice rest = in, first;
    struct account account;
    slice_next(&rest, '\n', &first);
    buf_printf(&argument, "%s%.*s", mechanism, SLICE_ARG(first));
    struct stream *io = stream_new_memory(rest, &out);
    enum sasl_outcome o = sasl_dialogue(io, &sasl_config, &everything, &memory_backend,
                                        buf_slice(&argument), "334 ", &account);
    stream_close(io);
    check(memory_exchange == NULL);
    check((o == SASL_ACCEPTED) == (account.user != NULL));
    check(out.len == 0 || slice_starts(buf_slice(&out), SLICE("334 ")));
    account_free(&account);
    buf_free(&out);
    buf_free(&argument);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!sasl_world_server)
        sasl_world_begin();
    if (size < 1)
        return 0;
    const char *mechanism = mechanisms[data[0] & 7];
    struct slice in = slice_of(data + 1, size - 1);
    if (data[0] & 16)
        lines(mechanism, in);
    else
        messages(mechanism, (data[0] & 8) != 0, in);
    return 0;
}
