/* config_internal.h - between config.c, config_keys.c and config_check.c only. */
#ifndef REFERENCE_CONFIG_INTERNAL_H
#define REFERENCE_CONFIG_INTERNAL_H

#include "reference/config.h"

#include <confuse.h>

/* Reads the file against the table of keys; NULL with messages in *errors. */
cfg_t *config_keys_load(const char *path, struct buf *errors);

/* Is this (IPv4 or IPv6) address one of this host's? */
bool config_own_address(const struct netaddr *a);

#endif
