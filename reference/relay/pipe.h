/* pipe.h - mail that a program takes (transport { to = "pipe:..." }). */
#ifndef REFERENCE_RELAY_PIPE_H
#define REFERENCE_RELAY_PIPE_H

#include "reference/relay/client.h"
#include "reference/transport.h"

/* Runs the program once for each of r[0..n) without a final verdict, with the message as its standard
 * input: LF line ends, Return-Path and Delivered-To in front. */
void relay_pipe(const struct config *c, const struct transport *t, const struct relay_message *m,
                struct relay_recipient *r, size_t n);

#endif
