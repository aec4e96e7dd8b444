/* sender.h - may this client begin a message? */
#ifndef REFERENCE_POLICY_SENDER_H
#define REFERENCE_POLICY_SENDER_H

#include "reference/config.h"
#include "reference/message/address.h"
#include "reference/policy/verdict.h"

struct sender_check {
    enum service_kind service;
    bool trusted;               /* the client may send anywhere (relay-from) */
};

void policy_sender(const struct sender_check *c, const struct path *from, struct verdict *v);

#endif
