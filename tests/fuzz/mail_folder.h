/* mail_folder.h - a mail folder for fuzzers, made once for the process, in memory. */
#ifndef TESTS_FUZZ_MAIL_FOLDER_H
#define TESTS_FUZZ_MAIL_FOLDER_H

#include "reference/store/store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static struct config folder_config;

static void folder_remove(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0)
        perror(folder);
}

/* Makes it on the first call. */
static inline const struct config *folder_open(void)
{
    if (folder[0])
        return &folder_config;
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-XXXXXX" : "/tmp/fuzz-XXXXXX");
    if (!mkdtemp(folder))
        abort();
    atexit(folder_remove);
    folder_config = (struct config){
        .mail_dir = folder, .mailbox_format = FORMAT_MBOX, .hostname = (char *)"mail.hehuan.test",
        .errors = 20, .recipients = 100, .message_size = 100000, .timeout_command = 1000,
        .timeout_pop3 = 1000,
    };
    return &folder_config;
}

/* Makes tom's mbox be this text. */
static inline void folder_put(const void *text, size_t n)
{
    char path[96];
    snprintf(path, sizeof path, "%s/tom", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, n) != (ssize_t)n)
        abort();
    close(fd);
}

#endif
