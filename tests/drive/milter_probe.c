/* A milter on libmilter that does what it was told and writes down what it hears.
 *
 *   milter_probe SOCKET LOG [step=action]...
 *
 * Steps: connect helo mail rcpt data header eoh body eom. Actions: reject, tempfail, accept, discard,
 * skip, reply:CODE:ENHANCED:TEXT, and at eom, before the milter's verdict: add:NAME:VALUE,
 * insert:INDEX:NAME:VALUE, change:INDEX:NAME:VALUE, from:ADDRESS, addrcpt:ADDRESS, delrcpt:ADDRESS,
 * body:TEXT, quarantine:WHY, progress, sleep:SECONDS. rcpt may say "rcpt@ADDRESS=action". */
#include <libmilter/mfapi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *heard;
static char **rules;
static int rule_count;

static void hear(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(heard, fmt, ap);
    va_end(ap);
    fputc('\n', heard);
    fflush(heard);
}

static sfsistat act(SMFICTX *ctx, const char *action)
{
    char text[1000], *part[4] = {text, "", "", ""};
    snprintf(text, sizeof text, "%s", action);
    for (int i = 1; i < 4; i++) {
        char *colon = strchr(part[i - 1], ':');
        if (!colon)
            break;
        *colon = 0;
        part[i] = colon + 1;
    }
    if (!strcmp(text, "reject")) return SMFIS_REJECT;
    if (!strcmp(text, "tempfail")) return SMFIS_TEMPFAIL;
    if (!strcmp(text, "accept")) return SMFIS_ACCEPT;
    if (!strcmp(text, "discard")) return SMFIS_DISCARD;
    if (!strcmp(text, "skip")) return SMFIS_SKIP;
    if (!strcmp(text, "reply")) {
        smfi_setreply(ctx, part[1], part[2][0] ? part[2] : NULL, part[3]);
        return part[1][0] == '4' ? SMFIS_TEMPFAIL : SMFIS_REJECT;
    }
    if (!strcmp(text, "add")) smfi_addheader(ctx, part[1], part[2]);
    else if (!strcmp(text, "insert")) smfi_insheader(ctx, atoi(part[1]), part[2], part[3]);
    else if (!strcmp(text, "change"))
        smfi_chgheader(ctx, part[2], atoi(part[1]), part[3][0] ? part[3] : NULL);
    else if (!strcmp(text, "from")) smfi_chgfrom(ctx, part[1], NULL);
    else if (!strcmp(text, "addrcpt")) smfi_addrcpt(ctx, part[1]);
    else if (!strcmp(text, "delrcpt")) smfi_delrcpt(ctx, part[1]);
    else if (!strcmp(text, "body"))
        smfi_replacebody(ctx, (unsigned char *)part[1], (int)strlen(part[1]));
    else if (!strcmp(text, "quarantine")) smfi_quarantine(ctx, part[1]);
    else if (!strcmp(text, "progress")) smfi_progress(ctx);
    else if (!strcmp(text, "sleep")) sleep((unsigned)atoi(part[1]));
    return SMFIS_CONTINUE;
}

/* Does every action of the step, in order; the last verdict counts. */
static sfsistat step(SMFICTX *ctx, const char *name)
{
    sfsistat verdict = SMFIS_CONTINUE;
    size_t n = strlen(name);
    for (int i = 0; i < rule_count; i++) {
        if (strncmp(rules[i], name, n) != 0 || rules[i][n] != '=')
            continue;
        sfsistat v = act(ctx, rules[i] + n + 1);
        if (v != SMFIS_CONTINUE)
            verdict = v;
    }
    return verdict;
}

static const char *macro(SMFICTX *ctx, char *name)
{
    const char *value = smfi_getsymval(ctx, name);
    return value ? value : "-";
}

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *a)
{
    hear("connect %s family=%d j=%s addr=%s", host, a ? a->sa_family : 0, macro(ctx, "j"),
         macro(ctx, "{client_addr}"));
    return step(ctx, "connect");
}
static sfsistat on_helo(SMFICTX *ctx, char *name)
{
    hear("helo %s tls=%s", name, macro(ctx, "{tls_version}"));
    return step(ctx, "helo");
}
static sfsistat on_mail(SMFICTX *ctx, char **args)
{
    hear("mail %s %s auth=%s", args[0], args[1] ? args[1] : "-", macro(ctx, "{auth_authen}"));
    return step(ctx, "mail");
}
static sfsistat on_rcpt(SMFICTX *ctx, char **args)
{
    char name[300];
    hear("rcpt %s addr=%s", args[0], macro(ctx, "{rcpt_addr}"));
    snprintf(name, sizeof name, "rcpt@%s", args[0]);
    sfsistat v = step(ctx, name);
    return v == SMFIS_CONTINUE ? step(ctx, "rcpt") : v;
}
static sfsistat on_data(SMFICTX *ctx) { hear("data i=%s", macro(ctx, "i")); return step(ctx, "data"); }
static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
    hear("header %s|%s", name, value);
    return step(ctx, "header");
}
static sfsistat on_eoh(SMFICTX *ctx) { hear("eoh"); return step(ctx, "eoh"); }
static sfsistat on_body(SMFICTX *ctx, unsigned char *p, size_t n)
{
    (void)p;
    hear("body %zu", n);
    return step(ctx, "body");
}
static sfsistat on_eom(SMFICTX *ctx) { hear("eom i=%s", macro(ctx, "i")); return step(ctx, "eom"); }
static sfsistat on_abort(SMFICTX *ctx) { (void)ctx; hear("abort"); return SMFIS_CONTINUE; }
static sfsistat on_close(SMFICTX *ctx) { (void)ctx; hear("close"); return SMFIS_CONTINUE; }

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2,
                             unsigned long f3, unsigned long *p0, unsigned long *p1,
                             unsigned long *p2, unsigned long *p3)
{
    (void)ctx, (void)f2, (void)f3;
    hear("negotiate actions=%lx protocol=%lx", f0, f1);
    *p0 = f0;
    *p1 = f1 & SMFIP_SKIP;
    *p2 = *p3 = 0;
    return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
    struct smfiDesc description = {
        "probe", SMFI_VERSION,
        SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_ADDRCPT | SMFIF_DELRCPT |
            SMFIF_QUARANTINE | SMFIF_CHGFROM,
        on_connect, on_helo, on_mail, on_rcpt, on_header, on_eoh, on_body, on_eom, on_abort, on_close,
        NULL, on_data, on_negotiate,
    };
    if (argc < 3)
        return 2;
    heard = fopen(argv[2], "w");
    rules = argv + 3;
    rule_count = argc - 3;
    smfi_setconn(argv[1]);
    if (!heard || smfi_register(description) != MI_SUCCESS)
        return 1;
    return smfi_main();
}
