/* file.c - a message into a file that is nobody's inbox. */
#include "reference/mda/file.h"

#include "base/mem.h"
#include "reference/mda/as_user.h"
#include "reference/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int give_to_append(void *append, const void *p, size_t n)
{
    return append_write(append, p, n);
}

/* The store makes mailboxes that the group mail may read; this one is its owner's alone. */
static void make_private(const struct mailbox_place *place)
{
    if (place->format == FORMAT_MAILDIR) {
        mkdir(place->path, 0700);
        return;
    }
    int fd = open(place->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

/* 0, or -1 with errno. */
static int append(const struct mailbox_place *place, const char *sender, struct incoming *message)
{
    make_private(place);
    struct append *a = append_begin(place, sender);
    char *field = xasprintf("Return-Path: <%s>\n", sender);
    int result = -1;
    if (a && append_write(a, field, strlen(field)) == 0 &&
        spill_copy(&message->text, give_to_append, a) == 0) {
        result = append_commit(a, NULL);
    } else if (a) {
        int error = errno;
        append_abandon(a);
        errno = error;
    }
    free(field);
    return result;
}

static void tell(struct command_result *result, const char *path, int error)
{
    *result = (struct command_result){.delivered = error == 0, .temporary = error != 0};
    snprintf(result->status, sizeof result->status, "%s",
             error == 0 ? "2.0.0" : error == ENOSPC ? "4.3.1" : error == EDQUOT ? "4.2.2" : "4.2.0");
    snprintf(result->text, sizeof result->text, "%.200s%s%s", path,
             error ? ": cannot be written: " : " has it", error ? strerror(error) : "");
}

void mda_append_file(const struct config *c, const struct account *who, const char *path,
                     const char *sender, struct incoming *message, struct command_result *result)
{
    struct as_user me;
    char *copy = xstrdup(path);
    size_t n = strlen(copy);
    bool folder = copy[n - 1] == '/';
    while (n > 1 && copy[n - 1] == '/')
        copy[--n] = 0;
    char *slash = strrchr(copy, '/');
    struct mailbox_place place = {
        .path = copy, .dir = slash == copy ? xstrdup("/") : slice_dup(slice_of(copy, (size_t)(slash - copy))),
        .user = slash + 1, .format = folder ? FORMAT_MAILDIR : FORMAT_MBOX,
        .uid = -1, .gid = -1, .sync = c->fsync, .hostname = c->hostname};
    int error = 0;
    if (strcmp(path, "/dev/null") != 0) {
        bool other = who->uid >= 0, good = !other || as_user_begin(&me, who->uid, who->gid);
        if (!good || append(&place, sender, message) != 0)
            error = errno;
        if (other && good)
            as_user_end(&me);
    }
    tell(result, path, error);
    free(place.dir);
    free(copy);
}
