/* config_internal.h - between config.c, config_keys.c and config_check.c only. */
#ifndef REFERENCE_CONFIG_INTERNAL_H
#define REFERENCE_CONFIG_INTERNAL_H

#include "reference/config.h"

#include <confuse.h>

/* The keys of `filter NAME { }`, the checks of their values, and reading them. */
extern cfg_opt_t config_filter_keys[];
void config_filters_attach(void);
void config_filters_read(struct config *c, cfg_t *cfg, struct buf *errors);
void config_filters_free(struct config *c);

/* The sections `transport PATTERN { }`. */
extern cfg_opt_t config_transport_keys[];
void config_transports_read(struct config *c, cfg_t *cfg, struct buf *errors);
void config_transports_free(struct config *c);
/* "opportunistic", "none", "require", "verify" */
bool config_parse_relay_tls(const char *word, enum relay_tls *out);

/* Reads the file against the table of keys; NULL with messages in *errors. */
cfg_t *config_keys_load(const char *path, struct buf *errors);

/* The sections accounts NAME { }, and their end (config_accounts.c). */
void config_read_accounts(struct config *c, cfg_t *cfg, struct buf *errors);
void config_free_accounts(struct config *c);
/* A file name as the configuration file means it: relative ones start at its folder. NULL for ""
 * and NULL; malloc'ed. */
char *config_file_name(const struct config *c, const char *name);
struct string_list config_strings(cfg_t *cfg, const char *key);
void config_free_strings(struct string_list *l);

/* Is this (IPv4 or IPv6) address one of this host's? */
bool config_own_address(const struct netaddr *a);

#endif
