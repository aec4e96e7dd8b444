/* roles.h - the entry point of each role process. The master (main.c) opens the listeners, forks,
 * drops privileges and calls one of these; each returns the process's exit status after SIGTERM. */
#ifndef REFERENCE_ROLES_H
#define REFERENCE_ROLES_H

#include "reference/config.h"

struct role_listener {
    int fd;
    enum service_kind kind;
};

int smtpd_main(const struct config *c, const struct role_listener *l, size_t n);
int queue_main(const struct config *c, const struct role_listener *l,
               size_t n); /* l: wake-up socket */
int mda_main(const struct config *c, const struct role_listener *l, size_t n);
int pop3d_main(const struct config *c, const struct role_listener *l, size_t n);
int imapd_main(const struct config *c, const struct role_listener *l, size_t n);

/* SIGUSR1 tells a role with sessions that its successor serves (a reload): it accepts no more and ends
 * when its sessions have (service_drain).
 * Set by the role's SIGTERM handler (installed by the master after the fork): the role polls
 * roles_stopping() or hands its service to roles_stop_service(). */
struct service;
void roles_stop_service(struct service *s);
bool roles_stopping(void);
/* Readable once the role is to stop, for poll(2) beside a socket. */
int roles_stop_fd(void);
/* Installs the handlers; called once by the master in each new role process. */
void roles_begin(const char *role);

#endif
