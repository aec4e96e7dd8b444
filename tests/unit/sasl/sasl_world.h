/* sasl_world.h - accounts with a secret of each form, a SASL server over them, and clients by
 * libgsasl; for the unit tests and the fuzzer of SASL. */
#ifndef TESTS_SASL_WORLD_H
#define TESTS_SASL_WORLD_H

#include "base/mem.h"
#include "reference/auth/sasl_exchange.h"

#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *sasl_domains[] = {"hehuan.test"};
static char *sasl_names[] = {"PLAIN",       "LOGIN",         "CRAM-MD5", "SCRAM-SHA-1",
                                   "SCRAM-SHA-256", "EXTERNAL", "ANONYMOUS"};
static struct config sasl_config;
static struct accounts *sasl_accounts;
static struct sasl_server *sasl_world_server;

/* tom: crypt, tom-pw. plain, scram, scram1: their form, name-pw. locked: {PLAIN}, locked. */
static inline void sasl_world_begin(void)
{
    static char file[] = "/tmp/postroad-sasl-users-XXXXXX";
    char *scram = secret_make("scram-sha-256", "scram-pw");
    char *scram1 = secret_make("scram-sha-1", "scram1-pw");
    struct buf errors = {0};
    strcpy(file + sizeof file - 7, "XXXXXX");
    int fd = mkstemp(file);
    if (fd < 0 ||
        dprintf(fd,
                "tom:$6$rounds=1000$tomsalt$Vie6WoN7b.1ab/OqrNsw9AeuRYL6HCvlLyQI40nH0z5sdAm1IRa2x"
                "7bTYXapY6GVGcxBdTWuTdMURzUOPdzbn/\n"
                "plain:{PLAIN}plain-pw\nscram:%s\nscram1:%s\nlocked:!{PLAIN}locked-pw\n"
                "uni:{PLAIN}I\xc2\xadX \xe2\x85\xa8\n",
                scram, scram1) < 0)
        die(1, "cannot write the users file of the test");
    close(fd);
    sasl_config = (struct config){.local_domains = {sasl_domains, 1},
                                   .users_file = file,
                                   .postmaster = "tom",
                                   .auth_anonymous = "plain",
                                   .auth_mechanisms = {sasl_names, 7}};
    sasl_accounts = accounts_new(&sasl_config, &errors);
    if (errors.len)
        die(1, "%s", buf_str(&errors));
    unlink(file);    /* what was read stays in force */
    sasl_world_server = sasl_server_new(&sasl_config, sasl_accounts);
    free(scram);
    free(scram1);
    buf_free(&errors);
}

static inline void sasl_world_end(void)
{
    sasl_server_free(sasl_world_server);
    accounts_free(sasl_accounts);
}

/* A connection that offers everything. */
static const struct sasl_channel everything = {
    .service = "pop",
    .peer = "192.0.2.1",
    .tls = true,
    .exporter = {"0123456789abcdef0123456789abcdef", 32},
    .unique = {"unique-12byt", 12},
    .external = "tom",
};

/* ---- the exchanges without a process: a sasl_backend --------------------------------------- */

static struct sasl_exchange *memory_exchange;

static enum sasl_status memory_step(void *arg, struct slice response, struct buf *challenge,
                                    struct account *out)
{
    (void)arg;
    enum sasl_status s = sasl_exchange_step(memory_exchange, &response, challenge, out);
    if (s != SASL_CONTINUE) {
        sasl_exchange_free(memory_exchange);
        memory_exchange = NULL;
    }
    return s;
}

static enum sasl_status memory_begin(void *arg, const struct sasl_channel *ch,
                                     const char *mechanism, const struct slice *initial,
                                     struct buf *challenge, struct account *out)
{
    (void)arg;
    *out = (struct account){0};
    memory_exchange = sasl_exchange_new(sasl_world_server, ch, mechanism);
    if (!memory_exchange)
        return SASL_TEMPFAIL;
    enum sasl_status s = sasl_exchange_step(memory_exchange, initial, challenge, out);
    if (s != SASL_CONTINUE) {
        sasl_exchange_free(memory_exchange);
        memory_exchange = NULL;
    }
    return s;
}

static void memory_cancel(void *arg)
{
    (void)arg;
    sasl_exchange_free(memory_exchange);
    memory_exchange = NULL;
}

static const struct sasl_backend memory_backend = {memory_begin, memory_step, memory_cancel, NULL};

#endif
