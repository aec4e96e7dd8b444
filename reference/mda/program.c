/* program.c - the message at hand as the input of a program. */
#include "reference/mda/program.h"

#include "base/mem.h"
#include "reference/mda/as_user.h"
#include "reference/mda/file.h"
#include "reference/mda/forward.h"
#include "reference/transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum to_what mda_what_of(const char *local)
{
    return local[0] == '|' ? TO_ALIAS : local[0] == '~' ? TO_FORWARD : TO_MAILBOX;
}

char *mda_commands_item(const char *user)
{
    struct buf item = {0};
    buf_add_str(&item, "\\\"~");
    for (const char *c = user; *c; c++) {
        if (*c == '"' || *c == '\\')
            buf_add_byte(&item, '\\');
        buf_add_byte(&item, *c);
    }
    buf_add_byte(&item, '"');
    return buf_take(&item);
}

static int give(void *fd, const void *p, size_t n)
{
    const char *text = p;
    while (n > 0) {
        ssize_t done = write(*(int *)fd, text, n);
        if (done < 0 && errno != EINTR)
            return -1;
        text += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return 0;
}

/* The message in a file without a name: LF line ends, Return-Path in front. -1: no room. */
static int make_input(const struct config *c, const char *sender, struct incoming *message)
{
    int fd = open(c->mail_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char *field = xasprintf("Return-Path: <%s>\n", sender);
    bool good = fd >= 0 && give(&fd, field, strlen(field)) == 0 &&
                spill_copy(&message->text, give, &fd) == 0;
    free(field);
    if (!good && fd >= 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void run(const struct config *c, const struct account *a, char **words, const char *sender,
                const char *to, struct incoming *message, struct command_result *result)
{
    int input = make_input(c, sender, message);
    if (input < 0) {
        *result = (struct command_result){.temporary = true, .status = "4.3.1",
                                          .text = "no room for the program's input"};
        return;
    }
    bool own = a->uid >= 0 && a->gid >= 0 && may_become_others();
    const char *home = a->home && *a->home ? a->home : "/";
    char *environment[] = {
        "PATH=/usr/bin:/bin", "SHELL=/bin/sh", xasprintf("SENDER=%s", sender),
        xasprintf("RECIPIENT=%s", to), xasprintf("HOME=%s", home), xasprintf("USER=%s", a->user),
        xasprintf("LOGNAME=%s", a->user), NULL};
    program_run(&(struct command_run){.words = words, .environment = environment, .input = input,
                                      .folder = home, .uid = own ? a->uid : -1,
                                      .gid = own ? a->gid : -1,
                                      .timeout_ms = c->timeout_command_run},
                result);
    for (size_t i = 2; environment[i]; i++)
        free(environment[i]);
    close(input);
}

/* `who`: whose rights they have. */
static void run_items(const struct config *c, const struct account *who, char *const *items, size_t n,
                      const char *sender, const char *to, struct incoming *message,
                      struct command_result *result)
{
    *result = (struct command_result){.status = "5.3.0", .text = "there is no command any more"};
    for (size_t i = 0; i < n; i++) {
        char *words[] = {"/bin/sh", "-c", items[i] + 1, NULL};
        if (items[i][0] == '|')
            run(c, who, words, sender, to, message, result);
        else if (items[i][0] == '/')
            mda_append_file(c, who, items[i], sender, message, result);
        else
            continue;
        if (!result->delivered)
            return;
    }
}

void mda_run_alias(const struct config *c, const struct account *alias, const char *sender,
                   const char *to, struct incoming *message, struct command_result *result)
{
    const struct account nobody = {.user = alias->user, .home = "", .uid = -1, .gid = -1};
    run_items(c, &nobody, alias->targets, alias->target_count, sender, to, message, result);
}

void mda_run_forward(const struct config *c, const struct account *a, const char *sender,
                     const char *to, struct incoming *message, struct command_result *result)
{
    struct alias_items items = {0};
    if (forward_read(c, a, &items) == FORWARD_LATER)
        *result = (struct command_result){.temporary = true, .status = "4.3.0",
                                          .text = "the forward file cannot be read now"};
    else
        run_items(c, a, items.v, items.n, sender, to, message, result);
    alias_items_free(&items);
}

void mda_run_program(const struct config *c, const struct account *a, const char *sender,
                     const char *to, struct incoming *message, struct command_result *result)
{
    char **words = transport_words(c->mailbox_program, sender, to);
    if (to[0] == '-' || sender[0] == '-')    /* it would be taken for an option */
        *result = (struct command_result){.status = "5.1.3",
                                          .text = "an address that begins with a hyphen"};
    else
        run(c, a, words, sender, to, message, result);
    transport_words_free(words);
}
