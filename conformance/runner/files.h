/* files.h - finding files, and the messages that scenarios send. */
#ifndef RUNNER_FILES_H
#define RUNNER_FILES_H

#include "base/buf.h"

struct file_list { char **v; size_t n; };

/* Every regular file below the folder whose name ends so, sorted by path; hidden ones left out. */
void list_files(struct file_list *out, const char *folder, const char *ending);
void file_list_free(struct file_list *l);

/* The message of that name: looked for beside the scenario, in <root>/scenarios/messages, and in
 * the project's fixtures/messages. Line ends of *.eml become CRLF; other files are taken as they
 * are. False with the places that were tried in *error. */
bool fixture_load(struct buf *out, const char *name, const char *scenario_file, const char *root,
                  struct buf *error);
/* Makes the folder and those above it. 0, or -1 with errno. */
int make_folders(const char *path);
bool write_file(const char *path, struct slice content);
/* Removes a folder with all in it. */
void remove_tree(const char *path);

#endif
