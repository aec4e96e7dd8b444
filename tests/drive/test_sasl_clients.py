"""The clients that people have log in, each with each mechanism that it knows."""
import os
import subprocess

import pytest

from postroad import BUILD, wait_for
from test_mechanisms import (USERS, certificates, config, gsasl, introspection, kdc,  # noqa: F401
                             token_server)


# ---- clients that people have ----------------------------------------------------------------

def test_msmtp(postroad):
    s = postroad(users=USERS, config=config(), relay_from=())
    for mechanism in ("plain", "digest-md5"):
        done = subprocess.run(
            ["msmtp", "--host=127.0.0.1", f"--port={s.submission_port}", "--tls=off", f"--auth={mechanism}",
             "--user=plain", "--passwordeval=echo plain-pw", "--from=plain@hehuan.test",
             "someone@elsewhere.test"], input=b"Subject: x\n\nx\n", capture_output=True, timeout=20)
        out = done.stderr.decode()
        if "not supported" in out or "not available" in out:      # of this build of msmtp
            continue
        assert done.returncode == 0, out
        s.wait_event("smtpd.login", user="plain")


def test_fetchmail(postroad, tmp_path):
    s = postroad(users=USERS, config=config())
    with s.smtp() as c:
        c.sendmail("a@magedu.test", ["plain@hehuan.test"], "Subject: fetched\r\n\r\nx\r\n")
    s.wait_event("mda.delivered", user="plain")
    rc = tmp_path / "rc"
    rc.write_text(f"poll 127.0.0.1 service {s.pop3_port} protocol pop3 auth password user plain "
                  f"password plain-pw sslproto '' mda 'cat >> {tmp_path}/got'\n")
    rc.chmod(0o600)
    done = subprocess.run(["fetchmail", "-f", rc, "--nodetach", "--nosyslog", "-i", tmp_path / "ids"],
                          capture_output=True, timeout=20, env={**os.environ, "FETCHMAILHOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"Subject: fetched" in (tmp_path / "got").read_bytes()


def test_mutt_and_mbsync(postroad, tmp_path):
    """mutt sends by SMTP with a log-in, mbsync fetches by IMAP with one."""
    s = postroad(users=USERS, relay_from=(),
                 config='auth { mechanisms = {"PLAIN", "CRAM-MD5"} plain-without-tls = true }')
    (tmp_path / "muttrc").write_text(
        f'set smtp_url="smtp://plain@127.0.0.1:{s.submission_port}" smtp_pass="plain-pw" '
        'smtp_authenticators="cram-md5:plain" from="plain@hehuan.test" copy=no ssl_starttls=no ssl_force_tls=no '
        f'folder={tmp_path} record="" hostname="hehuan.test"\n')
    done = subprocess.run(["mutt", "-n", "-F", tmp_path / "muttrc", "-s", "by mutt", "tom@hehuan.test"],
                          input=b"hello\n", capture_output=True, timeout=20,
                          env={**os.environ, "HOME": str(tmp_path), "TERM": "dumb"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert s.wait_event("smtpd.login")["user"] == "plain"
    s.wait_event("mda.delivered", user="tom")
    (tmp_path / "mail").mkdir()
    (tmp_path / "mbsyncrc").write_text(f"""
IMAPStore far
Host 127.0.0.1
Port {s.imap_port}
User tom
Pass tom-pw
AuthMechs *
SSLType None

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX

Channel all
Far :far:
Near :near:
Create Near
SyncState *
""")
    done = subprocess.run(["mbsync", "-c", tmp_path / "mbsyncrc", "all"], capture_output=True, timeout=20,
                          env={**os.environ, "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(b"by mutt" in f.read_bytes() for f in (tmp_path / "mail").rglob("*") if f.is_file())
    s.wait_event("auth.verified", user="tom")


# ---- each client with each mechanism that it knows -------------------------------------------

WORDS = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")


@pytest.fixture
def everything(postroad):
    words = ", ".join(f'"{w}"' for w in WORDS)
    return postroad(users=USERS, relay_from=(),
                    config=f"auth {{ mechanisms = {{{words}}} plain-without-tls = true "
                           "imap-login-without-tls = true free-guesses = 1000 }")


def verified(s, mechanism, run):
    """run() logs plain in by the mechanism, and says what it saw."""
    before = len(s.events("auth.verified", mechanism=mechanism, user="plain"))
    said = run()
    wait_for(lambda: len(s.events("auth.verified", mechanism=mechanism, user="plain")) > before, 10,
             f"the log-in by {mechanism} ({said})")


def called(*command, input=b"Subject: x\n\nx\n", **env):
    done = subprocess.run([str(c) for c in command], input=input, capture_output=True, timeout=30, check=False,
                          env={**os.environ, **{k: str(v) for k, v in env.items()}})
    return done.stdout + done.stderr


def test_each_mechanism_by_msmtp_and_mutt(everything, tmp_path):
    s = everything
    for word in WORDS:
        verified(s, word, lambda w=word: called(
            "msmtp", "--host=127.0.0.1", f"--port={s.submission_port}", "--tls=off", f"--auth={w.lower()}",
            "--user=plain", "--passwordeval=echo plain-pw", "--from=plain@hehuan.test", "tom@hehuan.test"))
        (tmp_path / "muttrc").write_text(
            f'set smtp_url="smtp://plain@127.0.0.1:{s.submission_port}" smtp_pass="plain-pw" '
            f'smtp_authenticators="{word.lower()}" from="plain@hehuan.test" copy=no ssl_starttls=no '
            f'ssl_force_tls=no folder={tmp_path} record="" hostname="hehuan.test"\n')
        verified(s, word, lambda: called("mutt", "-n", "-F", tmp_path / "muttrc", "-s", "x", "tom@hehuan.test",
                                         HOME=tmp_path, TERM="dumb"))


def test_each_mechanism_by_mbsync_and_gsasl(everything, tmp_path):
    """mbsync with those of Cyrus SASL in IMAP; gsasl in IMAP and, as everywhere, in SMTP."""
    s = everything
    for word in WORDS:
        (tmp_path / "rc").write_text(f"IMAPStore far\nHost 127.0.0.1\nPort {s.imap_port}\nUser plain\n"
                                     f"Pass plain-pw\nAuthMechs {word}\nSSLType None\n\nMaildirStore near\n"
                                     f"Path {tmp_path}/\nInbox {tmp_path}/INBOX\n\nChannel all\nFar :far:\n"
                                     f"Near :near:\nCreate Near\nSyncState *\n")
        if word != "LOGIN":      # for mbsync that is the command LOGIN
            verified(s, word, lambda: called("mbsync", "-c", tmp_path / "rc", "all", HOME=tmp_path))
        realm = ["--realm=mail.hehuan.test"] if word == "DIGEST-MD5" else []
        verified(s, word, lambda w=word, r=realm: gsasl(s, w, "plain", "-p", "plain-pw", *r, protocol="imap",
                                                        port=s.imap_port))


def test_each_mechanism_by_swaks(everything):
    s = everything
    for word in ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"):
        verified(s, word, lambda w=word: called(
            "swaks", "--server", f"127.0.0.1:{s.submission_port}", "--auth", w, "--auth-user", "plain",
            "--auth-password", "plain-pw", "--auth-extra", "realm=mail.hehuan.test", "--from", "plain@hehuan.test",
            "--to", "tom@hehuan.test", "--ehlo", "a.test"))


def test_each_mechanism_by_curl(everything, tmp_path):
    s = everything
    (tmp_path / "m").write_text("Subject: x\r\n\r\nx\r\n")
    doors = ([f"smtp://127.0.0.1:{s.submission_port}/a.test", "--mail-from", "plain@hehuan.test", "--mail-rcpt",
              "tom@hehuan.test", "-T", str(tmp_path / "m")],
             [f"pop3://127.0.0.1:{s.pop3_port}/"], [f"imap://127.0.0.1:{s.imap_port}/"])
    for word in ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"):
        for door in doors:
            verified(s, word, lambda w=word, d=door: called(
                "curl", "-sS", "--user", "plain:plain-pw", "--login-options", f"AUTH={w}", *d))


def test_each_mechanism_by_pythons_libraries(everything):
    s = everything

    def smtp(word):
        with s.submission() as c:
            c.ehlo()
            c.user, c.password = "plain", "plain-pw"
            return c.auth(word, getattr(c, f"auth_{word.lower().replace('-', '_')}"))

    def imap(word):
        with s.imap() as c:
            return (c.login_cram_md5("plain", "plain-pw") if word == "CRAM-MD5" else
                    c.authenticate(word, lambda _: b"\0plain\0plain-pw"))
    for word in ("PLAIN", "LOGIN", "CRAM-MD5"):
        verified(s, word, lambda w=word: smtp(w))
    for word in ("PLAIN", "CRAM-MD5"):
        verified(s, word, lambda w=word: imap(w))


def test_fetchmail_by_challenge(everything, tmp_path):
    s = everything
    rc = tmp_path / "rc"
    for protocol, port in (("pop3", s.pop3_port), ("imap", s.imap_port)):
        rc.write_text(f"poll 127.0.0.1 service {port} protocol {protocol} auth cram-md5 user plain "
                      f"password plain-pw sslproto '' mda 'cat >> {tmp_path}/got'\n")
        rc.chmod(0o600)
        verified(s, "CRAM-MD5", lambda: called("fetchmail", "-f", rc, "--nodetach", "--nosyslog", "-v", "-i",
                                               tmp_path / "ids", FETCHMAILHOME=tmp_path))


def test_curl_with_a_token_in_a_mailbox(token_server):
    s = token_server
    for n, door in enumerate((f"pop3://127.0.0.1:{s.pop3_port}/", f"imap://127.0.0.1:{s.imap_port}/"), 1):
        said = called("curl", "-sS", "--user", "jerry@magedu.test", "--oauth2-bearer", "virtual", door)
        assert s.wait_event("auth.verified", mechanism="OAUTHBEARER", count=n), said


# ---- tickets, tokens and certificates by the clients that know them -----------------------------

HOST = "mail.hehuan.test"


def at_host(*command):
    """Runs a command for which HOST is here: a ticket and a certificate are for a name."""
    return ("unshare", "--mount", "sh", "-c", f"echo 127.0.0.1 {HOST} localhost >$0 && mount --bind $0 /etc/hosts && "
            'exec "$@"', BUILD / "hosts", *command)


def doors_of_curl(s, tmp_path):
    (tmp_path / "m").write_text("Subject: x\r\n\r\nx\r\n")
    return ([f"smtp://{HOST}:{s.submission_port}/a.test", "--mail-from", "tom@hehuan.test", "--mail-rcpt",
             "plain@hehuan.test", "-T", tmp_path / "m"],
            [f"pop3://{HOST}:{s.pop3_port}/"], [f"imap://{HOST}:{s.imap_port}/"])


def clients(s, tmp_path, tls=None):
    """Each client's command for a log-in of tom by a mechanism, as NAME: function(mechanism) -> command.
    tls: files with a certificate, its key, and the authority."""
    cert, key, ca = tls or ("", "", "")
    curl = ["curl", "-sS", *(["--ssl-reqd", "--cacert", ca, "--cert", cert, "--key", key] if tls else [])]
    (tmp_path / "both.pem").write_bytes(b"".join(open(f, "rb").read() for f in (cert, key) if f))

    def file(name, text):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
        return tmp_path / name

    def msmtp(word):
        return ["msmtp", f"--host={HOST}", f"--port={s.submission_port}", f"--auth={word.lower()}", "--user=tom",
                "--passwordeval=echo good+/=", "--from=tom@hehuan.test", "--tls=" + ("on" if tls else "off"),
                *([f"--tls-trust-file={ca}", f"--tls-cert-file={cert}", f"--tls-key-file={key}"] if tls else []),
                "plain@hehuan.test"]

    def mutt(word):
        return ["mutt", "-n", "-s", "x", "-F", file("muttrc", f'''
            set smtp_url="smtp://tom@{HOST}:{s.submission_port}" smtp_authenticators="{word.lower()}"
            set from="tom@hehuan.test" copy=no record="" hostname="hehuan.test" folder={tmp_path}
            set smtp_oauth_refresh_command="echo good+/=" ssl_force_tls={"yes" if tls else "no"}
            set ssl_starttls={"yes" if tls else "no"} certificate_file={ca or "/dev/null"}
            {f"set ssl_client_cert={tmp_path}/both.pem ssl_ca_certificates_file={ca}" if tls else ""}
            '''), "plain@hehuan.test"]

    def mbsync(word):
        return ["mbsync", "-c", file("mbsyncrc", f"IMAPStore far\nHost {HOST}\nPort {s.imap_port}\nUser tom\n"
                f"PassCmd \"echo good+/=\"\nAuthMechs {word}\n" +
                (f"SSLType STARTTLS\nCertificateFile {ca}\nClientCertificate {cert}\nClientKey {key}\n" if tls else
                 "SSLType None\n") + f"\nMaildirStore near\nPath {tmp_path}/\nInbox {tmp_path}/INBOX\n\n"
                "Channel all\nFar :far:\nNear :near:\nCreate Near\nSyncState *\n"), "all"]

    def fetchmail(protocol, port):
        return lambda word: ["fetchmail", "--nodetach", "--nosyslog", "-v", "-i", tmp_path / "ids", "-f", file(
            "fetchmailrc", f"poll {HOST} service {port} protocol {protocol} auth {word.lower()} user tom " +
            (f"sslproto TLS1.2+ sslcertfile {ca} sslcert {cert} sslkey {key} " if tls else "sslproto '' ") +
            f"mda 'cat >> {tmp_path}/got'\n")]

    found = {"msmtp": msmtp, "mutt": mutt, "mbsync": mbsync, "fetchmail pop3": fetchmail("pop3", s.pop3_port),
             "fetchmail imap": fetchmail("imap", s.imap_port)}
    for door in doors_of_curl(s, tmp_path):
        found["curl " + door[0][:4]] = lambda word, d=door: [
            *curl, "--user", "tom@HEHUAN.TEST:" if word == "GSSAPI" else "tom:",
            "--login-options", f"AUTH={word}",
            *(["--oauth2-bearer", "good+/="] if word in ("OAUTHBEARER", "XOAUTH2") else []), *d]
    return found


def each_logs_in(s, tmp_path, word, names, tls=None, env=None):
    known = clients(s, tmp_path, tls)
    for name in names:
        before = len(s.events("auth.verified", mechanism=word, user="tom"))
        said = called(*at_host(*known[name](word)), **{"HOME": tmp_path, "FETCHMAILHOME": tmp_path, "TERM": "dumb",
                                                       **(env or {})})
        wait_for(lambda n=before: len(s.events("auth.verified", mechanism=word, user="tom")) > n, 10,
                 f"the log-in of {name} by {word} ({said} {s.events('auth.refused')})")


CURL = ("curl smtp", "curl pop3", "curl imap")


def test_each_client_with_a_ticket(postroad, kdc, tmp_path):
    s = postroad(users=USERS, config=config(auth=f'keytab = "{kdc.dir}/keytab"'), start=False)
    (s.dir / "known").write_text("leak:libgssapi_krb5\n")
    s.start(env={**kdc.env, "LSAN_OPTIONS": f"suppressions={s.dir}/known:print_suppressions=0"})
    each_logs_in(s, tmp_path, "GSSAPI", ("msmtp", "mutt", "mbsync", "fetchmail pop3", "fetchmail imap", *CURL),
                 env=kdc.env)
    # gsasl speaks SMTP and IMAP.
    verified_of_tom = len(s.events("auth.verified", mechanism="GSSAPI", user="tom"))
    said = gsasl(s, "GSSAPI", "tom", "-z", "tom", protocol="imap", port=s.imap_port, env=kdc.env)
    assert s.wait_event("auth.verified", mechanism="GSSAPI", user="tom", count=verified_of_tom + 1), said


# One at a time: curl takes OAUTHBEARER where both are offered, whatever it was told.
@pytest.mark.parametrize("token_server,word", [('"OAUTHBEARER"', "OAUTHBEARER"), ('"XOAUTH2"', "XOAUTH2")],
                         indirect=["token_server"])
def test_each_client_with_a_token(token_server, word, tmp_path):
    each_logs_in(token_server, tmp_path, word, ("msmtp", "mutt", *CURL))


def test_each_client_with_a_certificate(postroad, tmp_path):
    certs = BUILD / "certs"
    s = postroad(users=USERS, config=f"""
auth {{ mechanisms = {{"EXTERNAL"}} }}
tls {{ certificate = "{certs}/{HOST}.pem" key = "{certs}/{HOST}.key" client-ca = "{certs}/ca.pem" }}""")
    each_logs_in(s, tmp_path, "EXTERNAL", ("msmtp", "mutt", "mbsync", "fetchmail imap", *CURL),
                 tls=(certs / "tom.pem", certs / "tom.key", certs / "ca.pem"))


def test_gsasl_as_nobody_and_python_with_a_token(postroad, token_server):
    s = token_server

    def message(word):
        return ("user=tom\x01auth=Bearer good+/=\x01\x01" if word == "XOAUTH2" else
                f"n,a=tom,\x01host={HOST}\x01auth=Bearer good+/=\x01\x01")
    for word in ("OAUTHBEARER", "XOAUTH2"):
        with s.submission() as c:
            c.ehlo()
            assert c.auth(word, lambda challenge=None, w=word: message(w))[0] == 235
        with s.imap() as c:
            assert c.authenticate(word, lambda _, w=word: message(w).encode())[0] == "OK"
        assert s.wait_event("auth.verified", mechanism=word, user="tom", count=2)
    s = postroad(users=USERS, config='auth { mechanisms = {"ANONYMOUS"} anonymous = "plain" }')
    for protocol, port in (("smtp", s.submission_port), ("imap", s.imap_port)):
        status, out = gsasl(s, "ANONYMOUS", "guest", "-n", "guest", protocol=protocol, port=port)
        assert status == 0, out
    assert s.wait_event("auth.verified", mechanism="ANONYMOUS", count=2)
