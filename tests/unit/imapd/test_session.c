/* The session before any mailbox: tags, states, log-in, literals, limits. */
#include "tests/unit/imapd/dialogue.h"

static void begin(void)
{
    dialogue_begin(FORMAT_MAILDIR);
}

TestSuite(imap_session, .init = begin, .fini = world_end);

#define BYE(tag) "* BYE see you\r\n" tag " OK LOGOUT completed\r\n"

Test(imap_session, log_in)
{
    stranger("a LOGIN tom wrong\r\nb LOGIN nobody \"a b \"\r\nc LOGIN down x\r\nd LOGIN tom\r\n"
             "e NOOP\r\n",
             "a NO [AUTHENTICATIONFAILED] wrong user or password\r\n"
             "b NO [AUTHENTICATIONFAILED] wrong user or password\r\n"
             "c NO [UNAVAILABLE] passwords cannot be checked now\r\n"
             "d BAD LOGIN: expected a space (RFC 9051 6.2.3)\r\ne OK NOOP completed\r\n");
    golden("a LOGIN tom x\r\nb LOGOUT\r\nc NOOP\r\n",
           "a BAD LOGIN: you are logged in\r\n" BYE("b"));
}

Test(imap_session, login_without_tls)
{
    world_config.auth_imap_login_without_tls = false;
    stranger("a LOGIN tom \"a b \"\r\nb ENABLE X\r\nc CAPABILITY\r\nd STARTTLS\r\n",
             "a NO [PRIVACYREQUIRED] LOGIN needs TLS; send STARTTLS first\r\n"
             "b BAD ENABLE: log in first\r\n"
             "* CAPABILITY IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE IDLE LOGINDISABLED\r\n"
             "c OK CAPABILITY completed\r\nd BAD STARTTLS is not implemented\r\n");
}

Test(imap_session, what_is_no_command)
{
    stranger("\r\na\r\n+ NOOP\r\na  NOOP\r\nb NOOP x\r\nc UID\r\nd UID NOOP\r\ne XYZZY\r\n"
             "f SETACL\r\ng NOOP \r\nh\tNOOP\r\n",
             "* BAD a command is a tag, a space and a name (RFC 9051 2.2.1)\r\n"
             "* BAD a command is a tag, a space and a name (RFC 9051 2.2.1)\r\n"
             "* BAD a command is a tag, a space and a name (RFC 9051 2.2.1)\r\n"
             "a BAD command: expected an atom (RFC 9051 2.2.1)\r\n"
             "b BAD NOOP: expected the end of the command (RFC 9051 6.1.2)\r\n"
             "c BAD command: expected a space (RFC 9051 2.2.1)\r\nd BAD UID NOOP is no command\r\n"
             "e BAD unknown command\r\nf BAD SETACL is not implemented\r\ng OK NOOP completed\r\n"
             "* BAD a command is a tag, a space and a name (RFC 9051 2.2.1)\r\n");
    stranger("a NOOP\nb NOOP\r\n",
             "* BAD CRLF at the end of a line\r\nb OK NOOP completed\r\n");
}

Test(imap_session, literals)
{
    /* One that waits, one that does not, and an empty one. */
    const char *got = answers_to(SLICE("a LOGIN {3}\r\ntom {4+}\r\na b \r\n"));
    cr_assert(slice_starts(slice_str(got), SLICE("+ go ahead\r\na OK [CAPABILITY IMAP4rev1 ")), "%s", got);
    stranger("a LOGIN {0}\r\n {0+}\r\n\r\n",
             "+ go ahead\r\na NO [AUTHENTICATIONFAILED] wrong user or password\r\n");
    /* A wrong command is answered without its literal; what comes unasked is read over. */
    stranger("a XYZZY {3}\r\nb NOOP {3+}\r\nc NOOP {2+}\r\n\r\n\r\nd NOOP\r\n",
             "a BAD unknown command\r\nb BAD NOOP: expected the end of the command (RFC 9051 6.1.2)\r\n"
             "d OK NOOP completed\r\n");
    stranger("a LOGIN {99999999}\r\nb LOGIN tom {20000+}\r\nshort",
             "a BAD [TOOBIG] the literal is too large\r\nb BAD [TOOBIG] the literal is too large\r\n");
    stranger("a LOGIN {3}\r\nt\0m x\r\nb NOOP\r\n",
             "+ go ahead\r\na BAD LOGIN: expected a literal without NUL (RFC 9051 6.2.3)\r\n"
             "b OK NOOP completed\r\n");
    stranger("a LOGIN {18446744073709551616}\r\nb LOGIN {-1}\r\nc LOGIN {3 }\r\n",
             "a BAD LOGIN: expected an atom or a string (RFC 9051 6.2.3)\r\n"
             "b BAD LOGIN: expected an atom or a string (RFC 9051 6.2.3)\r\n"
             "c BAD LOGIN: expected an atom or a string (RFC 9051 6.2.3)\r\n");
}

Test(imap_session, long_lines)
{
    struct buf input = {0};
    buf_add_str(&input, "a LOGIN ");
    for (int i = 0; i < 20000; i++)
        buf_add_byte(&input, 'x');
    buf_add_str(&input, " {6+}\r\nz BAD \r\nb NOOP\r\n");
    cr_assert_str_eq(answers_to(buf_slice(&input)),
                     "* BAD the command is too long\r\nb OK NOOP completed\r\n");
    buf_free(&input);
}

Test(imap_session, quoted)
{
    stranger("a LOGIN \"tom\" \"a b \"x\r\nb LOGIN \"tom\r\nc LOGIN \"t\\om\" x\r\n"
             "d LOGIN \"\\\"\\\\\" \"\xff\"\r\n",
             "a BAD LOGIN: expected the end of the command (RFC 9051 6.2.3)\r\n"
             "b BAD LOGIN: expected a closing quote (RFC 9051 6.2.3)\r\n"
             "c BAD LOGIN: expected \\\" or \\\\ (a backslash in quotes escapes these only) "
             "(RFC 9051 6.2.3)\r\n"
             "d BAD LOGIN: expected ASCII or UTF-8 in quotes (RFC 9051 6.2.3)\r\n");
}

Test(imap_session, id_and_enable)
{
    golden("a ID NIL\r\nb ID (\"name\" \"x\" \"os\" NIL)\r\nc ID (\"name\")\r\nd ENABLE X UTF8=ACCEPT\r\n"
           "e ENABLE\r\nf ENABLE NONE\r\n",
           "* ID (\"name\" \"Postroad\")\r\na OK ID completed\r\n"
           "* ID (\"name\" \"Postroad\")\r\nb OK ID completed\r\n"
           "c BAD ID: expected a space (RFC 2971 3.1)\r\n"
           "* ENABLED UTF8=ACCEPT\r\nd OK ENABLE completed\r\n"
           "e BAD ENABLE: expected a space (RFC 5161 3.1)\r\n* ENABLED\r\nf OK ENABLE completed\r\n");
    stranger("a ENABLE UTF8=ACCEPT\r\n", "a BAD ENABLE: log in first\r\n");
}

Test(imap_session, errors_end_it)
{
    world_config.errors = 3;
    stranger("a X\r\nb X\r\nc NOOP\r\nd X\r\ne X\r\nf X\r\ng NOOP\r\n",
             "a BAD unknown command\r\nb BAD unknown command\r\nc OK NOOP completed\r\n"
             "d BAD unknown command\r\ne BAD unknown command\r\nf BAD unknown command\r\n"
             "* BYE too many errors, closing\r\n");
}
