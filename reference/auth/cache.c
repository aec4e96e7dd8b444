/* cache.c - a table of slots, one for each hash. Passwords are kept as a keyed digest only. */
#include "reference/auth/cache.h"

#include "base/mem.h"
#include "base/timing.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>

enum { DIGEST = 32 };

struct slot {
    unsigned char key[DIGEST];
    int64_t until_ms;            /* 0: empty */
    enum auth_status status;
    struct record record;
};

struct cache {
    unsigned char secret[DIGEST];
    int64_t keep_ms;
    size_t n;
    struct slot *slot;
};

struct cache *cache_new(size_t entries, int64_t keep_ms)
{
    struct cache *c = xcalloc(1, sizeof *c);
    c->keep_ms = keep_ms;
    c->n = keep_ms > 0 ? entries : 0;
    c->slot = xcalloc(c->n + 1, sizeof *c->slot);
    if (RAND_bytes(c->secret, sizeof c->secret) != 1)
        die(70, "no random numbers from the system");
    return c;
}

static void clear(struct slot *s)
{
    record_free(&s->record);
    explicit_bzero(s, sizeof *s);
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        clear(&c->slot[i]);
    explicit_bzero(c->secret, sizeof c->secret);
    free(c->slot);
    free(c);
}

/* The slot of a question, and its key: nobody outside can choose two questions of one key. */
static struct slot *slot_of(struct cache *c, const char *address, bool account_only,
                            const char *password, unsigned char key[DIGEST])
{
    struct buf text = {0};
    size_t index;
    buf_reserve(&text, strlen(address) + (password ? strlen(password) : 0) + 8);
    buf_add_byte(&text, (char)('0' + account_only + (password ? 2 : 0)));
    buf_add(&text, address, strlen(address) + 1);
    if (password)
        buf_add_str(&text, password);
    HMAC(EVP_sha256(), c->secret, sizeof c->secret, (const unsigned char *)text.data, text.len, key,
         NULL);
    explicit_bzero(text.data, text.cap);
    buf_free(&text);
    memcpy(&index, key, sizeof index);
    return &c->slot[index % c->n];
}

bool cache_get(struct cache *c, const char *address, bool account_only, const char *password,
               enum auth_status *status, struct record *out)
{
    unsigned char key[DIGEST];
    if (c->n == 0)
        return false;
    struct slot *s = slot_of(c, address, account_only, password, key);
    if (s->until_ms <= mono_ms() || CRYPTO_memcmp(s->key, key, DIGEST) != 0)
        return false;
    *status = s->status;
    record_copy(out, &s->record);
    return true;
}

void cache_put(struct cache *c, const char *address, bool account_only, const char *password,
               enum auth_status status, const struct record *r)
{
    unsigned char key[DIGEST];
    if (c->n == 0 || status == AUTH_TEMPFAIL)
        return;
    struct slot *s = slot_of(c, address, account_only, password, key);
    clear(s);
    memcpy(s->key, key, DIGEST);
    s->until_ms = mono_ms() + c->keep_ms;
    s->status = status;
    record_copy(&s->record, r);
}
