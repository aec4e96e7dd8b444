"""Signed and encrypted by real gpg and openssl, through two servers with every filter, out of the
mailbox by POP3, and verified: no hop and no filter changed what the sender wrote (D21)."""
import email
import os
import shutil
import subprocess
import tempfile

import pytest

from filter_programs import Programs, section
from postroad import ROOT

TEXT = "Lunch at noon?\r\n\r\nFrom here on nothing may change.\r\n.\r\n..\r\n  blanks at the end  \r\n" \
       "gr\u00fc\u00dfe\r\n"


def run(*command, input=None, ok=True, env=None):
    done = subprocess.run([str(c) for c in command], input=input, capture_output=True,
                          env={**os.environ, **(env or {})})
    assert not ok or done.returncode == 0, f"{command}: {done.stderr.decode(errors='replace')}"
    return done


@pytest.fixture(scope="module")
def keys():
    """A gpg home and a certificate for jerry and for tom, made anew."""
    for program in ("gpg", "openssl"):
        if not shutil.which(program):
            pytest.fail(f"{program} is missing; ci/deps test installs it")
    home = tempfile.mkdtemp(prefix="gpg-", dir="/tmp")        # short: gpg puts sockets into it
    os.chmod(home, 0o700)
    for who in ("jerry@magedu.test", "tom@hehuan.test"):
        run("gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", who,
            "future-default", "default", "never")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={who}", "-addext", f"subjectAltName=email:{who}",
            "-addext", "keyUsage=digitalSignature,keyAgreement", "-keyout", f"{home}/{who}.key",
            "-out", f"{home}/{who}.pem")
    yield home
    run("gpgconf", "--homedir", home, "--kill", "all", ok=False)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def road(postroad):
    """jerry's server, which signs with DKIM, and tom's, with spamd, clamd and opendkim."""
    programs = Programs()
    (programs.dir / "opendkim").mkdir()
    (programs.dir / "opendkim/internal").write_text("127.0.0.1\n")
    dkim = section("dkim", "milter", programs.start("opendkim"))
    filters = section("spam", "spamd", programs.start("spamd")) + \
        section("virus", "clamd", programs.start("clamd"), mark_clean="x").replace('"x"', "true")
    theirs = postroad(start=False, format="maildir")
    theirs.base_config = theirs.base_config.replace('listen smtp { address = {"127.0.0.1"}',
                                                    'listen smtp { address = {"127.0.0.3"}')
    theirs.write_config(dkim + filters)
    theirs.start()
    ours = postroad(hostname="mx.magedu.test", domains=("magedu.test",), config=dkim,
                    exchanger_port=theirs.smtp_port)
    yield ours, theirs
    programs.close()


def travel(road, message):
    """What comes out of tom's mailbox."""
    ours, theirs = road
    with ours.submission() as client:
        client.sendmail("jerry@magedu.test", ["tom@[127.0.0.3]"], message,
                        mail_options=["BODY=8BITMIME"])
    theirs.wait_event("mda.delivered", user="tom", timeout=20)
    reader = theirs.pop3()
    reader.user("tom")
    reader.pass_("tom-pw")
    got = b"\r\n".join(reader.retr(1)[1]) + b"\r\n"
    reader.quit()
    # every layer was there
    fields = email.message_from_bytes(got)
    assert fields["DKIM-Signature"] and fields["X-Spam-Status"] and fields["X-Virus-Status"] == "Clean"
    assert len(fields.get_all("Received")) == 2
    return got


def part(raw, number):
    """The octets of the number-th part of a multipart message, as a signature covers them."""
    boundary = email.message_from_bytes(raw).get_boundary().encode()
    return raw.split(b"\r\n--" + boundary)[number].split(b"\r\n", 1)[1]


HEAD = ("From: jerry@magedu.test\r\nTo: tom@hehuan.test\r\nSubject: lunch\r\nDate: Tue, 24 Nov 2026 "
        "12:00:00 +0000\r\nMessage-ID: <1@magedu.test>\r\nMIME-Version: 1.0\r\n")


def test_openpgp_signature(road, keys):
    """RFC 3156 5: what is signed has CRLF line ends and is not 8-bit."""
    body = ("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            + TEXT.replace("  \r\n", " =20\r\n").replace("\u00fc\u00df", "=C3=BC=C3=9F")).encode()
    signature = run("gpg", "--homedir", keys, "--batch", "--armor", "--detach-sign", "-u",
                    "jerry@magedu.test", input=body).stdout.replace(b"\n", b"\r\n")
    message = HEAD.encode() + (
        b'Content-Type: multipart/signed; micalg=pgp-sha512;\r\n\tprotocol="application/pgp-signature"; '
        b'boundary="b1"\r\n\r\n--b1\r\n' + body + b"\r\n--b1\r\nContent-Type: application/pgp-signature"
        b"\r\n\r\n" + signature + b"\r\n--b1--\r\n")
    got = travel(road, message)
    assert part(got, 1) == body
    (signed, seal) = (f"{keys}/signed", f"{keys}/seal")
    open(signed, "wb").write(part(got, 1))
    open(seal, "wb").write(part(got, 2).split(b"\r\n\r\n", 1)[1])
    assert b"Good signature" in run("gpg", "--homedir", keys, "--batch", "--verify", seal, signed).stderr
    open(signed, "ab").write(b"x")                  # the check can fail
    assert run("gpg", "--homedir", keys, "--batch", "--verify", seal, signed, ok=False).returncode != 0


def test_openpgp_encryption(road, keys):
    secret = run("gpg", "--homedir", keys, "--batch", "--armor", "--trust-model", "always", "--encrypt",
                 "-r", "tom@hehuan.test", input=TEXT.encode()).stdout.replace(b"\n", b"\r\n")
    message = HEAD.encode() + (
        b'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary="b2"\r\n\r\n'
        b"--b2\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b2\r\n"
        b"Content-Type: application/octet-stream\r\n\r\n" + secret + b"\r\n--b2--\r\n")
    got = travel(road, message)
    opened = run("gpg", "--homedir", keys, "--batch", "--decrypt",
                 input=part(got, 2).split(b"\r\n\r\n", 1)[1]).stdout
    assert opened == TEXT.encode()
    assert b"Lunch" not in got


def test_smime_signature_and_encryption(road, keys):
    """RFC 8551: signed by jerry, encrypted for tom, through everything."""
    ours, theirs = road
    signed = run("openssl", "cms", "-sign", "-signer", f"{keys}/jerry@magedu.test.pem", "-inkey",
                 f"{keys}/jerry@magedu.test.key", "-text", "-crlfeol", input=TEXT.encode()).stdout
    sealed = run("openssl", "cms", "-encrypt", "-aes256", "-crlfeol", "-from", "jerry@magedu.test", "-to",
                 "tom@hehuan.test", "-subject", "lunch", f"{keys}/tom@hehuan.test.pem", input=signed).stdout
    got = travel(road, sealed.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert b"Lunch" not in got
    opened = run("openssl", "cms", "-decrypt", "-recip", f"{keys}/tom@hehuan.test.pem", "-inkey",
                 f"{keys}/tom@hehuan.test.key", input=got).stdout
    verified = run("openssl", "cms", "-verify", "-CAfile", f"{keys}/jerry@magedu.test.pem", "-text",
                   input=opened).stdout
    assert verified == TEXT.encode()
    assert run("openssl", "cms", "-verify", "-CAfile", f"{keys}/jerry@magedu.test.pem", "-text",
               input=opened.replace(b"noon", b"nine"), ok=False).returncode != 0


def test_the_messages_of_the_scenarios_verify():
    """conformance/scenarios/filter/end-to-end.scn sends these; here gpg and openssl say that they are good."""
    folder, keys = ROOT / "conformance/scenarios/messages", ROOT / "fixtures/keys"

    def wire(name):
        return (folder / name).read_bytes().replace(b"\n", b"\r\n")
    home = tempfile.mkdtemp(prefix="gpg-", dir="/tmp")
    os.chmod(home, 0o700)
    gpg = ("gpg", "--homedir", home, "--batch", "--quiet", "--trust-model", "always")
    try:
        run(*gpg, "--import", keys / "jerry.asc", keys / "tom.secret.asc")
        signed = wire("pgp-signed.eml")
        open(f"{home}/text", "wb").write(part(signed, 1))
        open(f"{home}/seal", "wb").write(part(signed, 2).split(b"\r\n\r\n", 1)[1])
        assert b"Good signature" in run(*gpg, "--verify", f"{home}/seal", f"{home}/text").stderr
        secret = part(wire("pgp-encrypted.eml"), 2).split(b"\r\n\r\n", 1)[1]
        assert b"Lunch at noon?" in run(*gpg, "--decrypt", input=secret).stdout
    finally:
        run("gpgconf", "--homedir", home, "--kill", "all", ok=False)
        shutil.rmtree(home, ignore_errors=True)
    assert b"Lunch at noon?" in run("openssl", "cms", "-verify", "-CAfile", keys / "jerry.pem",
                                    input=wire("smime-signed.eml")).stdout
    assert b"Lunch at noon?" in run("openssl", "cms", "-decrypt", "-recip", keys / "tom.pem", "-inkey",
                                    keys / "tom.key", input=wire("smime-encrypted.eml")).stdout
