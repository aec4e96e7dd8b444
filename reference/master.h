/* master.h - the process that starts, watches and stops the roles. Split as follows:
 *   master.c          the loop: signals, deaths, restarts, reload, stop
 *   master_listen.c   sockets, folders and their owners
 *   master_role.c     a new role process: privileges, names, descriptors
 *   sandbox.c         Landlock */
#ifndef REFERENCE_MASTER_H
#define REFERENCE_MASTER_H

#include "reference/roles.h"

enum role { ROLE_AUTH, ROLE_QUEUE, ROLE_MDA, ROLE_SMTPD, ROLE_POP3D, ROLE_IMAPD, ROLES };

const char *role_name(enum role r);

struct open_listener {
    enum role role;
    enum service_kind kind;       /* SERVICE_KINDS for the sockets of auth and queue */
    struct netaddr addr;
    int fd;
};

struct listener_set { struct open_listener *v; size_t n; };

/* Opens what the configuration asks for; sockets that `old` has too are taken over (shared) from
 * there. False with messages in *errors; nothing new is left open then. */
bool listeners_open(const struct config *c, const struct listener_set *old,
                    struct listener_set *out, struct buf *errors);
/* Closes those of `old` that `kept` does not share (kept NULL: all), and frees the array. */
void listeners_close(struct listener_set *old, const struct listener_set *kept);
bool listeners_have(const struct listener_set *l, enum role r);

/* Folders of the spool and the mailboxes with their owners and modes. */
bool master_prepare_folders(const struct config *c, struct buf *errors);
/* The lock that keeps two masters off one spool: <run-directory>/master.pid. The descriptor, or -1
 * with a message. Waits for roles of a dead master to end. */
int master_lock(const struct config *c, struct buf *errors);
/* The process id of the running master, 0 when there is none. */
int master_running_pid(const struct config *c);

/* Forks the role; the master's own descriptors (-1: none) are closed there. The process id, or -1
 * with errno. */
int role_start(enum role r, const struct config *c, const struct listener_set *l, const int own[2]);
/* The users that the configuration names exist. */
bool role_users_exist(const struct config *c, struct buf *errors);

/* Landlock for this process: writes only beneath the folders (NULL-terminated list). False with
 * *why (static) when the kernel cannot. */
bool sandbox_writes(const char *const folders[], const char **why);
/* Would sandbox_writes work? */
bool sandbox_available(const char **why);

/* `postroad serve`: the exit status. ready_fd: gets "ready\n" (-1: none), as standard output does
 * in the foreground. */
int master_serve(const char *config_path, bool foreground, int ready_fd);

#endif
