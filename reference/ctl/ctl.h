/* ctl.h - the operator's commands: `postroad check|queue|send|user|domain|alias|explain|stop|reload`. Each gets
 * its own name as argv[0] and returns an exit status of sysexits.h. */
#ifndef REFERENCE_CTL_H
#define REFERENCE_CTL_H

#include "reference/config.h"

#define CTL_DEFAULT_CONFIG "/etc/postroad/postroad.conf"

int ctl_check(int argc, char **argv);
int ctl_queue(int argc, char **argv);
int ctl_send(int argc, char **argv);
int ctl_stats(int argc, char **argv);
int ctl_sendmail(int argc, char **argv);
int ctl_mailq(int argc, char **argv);
int ctl_newaliases(int argc, char **argv);
int ctl_user(int argc, char **argv);
int ctl_domain(int argc, char **argv);
int ctl_alias(int argc, char **argv);
int ctl_explain(int argc, char **argv);
int ctl_stop(int argc, char **argv);
int ctl_reload(int argc, char **argv);

/* ---- shared by the commands ------------------------------------------------------------------ */

/* The usage text of a command of main.c's table, on standard error; returns EX_USAGE. */
int ctl_usage(const char *command);
/* Reads the configuration, or prints what is wrong and exits with EX_CONFIG. */
struct config *ctl_config(const char *path);
/* When root, becomes the user that owns the queue's folders, so that what is written there is the
 * queue's. Exits with a message when that cannot be. */
void ctl_become_queue_user(const struct config *c);
/* "tom" as "tom@<first local domain>", "tom@hehuan.test" as it is; malloc'ed. NULL when it is no
 * address by RFC 5321 4.1.2, with a message on standard error. */
char *ctl_address(const struct config *c, const char *text);
/* "5s", "12m", "3h", "2d" */
void ctl_duration_text(int64_t ms, char out[24]);

/* What was tried for one recipient of a message, out of <spool>/log/<id>: the lines that concern
 * it, oldest first, without the recipient. */
struct attempts { char **v; size_t n; };
void ctl_attempts(const struct config *c, const char *id, const char *recipient,
                  struct attempts *out);
void ctl_attempts_free(struct attempts *a);

/* Says what the rules of policy/ make of a client now, asking the DNS. */
void explain_client(const struct config *c, const struct netaddr *client);
/* The part of explain about the past: prints what the event log has about `wanted` (an address, a
 * queue id, a session number, a client's address). The number of events printed, -1 without log. */
int explain_events(const struct config *c, const char *wanted);
/* ... and about a message in the queue. False when it is not there. */
bool explain_message(const struct config *c, const char *id);
/* Where would this address go? An exit status. */
int explain_address(const struct config *c, const char *address);

#endif
