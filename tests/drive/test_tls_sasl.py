"""TLS and SASL with real clients: openssl s_client, swaks, curl, gsasl, and Python's libraries."""
import base64
import os
import poplib
import signal
import smtplib
import socket
import ssl
import subprocess

import pytest

from postroad import BUILD, ROOT, free_ports, wait_for

CERTS = BUILD / "certs"
USERS = """\
tom:$6$rounds=1000$tomsalt$Vie6WoN7b.1ab/OqrNsw9AeuRYL6HCvlLyQI40nH0z5sdAm1IRa2x7bTYXapY6GVGcxBdTWuTdMURzUOPdzbn/
plain:{PLAIN}plain-pw
jerry:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=
"""  # jerry's password is "pencil" (RFC 7677 3)
EVERYTHING = '"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "EXTERNAL", "ANONYMOUS"'
MESSAGE = "Subject: hello\r\n\r\nhello\r\n"


@pytest.fixture(scope="module", autouse=True)
def certificates():
    subprocess.run([ROOT / "fixtures/certs/make", CERTS], check=True)


def trusting(cert=None):
    """A client's context that believes our authority alone."""
    context = ssl.create_default_context(cafile=CERTS / "ca.pem")
    if cert:
        context.load_cert_chain(CERTS / f"{cert}.pem", CERTS / f"{cert}.key")
    return context


@pytest.fixture
def server(postroad):
    def make(auth="", client_ca=False, mechanisms=EVERYTHING, **arguments):
        arguments.setdefault("relay_from", ())
        s = postroad(start=False, users=USERS, aliases="", **arguments)
        own = {s.smtp_port, s.submission_port, s.pop3_port}
        submissions, pop3s = [p for p in free_ports(5) if p not in own][:2]
        ca = f'client-ca = "{CERTS}/ca.pem"' if client_ca else ""
        s.write_config(f"""
listen submissions {{ address = {{"127.0.0.1"}} port = {submissions} }}
listen pop3s {{ address = {{"127.0.0.1"}} port = {pop3s} }}
tls {{ certificate = "{CERTS}/mail.hehuan.test.pem" key = "{CERTS}/mail.hehuan.test.key" {ca} }}
auth {{ mechanisms = {{{mechanisms}}} {auth} }}
""")
        s.submissions_port, s.pop3s_port = submissions, pop3s
        return s.start()
    return make


class Lines:
    """A connection as lines."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")

    def line(self):
        return self.file.readline().decode()

    def reply(self):
        """The lines of one SMTP reply."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "".join(lines)

    def say(self, text):
        self.socket.sendall(text.encode("latin-1"))
        return self

    def start_tls(self, context=None):
        self.file.close()
        self.socket = (context or trusting()).wrap_socket(self.socket,
                                                          server_hostname="mail.hehuan.test")
        self.file = self.socket.makefile("rb")

    def closed(self):
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def run(command, input="", timeout=20):
    done = subprocess.run([str(c) for c in command], input=input.encode(), capture_output=True,
                          timeout=timeout)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


# ---- SMTP: STARTTLS --------------------------------------------------------------------------

def test_starttls_forgets_what_was_said(server):
    """RFC 3207 4.2: the state after TLS is that after the greeting."""
    s = server()
    c = Lines(s.submission_port)
    assert c.reply().startswith("220")
    before = c.say("EHLO a.test\r\n").reply()
    assert "STARTTLS" in before and "PLAIN" not in before and "SCRAM-SHA-256" in before
    assert c.say("STARTTLS\r\n").reply().startswith("220 2.0.0")
    c.start_tls()
    assert c.say("MAIL FROM:<a@b.test>\r\n").reply().startswith("503")
    after = c.say("EHLO a.test\r\n").reply()
    assert "STARTTLS" not in after and "PLAIN LOGIN" in after and "SCRAM-SHA-256-PLUS" in after
    assert c.say("STARTTLS\r\n").reply().startswith("503")
    assert s.wait_event("smtpd.tls")["version"] == "TLSv1.3"


def test_text_behind_starttls_ends_the_session(server):
    s = server()
    c = Lines(s.smtp_port)
    c.reply()
    c.say("EHLO a.test\r\n").reply()
    c.say("STARTTLS\r\nEHLO injected.test\r\n")
    assert c.reply().startswith("421 4.7.0")
    assert c.closed()
    assert not s.events("smtpd.tls")


def test_a_handshake_that_fails_ends_the_session(server):
    s = server()
    c = Lines(s.smtp_port)
    c.reply()
    assert c.say("STARTTLS\r\n").reply().startswith("220")
    c.say("EHLO this is no handshake\r\n")
    wait_for(c.closed, what="the end of the connection")
    assert s.wait_event("smtpd.tls-failed")
    with s.smtp() as other:
        assert other.noop()[0] == 250


def test_old_tls_is_refused(server):
    """RFC 9325 3.1.1."""
    s = server()
    for version, cipher in (("-tls1_1", "(NONE)"), ("-tls1_2", "ECDHE"), ("-tls1_3", "TLS_")):
        status, out = run(["openssl", "s_client", "-connect", f"127.0.0.1:{s.submissions_port}",
                           version, "-cipher", "ALL:@SECLEVEL=0", "-CAfile", CERTS / "ca.pem",
                           "-verify_return_error", "-verify_hostname", "mail.hehuan.test"])
        assert f"Cipher is {cipher}" in out and (status == 0) == (version != "-tls1_1"), out


def test_s_client_starttls(server):
    s = server()
    for protocol, port, greeting in (("smtp", s.submission_port, "250 "),
                                     ("pop3", s.pop3_port, "+OK")):
        status, out = run(["openssl", "s_client", "-starttls", protocol, "-connect",
                           f"127.0.0.1:{port}", "-CAfile", CERTS / "ca.pem", "-verify_hostname",
                           "mail.hehuan.test", "-verify_return_error", "-crlf"], "NOOP\nQUIT\n")
        assert "Verify return code: 0 (ok)" in out and status == 0, out


def test_s_client_logs_in(server):
    """By hand, line for line, as people do to see what is wrong."""
    s = server()
    word = "AHBsYWluAHBsYWluLXB3"
    for protocol, port, lines, good in (
            ("smtp", s.submission_port, ["EHLO client.test", f"AUTH PLAIN {word}"], "235 "),
            ("pop3", s.pop3_port, [f"AUTH PLAIN {word}"], "+OK "),
            ("imap", s.imap_port, [f"a AUTHENTICATE PLAIN {word}"], "a OK ")):
        client = subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-starttls", protocol, "-connect", f"127.0.0.1:{port}",
             "-CAfile", CERTS / "ca.pem", "-verify_hostname", "mail.hehuan.test", "-verify_return_error", "-crlf"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line, ends in zip(lines, [*["250 "] * (len(lines) - 1), good]):
            client.stdin.write(line + "\n")
            client.stdin.flush()
            while not (said := client.stdout.readline()).startswith(ends):
                assert said and not said.startswith(("5", "-ERR", "a NO", "a BAD")), said
        client.kill()
        client.communicate()
    assert s.wait_event("auth.verified", user="plain", mechanism="PLAIN", count=3)


# ---- SMTP: AUTH -------------------------------------------------------------------------------

def test_authenticated_clients_may_relay_and_it_shows(server):
    s = server()
    with s.submission() as client:
        client.ehlo()
        assert client.mail("tom@hehuan.test")[0] == 530
        client.starttls(context=context_without_name())
        client.login("tom", "tom-pw")
        client.sendmail("tom@hehuan.test", ["jerry@elsewhere.test", "plain@hehuan.test"], MESSAGE)
    text = wait_for(lambda: s.mailbox("plain"), what="the message").decode()
    received = text[text.index("Received: from"):text.index("Subject")]
    assert "with ESMTPSA" in received and "tls TLS_" in received
    assert s.events("smtpd.login", user="tom")


def test_implicit_tls_submission(server):
    s = server()
    with smtplib.SMTP_SSL("127.0.0.1", s.submissions_port, context=context_without_name()) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
        client.login("plain", "plain-pw")
        client.sendmail("plain@hehuan.test", ["tom@hehuan.test"], MESSAGE)
    assert b"with ESMTPSA" in wait_for(lambda: s.mailbox("tom"), what="the message")


def context_without_name():
    context = trusting()
    context.check_hostname = False
    return context


def test_plain_smtp_says_esmtps(server):
    s = server()
    with s.smtp() as client:
        client.starttls(context=context_without_name())
        client.sendmail("a@b.test", ["tom@hehuan.test"], MESSAGE)
        client.ehlo()
        assert not client.has_extn("auth")
        with pytest.raises(smtplib.SMTPNotSupportedError):
            client.login("tom", "tom-pw")
    assert b"with ESMTPS " in wait_for(lambda: s.mailbox("tom"), what="the message")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_swaks(server, mechanism):
    s = server()

    def swaks(user, password):
        return run(["swaks", "--server", f"127.0.0.1:{s.submission_port}", "-tls", "--auth",
                    mechanism, "--auth-user", user, "--auth-password", password, "--from",
                    "plain@hehuan.test", "--to", "tom@hehuan.test", "--ehlo", "a.test"])
    status, out = swaks("plain", "plain-pw")
    assert status == 0 and "235 2.7.0" in out, out
    for user, password in (("plain", "wrong"), ("nobody", "plain-pw"), ("jerry", "wrong")):
        status, out = swaks(user, password)
        assert status == 28 and "535 5.7.8 wrong user or password" in out, out


GSASL = [("SCRAM-SHA-1", "plain", "plain-pw"), ("SCRAM-SHA-256", "jerry", "pencil"),
         ("SCRAM-SHA-256-PLUS", "jerry", "pencil"), ("SCRAM-SHA-1-PLUS", "plain", "plain-pw"),
         ("PLAIN", "tom", "tom-pw"), ("LOGIN", "tom", "tom-pw"), ("CRAM-MD5", "plain", "plain-pw")]


def gsasl(s, mechanism, user, password):
    """GNU SASL's client, SMTP with STARTTLS: it checks the server's proof in SCRAM too."""
    return run(["gsasl", "--client", "--smtp", "--connect", f"127.0.0.1:{s.submission_port}",
                "--mechanism", mechanism, "--starttls", "--x509-ca-file=", "-a", user, "-p",
                password, "--service=smtp", "--hostname=mail.hehuan.test"] +
               ([] if "PLUS" in mechanism else ["--no-cb"]))


@pytest.mark.parametrize("mechanism,user,password", GSASL)
def test_gsasl(server, mechanism, user, password):
    s = server()
    status, out = gsasl(s, mechanism, user, password)
    assert status == 0 and s.events("auth.verified", mechanism=mechanism, user=user), out
    gsasl(s, mechanism, user, "wrong")
    s.wait_event("auth.refused", mechanism=mechanism, user=user)
    assert len(s.events("auth.verified")) == 1


@pytest.mark.parametrize("mechanism,user,password",
                         [("PLAIN", "jerry", "pencil"), ("CRAM-MD5", "plain", "plain-pw")])
def test_curl(server, mechanism, user, password):
    s = server()
    (s.dir / "m").write_text(MESSAGE)
    common = ["curl", "-sS", "--cacert", CERTS / "ca.pem", "--user", f"{user}:{password}",
              "--login-options", f"AUTH={mechanism}"]
    for port, scheme, more in ((s.submission_port, "smtp", ["--ssl-reqd"]),
                               (s.submissions_port, "smtps", [])):
        status, out = run(common + more + [
            "--resolve", f"mail.hehuan.test:{port}:127.0.0.1", "--mail-from",
            "jerry@hehuan.test", "--mail-rcpt", "tom@elsewhere.test", "-T", s.dir / "m",
            f"{scheme}://mail.hehuan.test:{port}/a.test"])
        assert status == 0, out
    for port, scheme, more in ((s.pop3_port, "pop3", ["--ssl-reqd"]), (s.pop3s_port, "pop3s", [])):
        status, out = run(common + more + ["--resolve", f"mail.hehuan.test:{port}:127.0.0.1",
                                           f"{scheme}://mail.hehuan.test:{port}/"])
        assert status == 0, out
    assert len(s.events("auth.verified", user=user, mechanism=mechanism)) == 4


def test_external_by_certificate(server):
    s = server(client_ca=True)

    def external(cert, message):
        c = Lines(s.submission_port)
        c.reply()
        c.say("STARTTLS\r\n").reply()
        c.start_tls(trusting(cert=cert))
        offered = c.say("EHLO a.test\r\n").reply()
        return "EXTERNAL" in offered, c.say(f"AUTH EXTERNAL {message}\r\n").reply()
    offered, reply = external("tom", "=")
    assert offered and reply.startswith("235")
    assert external("tom", base64.b64encode(b"tom").decode())[1].startswith("235")
    assert external("tom", base64.b64encode(b"plain").decode())[1].startswith("535")
    offered, reply = external(None, "=")
    assert not offered and reply.startswith("504")
    offered, reply = external("stranger", "=")   # signed by itself: no more than no certificate
    assert not offered and reply.startswith("504")


def test_dead_auth_is_no_wrong_password(server):
    """RFC 4954 6: 454 4.7.0, and it recovers by itself."""
    s = server(check_deaths=False)
    c = Lines(s.submission_port)
    c.reply()
    c.say("STARTTLS\r\n").reply()
    c.start_tls()
    c.say("EHLO a.test\r\n").reply()
    assert c.say("AUTH LOGIN\r\n").reply().startswith("334")
    os.kill(s.role_pids()["auth"], signal.SIGKILL)
    s.wait_event("master.role-died")
    assert c.say("dG9t\r\n").reply().startswith("454 4.7.0")

    def log_in():
        return c.say("AUTH PLAIN AHRvbQB0b20tcHc=\r\n").reply().startswith("235")
    wait_for(log_in, what="a log-in at the new auth process", interval=0.2)


def test_no_password_in_the_events(server):
    s = server(auth="plain-without-tls = true")
    with s.submission() as client:
        client.ehlo()
        for step in ("AUTH PLAIN AHRvbQB0b20tcHc=", ):
            assert client.docmd(step)[0] == 235
    with s.submission() as client:
        client.ehlo()
        assert client.docmd("AUTH PLAIN !" + "c2VjcmV0")[0] == 501
        assert client.docmd("auth  LOGIN c2VjcmV0")[0] == 504
    c = Lines(s.pop3_port)
    c.line()
    assert c.say("AUTH PLAIN AHRvbQB0b20tcHc=\r\n").line().startswith("+OK")
    c.say("QUIT\r\n").line()
    text = s.events_path.read_text()
    for secret in ("tom-pw", "AHRvbQB0b20tcHc", "c2VjcmV0"):
        assert secret not in text
    assert s.events("smtpd.command", line="AUTH PLAIN")


# ---- POP3 ---------------------------------------------------------------------------------------

def capabilities(c):
    c.say("CAPA\r\n").line()
    return [line.strip() for line in iter(c.line, ".\r\n")]


def test_stls_and_capabilities(server):
    s = server(auth="pop3-user-without-tls = false")
    c = Lines(s.pop3_port)
    c.line()
    before = capabilities(c)
    assert "STLS" in before and "USER" not in before
    assert "SASL SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5" in before
    assert c.say("USER tom\r\n").line().startswith("-ERR")
    assert c.say("AUTH PLAIN AHRvbQB0b20tcHc=\r\n").line().startswith("-ERR")
    assert c.say("STLS\r\n").line().startswith("+OK")
    c.start_tls()
    after = capabilities(c)
    assert "STLS" not in after and "USER" in after
    sasl = [line for line in after if line.startswith("SASL ")][0]
    assert "PLAIN" in sasl and "SCRAM-SHA-256-PLUS" in sasl
    assert c.say("STLS\r\n").line().startswith("-ERR")
    assert c.say("AUTH PLAIN\r\n").line() == "+ \r\n"
    assert c.say("*\r\n").line().startswith("-ERR")
    assert c.say("AUTH PLAIN =AAA\r\n").line().startswith("-ERR")
    assert c.say("AUTH CRAM-MD5 AAAA\r\n").line().startswith("-ERR")
    assert c.say("AUTH PLAIN AHRvbQB4\r\n").line().startswith("-ERR [AUTH]")
    assert c.say("AUTH PLAIN\r\n").line() == "+ \r\n"
    assert c.say("AHRvbQB0b20tcHc=\r\n").line().startswith("+OK")
    assert sasl in capabilities(c)
    assert c.say("AUTH PLAIN AHRvbQB0b20tcHc=\r\n").line().startswith("-ERR")
    assert c.say("STLS\r\n").line().startswith("-ERR")


def test_text_behind_stls_ends_the_session(server):
    s = server()
    c = Lines(s.pop3_port)
    c.line()
    c.say("STLS\r\nUSER tom\r\n")
    assert c.line().startswith("-ERR") and c.closed()


def test_poplib(server):
    s = server()
    client = poplib.POP3("127.0.0.1", s.pop3_port, 10)
    client.stls(context=context_without_name())
    client.user("tom")
    assert client.pass_("tom-pw").startswith(b"+OK")
    client.quit()
    client = poplib.POP3_SSL("127.0.0.1", s.pop3s_port, context=context_without_name(), timeout=10)
    client.user("jerry")
    assert client.pass_("pencil").startswith(b"+OK")
    client.quit()


def test_anonymous_reads_one_mailbox(server):
    s = server(auth='anonymous = "plain" smtp = true')
    c = Lines(s.pop3_port)
    c.line()
    assert c.say("AUTH ANONYMOUS Z3Vlc3Q=\r\n").line().startswith("+OK")
    assert s.wait_event("pop3d.login")["user"] == "plain"
    with s.submission() as client:
        client.ehlo()
        assert "ANONYMOUS" in client.esmtp_features.get("auth", "")
        assert client.docmd("AUTH ANONYMOUS Z3Vlc3Q=")[0] == 235
        assert client.docmd("AUTH ANONYMOUS Z3Vlc3Q=")[0] == 503
        assert client.mail("plain@hehuan.test")[0] == 530
    # On port 25 it may do what everybody may: send to those here, without a name.
    with s.smtp() as client:
        client.ehlo()
        assert client.docmd("AUTH ANONYMOUS Z3Vlc3Q=")[0] == 235
        assert client.mail("plain@hehuan.test")[0] == 250
        assert client.rcpt("tom@elsewhere.test")[0] == 550
        assert client.rcpt("tom@hehuan.test")[0] == 250
        assert client.data("Subject: x\r\n\r\nx\r\n")[0] == 250
    assert b"with ESMTP " in wait_for(lambda: s.mailbox("tom"), what="the message")


# ---- accounts and privileges ------------------------------------------------------------------

def test_accounts_made_for_scram(server):
    s = server()
    s.ctl("user", "add", "eve", "--scheme", "scram-sha-256", input=b"eve-pw\n")
    md5 = s.ctl("user", "add", "max", "--scheme", "md5", input=b"x\n", check=False)
    assert md5.returncode == 65
    assert gsasl(s, "SCRAM-SHA-256-PLUS", "eve", "eve-pw")[0] == 0
    assert gsasl(s, "PLAIN", "eve", "eve-pw")[0] == 0
    s.ctl("user", "passwd", "eve", input=b"new\n")     # the form stays
    assert gsasl(s, "SCRAM-SHA-256-PLUS", "eve", "eve-pw")[0] != 0
    assert gsasl(s, "SCRAM-SHA-256-PLUS", "eve", "new")[0] == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become others")
def test_the_key_may_be_roots_alone(server):
    """The roles have it before they give up root; they could not read it afterwards."""
    assert (CERTS / "mail.hehuan.test.key").stat().st_mode & 0o777 == 0o600
    s = server(user="daemon", mda_user="games")
    assert subject(s) == "mail.hehuan.test"
    assert s.reload()["event"] == "master.reloaded"

    def served():    # by the new role: the old one closes what comes to it
        try:
            client = poplib.POP3_SSL("127.0.0.1", s.pop3s_port, context=context_without_name(),
                                     timeout=10)
            return "SASL" in client.capa()
        except (poplib.error_proto, OSError):
            return False
    wait_for(served, what="POP3 after the reload")


# ---- configuration ------------------------------------------------------------------------------

def test_problems_with_the_files_are_told(postroad):
    s = postroad(start=False, config=f"""
tls {{ certificate = "{CERTS}/mail.hehuan.test.pem" key = "{CERTS}/mail1.hehuan.test.key" }}
""")
    done = s.ctl("check", check=False)
    assert done.returncode == 78 and "mail1.hehuan.test.key" in done.stdout + done.stderr
    s.write_config('tls { certificate = "/nonexistent.pem" key = "/nonexistent.key" }')
    done = s.ctl("check", check=False)
    assert done.returncode == 78 and "/nonexistent.pem" in done.stdout + done.stderr


def test_a_new_certificate_is_taken_at_reload(server):
    s = server()
    assert subject(s) == "mail.hehuan.test"
    text = s.conf.read_text()
    s.conf.write_text(text.replace("mail.hehuan.test.pem", "mail1.hehuan.test.pem")
                      .replace("mail.hehuan.test.key", "mail1.hehuan.test.key"))
    assert s.reload()["event"] == "master.reloaded"
    wait_for(lambda: subject(s) == "mail1.hehuan.test", what="the new certificate")


def subject(s):
    context = context_without_name()
    with socket.create_connection(("127.0.0.1", s.submissions_port), 10) as raw:
        with context.wrap_socket(raw) as c:
            return dict(x[0] for x in c.getpeercert()["subject"])["commonName"]
