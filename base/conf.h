/* conf.h - reading configuration files (libconfuse) with errors that say file, line and remedy. */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include "base/buf.h"

#include <confuse.h>

/* Reads `path` against `opts`. NULL on any error, with every message in *errors, one a line, as
 * "file:line: what is wrong; what to do" (an unknown key names the nearest known one). The caller
 * frees the result with cfg_free. */
cfg_t *conf_load(cfg_opt_t *opts, const char *path, struct buf *errors);
/* The same over text; `name` stands for the file name in messages. */
cfg_t *conf_load_text(cfg_opt_t *opts, const char *text, const char *name, struct buf *errors);

/* Validators for cfg_set_validate_func(cfg, "section|key", ...): they refuse a value with its
 * place and an example of a good one. */
int conf_check_duration(cfg_t *cfg, cfg_opt_t *opt);   /* parse_duration_ms */
int conf_check_size(cfg_t *cfg, cfg_opt_t *opt);       /* parse_size */
int conf_check_port(cfg_t *cfg, cfg_opt_t *opt);       /* integer 0..65535 */
int conf_check_address(cfg_t *cfg, cfg_opt_t *opt);    /* netaddr_parse */
int conf_check_network(cfg_t *cfg, cfg_opt_t *opt);    /* netblock_parse */

/* The value of a key that conf_check_duration / conf_check_size has passed. */
int64_t conf_duration_ms(cfg_t *cfg, const char *key);
uint64_t conf_size(cfg_t *cfg, const char *key);

#endif
