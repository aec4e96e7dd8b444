/* control.h - how a lab is talked to while it runs: one request, one answer, each one packet of
 * text on the Unix socket <dir>/control.
 *
 *   state HOST up|down|unreachable|silent|slow [MS]
 *   address HOST ADDRESS
 *   socket FAMILY TYPE             answers with the descriptor attached
 *   hosts                          a line for each: name, state, addresses
 *   stop
 *
 * The answer is "ok", "ok TEXT" or "error TEXT". */
#ifndef LAB_CONTROL_H
#define LAB_CONTROL_H

#include "base/buf.h"

#define CONTROL_MAX 65536 /* octets of a request or an answer */

/* The listening socket at this path. -1 with errno. */
int control_listen(const char *path);
/* Sends a request and reads the answer without its "ok " into *text. When fd is not NULL, *fd
 * gets the descriptor that came with it, or -1. False when the lab answered with an error or
 * cannot be reached; *text then says why. */
bool control_ask(const char *path, const char *request, struct buf *text, int *fd);
/* Reads the request of an accepted connection. False when there is none. */
bool control_read(int connection, struct buf *request);
/* Answers it, with a descriptor when fd >= 0. */
void control_answer(int connection, struct slice text, int fd);

#endif
