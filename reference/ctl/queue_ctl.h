/* queue_ctl.h - between queue_ctl.c and queue_show.c: the actions of `postroad queue`. All return
 * an exit status of sysexits.h and print what went wrong. */
#ifndef REFERENCE_CTL_QUEUE_CTL_H
#define REFERENCE_CTL_QUEUE_CTL_H

#include "reference/ctl/ctl.h"
#include "reference/queue/queue.h"

int queue_ctl_list(const struct config *c, bool json);
int queue_ctl_show(const struct config *c, const char *id, bool json);
/* act on every message of a folder */
int queue_ctl_each(const struct config *c, const char *folder,
                   int (*act)(const struct config *c, const char *id));

#endif
