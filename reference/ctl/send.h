/* send.h - a message from standard input into the queue: for `postroad send` and for sendmail. */
#ifndef REFERENCE_CTL_SEND_H
#define REFERENCE_CTL_SEND_H

#include "reference/config.h"
#include "reference/message/dsn.h"

struct submission {
    const char *config;          /* file */
    const char *from;            /* reverse-path, "<>" or "" for none; NULL: the calling user */
    const char *full_name;       /* for From, when the message has none; NULL: without */
    char **to;
    int to_count;
    bool to_from_header;         /* To, Cc and Bcc name more recipients; Bcc goes */
    bool dot_ends;               /* a line of one dot ends the message (sendmail without -i) */
    bool quiet;                  /* the queue id is not printed */
    unsigned notify;             /* enum notify; 0: not given */
    const char *envid;           /* xtext; NULL: none */
    enum dsn_return ret;
};

/* An exit status of sysexits.h; what went wrong is on standard error. */
int ctl_submit(const struct submission *s);

#endif
