/* mailbox_world.h - a mail folder of its own for each test, and shorthands over store.h. */
#ifndef TESTS_UNIT_STORE_MAILBOX_WORLD_H
#define TESTS_UNIT_STORE_MAILBOX_WORLD_H

#include "reference/store/store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char world_dir[64];
static struct config world_config;
static struct mailbox_place world_place;

static inline int world_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static inline void world_end(void)
{
    mailbox_place_free(&world_place);
    if (world_dir[0])
        nftw(world_dir, world_remove, 16, FTW_DEPTH | FTW_PHYS);
    world_dir[0] = 0;
}

static inline void world_begin(enum mailbox_format format)
{
    strcpy(world_dir, "/tmp/store-XXXXXX");
    cr_assert(mkdtemp(world_dir));
    world_config = (struct config){.mail_dir = world_dir, .mailbox_format = format, .fsync = false,
                                   .hostname = (char *)"mail.hehuan.test"};
    cr_assert(mailbox_place_init(&world_place, &world_config, "tom", -1, -1));
}

static inline char *world_path(const char *name)
{
    static char path[4][512];
    static int next;
    next = (next + 1) % 4;
    snprintf(path[next], sizeof path[next], "%s/%s", world_dir, name);
    return path[next];
}

static inline void put_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    cr_assert(f, "%s", path);
    fputs(text, f);
    fclose(f);
}

/* The content of a file; "(none)" when there is none. */
static inline const char *get_file(const char *path)
{
    static struct buf b;
    buf_clear(&b);
    return buf_read_file(&b, path, 1 << 26) < 0 ? "(none)" : buf_str(&b);
}

static inline int deliver(const char *sender, const char *text)
{
    struct append *a = append_begin(&world_place, sender);
    if (!a)
        return -1;
    append_write(a, text, strlen(text));
    return append_commit(a, NULL);
}

/* Message i as on the wire, CRLF line ends; "(gone)" when it cannot be read. */
static inline const char *wire(struct mailbox *m, size_t i)
{
    static struct buf b;
    struct line_piece p;
    buf_clear(&b);
    struct message_reader *r = mailbox_read(m, i);
    if (!r)
        return "(gone)";
    int more;
    while ((more = message_line(r, &p)) == 1) {
        buf_add_slice(&b, p.text);
        if (p.ends)
            buf_add_str(&b, "\r\n");
    }
    cr_assert_eq(more, 0);
    message_reader_free(r);
    cr_assert_eq((int64_t)b.len, mailbox_message(m, i).size, "the size told is the size sent");
    return buf_str(&b);
}

static inline struct mailbox *open_all(void)
{
    struct mailbox *m = mailbox_open(&world_place, true);
    cr_assert(m, "%s", strerror(errno));
    return m;
}

#endif
