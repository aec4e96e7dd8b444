/* spool_world.h - a spool in a folder of its own, for one unit test. */
#ifndef TESTS_SPOOL_WORLD_H
#define TESTS_SPOOL_WORLD_H

#include "base/mem.h"
#include "reference/queue/queue.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *local_domain = "hehuan.test";
static struct config config;

static void world_begin(void)
{
    static char spool[32];
    strcpy(spool, "/tmp/postroad-spool-XXXXXX");
    cr_assert(mkdtemp(spool));
    config = (struct config){
        .hostname = "mail.hehuan.test", .spool = spool, .fsync = true,
        .local_domains = {&local_domain, 1}, .retry_min = 1000, .retry_max = 60000,
        .expire = 3600000, .deliveries = 4, .deliveries_per_destination = 2,
    };
    cr_assert_eq(queue_prepare(&config), 0);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void world_end(void)
{
    nftw(config.spool, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* A message in active/; recipients end with NULL. Its id is in e->id. `more` may change the envelope
 * before it is written. */
static inline void put_with(struct envelope *e, const char *from, const char *const *to,
                            const char *text, void (*more)(struct envelope *e))
{
    *e = (struct envelope){.protocol = "ESMTP", .client = "198.51.100.7",
                           .helo = "client.magedu.test", .reverse_path = (char *)from};
    for (; *to; to++)
        envelope_add_recipient(e, slice_str(*to));
    if (more)
        more(e);
    struct queue_writer *w = queue_create(&config, e);
    cr_assert(w);
    cr_assert_eq(queue_write(w, text, strlen(text)), 0);
    cr_assert_eq(queue_commit(w), 0);
    envelope_drop_recipients(e, 0);
    free(e->rcpt);
}

static inline void put(struct envelope *e, const char *from, const char *const *to,
                       const char *text)
{
    put_with(e, from, to, text, NULL);
}

static inline char *file_text(const char *folder, const char *id)
{
    struct buf b = {0};
    char *path = queue_path(&config, folder, id);
    cr_assert_eq(buf_read_file(&b, path, 1 << 24), 0, "%s", path);
    free(path);
    return buf_take(&b);
}

static inline bool exists(const char *folder, const char *id)
{
    char *path = queue_path(&config, folder, id);
    bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

#endif
