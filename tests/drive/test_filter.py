"""Filters: the real spamd, clamd and opendkim, and milters made with the real libmilter."""
import email
import glob
import io
import shutil
import smtplib
import socket
import subprocess
import threading
import zipfile
from email.message import EmailMessage

import pytest

from filter_programs import EICAR, GTUBE, Programs, section
from postroad import FIXTURES, free_ports, wait_for

PLAIN = b"From: jerry@magedu.test\r\nTo: tom@hehuan.test\r\nSubject: lunch\r\n\r\nAt  noon? \r\n.\r\n"


@pytest.fixture
def programs():
    p = Programs()
    yield p
    p.close()


def need(*names):
    for name in names:
        if not shutil.which(name):
            pytest.fail(f"{name} is missing; ci/deps test installs it")


def send(server, text, sender="jerry@magedu.test", to=("tom@hehuan.test",)):
    """The reply to the end of DATA, (code, text)."""
    with server.smtp(30) as client:
        client.ehlo()
        client.mail(sender)
        for one in to:
            client.rcpt(one)
        return client.data(text)


def delivered(server, user="tom"):
    """The message in the mailbox, octet for octet with LF line ends, without the From_ line."""
    server.wait_event("mda.delivered", user=user)
    return server.mailbox(user).split(b"\n", 1)[1]


# ---- spamd --------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["symbols", "headers"])
def test_spam_is_tagged_and_nothing_else_changes(postroad, programs, way):
    need("spamd")
    address = programs.start("spamd")
    server = postroad(config=section("spam", "spamd", address, way=way))
    text = PLAIN.replace(b"Subject", b"X-Spam-Flag: NO\r\nX-Spam-Status: No, of course\r\nSubject")
    text = text.replace(b"At  noon?", f"At  noon?\r\n{GTUBE}".encode())
    assert send(server, text)[0] == 250
    got = delivered(server)
    fields = email.message_from_bytes(got)
    assert fields.get_all("X-Spam-Flag") == ["YES"]
    assert "GTUBE" in fields["X-Spam-Status"] and len(fields.get_all("X-Spam-Status")) == 1
    # what the sender wrote is there octet for octet, but for the fields that he forged
    original = text.replace(b"\r\n", b"\n").replace(b"X-Spam-Flag: NO\nX-Spam-Status: No, of course\n", b"")
    head, body = original.split(b"\n\n", 1)
    assert head in got and got.rstrip(b"\n").endswith(body.rstrip(b"\n"))


def test_ham_and_spam_by_score(postroad, programs):
    need("spamd")
    address = programs.start("spamd")
    server = postroad(config=section("spam", "spamd", address, way="symbols", reject_score=8.0))
    assert send(server, PLAIN)[0] == 250
    assert b"X-Spam-Flag" not in delivered(server)
    code, why = send(server, PLAIN.replace(b"noon", GTUBE.encode()))
    assert (code, why[:5]) == (550, b"5.7.1")
    shouting = PLAIN.replace(b"lunch", b"BUY NOW WHILE IT LASTS").replace(b"noon", b"cheap pills")
    assert send(server, shouting)[0] == 250        # 6.0: over 5, under 8
    server.wait_event("mda.delivered", count=2)
    assert b"X-Spam-Score: 6.0" in server.mailbox("tom")
    verdict = server.events("filter.verdict", filter="spam", verdict="refuse")[0]
    assert "score" in verdict["why"]
    assert server.queued() == []


def test_process_gives_the_message_anew(postroad, programs):
    need("spamd")
    server = postroad(config=section("spam", "spamd", programs.start("spamd"), way="process"))
    assert send(server, PLAIN.replace(b"noon", GTUBE.encode()))[0] == 250
    got = delivered(server)
    assert b"X-Spam-Flag: YES" in got and GTUBE.encode() in got and b"Received: " in got


# ---- clamd --------------------------------------------------------------------------------------


def virus_messages():
    attached = EmailMessage()
    attached["From"], attached["To"], attached["Subject"] = "a@magedu.test", "tom@hehuan.test", "x"
    attached.set_content("see the file")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("invoice.com", EICAR)
    zipped = EmailMessage()
    zipped["From"], zipped["To"], zipped["Subject"] = "a@magedu.test", "tom@hehuan.test", "x"
    zipped.set_content("see the archive")
    attached.add_attachment(EICAR.encode(), maintype="application", subtype="octet-stream",
                            filename="invoice.com")
    zipped.add_attachment(packed.getvalue(), maintype="application", subtype="zip",
                          filename="invoice.zip")
    plain = f"Subject: x\r\n\r\n{EICAR}\r\n".encode()

    def wire(message):             # the generator ends some lines of attachments in LF
        return message.as_bytes().replace(b"\n", b"\r\n")
    return {"plain": plain, "mime": wire(attached), "zip": wire(zipped)}


@pytest.mark.parametrize("way", ["zinstream", "instream", "fildes"])
def test_viruses_are_refused(postroad, programs, way):
    need("clamd")
    address = programs.start("clamd", unix=way == "fildes")
    server = postroad(config=section("virus", "clamd", address, way=way))
    for name, text in virus_messages().items():
        code, why = send(server, text)
        assert code == 550 and b"Eicar-Test-Signature" in why, (name, why)
    assert send(server, PLAIN)[0] == 250
    assert delivered(server).rstrip(b"\n").endswith(PLAIN.replace(b"\r\n", b"\n").rstrip(b"\n"))


def test_a_virus_may_be_held(postroad, programs):
    need("clamd")
    server = postroad(config=section("virus", "clamd", programs.start("clamd"),
                                     found="quarantine"))
    assert send(server, virus_messages()["plain"])[0] == 250
    assert len(server.queued("hold")) == 1 and server.queued("active", "deferred") == []
    held = server.queued("hold")[0]
    server.ctl("queue", "release", held)
    server.wait_event("mda.delivered", user="tom")


def test_spam_then_virus_in_the_order_of_the_file(postroad, programs):
    need("spamd", "clamd")
    spam, virus = programs.start("spamd"), programs.start("clamd")
    server = postroad(config=section("spam", "spamd", spam, way="symbols") +
                      section("virus", "clamd", virus))
    both = f"Subject: x\r\n\r\n{GTUBE}\r\n{EICAR}\r\n".encode()
    code, why = send(server, both)
    assert code == 550 and b"Eicar" in why
    assert [e["filter"] for e in server.events("filter.verdict")] == ["spam", "virus"]


HAM = ["/usr/share/doc/spamassassin/examples/sample-nonspam.txt", "/usr/lib/python3*/test/test_email/data/msg_*.txt"]


def test_real_mail_passes_and_keeps_its_octets(postroad, programs):
    """Messages that Debian packages ship, through spamd and clamd: none refused, nothing changed."""
    need("spamd", "clamd")
    server = postroad(format="maildir", config=section("spam", "spamd", programs.start("spamd")) +
                      section("virus", "clamd", programs.start("clamd")))
    files = [f for pattern in HAM for f in sorted(glob.glob(pattern))]
    assert files, "no messages: ci/deps test installs spamassassin"
    sent = []
    for name in files:
        text = open(name, "rb").read().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if text.startswith(b"From "):
            text = text.split(b"\n", 1)[1]
        if not text.endswith(b"\n"):
            text += b"\n"
        assert send(server, text.replace(b"\n", b"\r\n"))[0] == 250, name
        sent.append(text)
    server.wait_event("mda.delivered", count=len(sent), timeout=30)
    got = [p.read_bytes() for p in (server.mail / "tom/new").iterdir()]
    for text in sent:
        body = text.split(b"\n\n", 1)[-1] if b"\n\n" in text else b""
        assert any(one.endswith(body) for one in got), text[:200]
    assert len(got) == len(sent)


# ---- what goes wrong ----------------------------------------------------------------------------


class Nonsense:
    """A server that answers every connection with the same octets after reading for a moment."""

    def __init__(self, answer, hang=False):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.answer, self.hang, self.held = answer, hang, []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            if self.hang:
                self.held.append(peer)
                continue
            peer.recv(4)
            peer.sendall(self.answer)
            peer.close()

    @property
    def address(self):
        return "127.0.0.1:%d" % self.socket.getsockname()[1]


ANSWERS = {
    "spamd": [b"", b"SPAMD/1.1 0 EX_OK\r\n\r\n", b"SPAMD/1.1 70 EX_SOFTWARE\r\n\r\n", b"hello\r\n",
              b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; x / y\r\n\r\n", b"\0" * 9000],
    "clamd": [b"", b"stream: ERROR\0", b"x", b"stream: INSTREAM size limit exceeded. ERROR\0"],
    "milter": [b"", b"\xff\xff\xff\xff", b"\0\0\0\x01x", b"\0\0\0\x0dO\0\0\0\x09\0\0\0\0\0\0\0\0",
               b"\0\0\0\0"],
}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("choice,code", [("accept", 250), ("defer", 451), ("reject", 554)])
def test_a_filter_that_is_down_slow_or_mad(postroad, kind, choice, code):
    """The configured choice, no loss, no hang."""
    down = free_ports(1)[0]
    mad = [Nonsense(answer) for answer in ANSWERS[kind]] + [Nonsense(b"", hang=True)]
    addresses = [f"127.0.0.1:{down}"] + [m.address for m in mad]
    server = postroad(config="")
    for i, address in enumerate(addresses):
        server.write_config(section("f", kind, address, timeout="300ms", on_failure=choice))
        server.reload()
        server.wait_event("master.role-stopped", role="smtpd", count=i + 1)
        server.wait_event("master.role-started", role="smtpd", count=i + 2)
        try:
            got = send(server, PLAIN)[0]
        except (smtplib.SMTPServerDisconnected, smtplib.SMTPConnectError) as e:
            got = getattr(e, "smtp_code", 0)
        except smtplib.SMTPException as e:
            got = e.args[0]
        if kind == "milter" and choice != "accept":
            assert got in (code, 0, -1, 503), (i, got)   # refused at the greeting already
        else:
            assert got == code, (i, got)
        assert server.events("filter.verdict", verdict="failed")[i:], "it was noticed"
    if choice == "accept":
        server.wait_event("mda.delivered", count=len(addresses))
    else:
        assert server.queued() == [] and server.events("mda.delivered") == []
    for m in mad:
        m.socket.close()
        for peer in m.held:
            peer.close()


# ---- milters ------------------------------------------------------------------------------------


def test_what_a_milter_hears(postroad, programs):
    need("gcc")
    address, heard = programs.probe()
    server = postroad(config=section("probe", "milter", address))
    with server.smtp() as client:
        client.ehlo()
        client.mail("jerry@magedu.test", ["SIZE=100"])
        client.rcpt("tom@hehuan.test")
        client.rset()
        client.mail("jerry@magedu.test")
        client.rcpt("tom@hehuan.test")
        assert client.data(PLAIN)[0] == 250
    wait_for(lambda: heard().count("close") == 2, what="the end of the milter's session")
    said = heard()[1:]             # the first line is of the look whether it listens
    assert said[0].startswith("negotiate actions=1ff ")
    assert said[1] == "connect [127.0.0.1] family=2 j=mail.hehuan.test addr=127.0.0.1"
    assert said[2:] [:2] == ["helo client.magedu.test tls=-", "mail <jerry@magedu.test> SIZE=100 auth=-"]
    assert said[4:7] == ["rcpt <tom@hehuan.test> addr=tom@hehuan.test", "abort",
                         "mail <jerry@magedu.test> - auth=-"]
    accepted = server.events("smtpd.accepted")[0]["id"]
    assert said[8].startswith("data ")
    assert said[9:] == ["header From|jerry@magedu.test",
                        "header To|tom@hehuan.test", "header Subject|lunch", "eoh", "body 15",
                        f"eom i={accepted}", "close"]


@pytest.mark.parametrize("rule,replies", [
    ("connect=reject", ["550"]), ("helo=tempfail", ["220", "451"]),
    ("mail=reject", ["220", "250", "550"]),
    ("rcpt=reply:450:4.2.0:grey", ["220", "250", "250", "450 4.2.0 grey"]),
    ("rcpt@<tom@hehuan.test>=reject", ["220", "250", "250", "550"]),
    ("data=reject", ["220", "250", "250", "250", "550"]),
    ("header=tempfail", ["220", "250", "250", "250", "354", "451"]),
    ("eoh=reply:554:5.6.0:bad header", ["220", "250", "250", "250", "354", "554 5.6.0 bad header"]),
    ("body=reject", ["220", "250", "250", "250", "354", "550"]),
    ("eom=reply:550:5.7.1:no thanks", ["220", "250", "250", "250", "354", "550 5.7.1 no thanks"]),
    ("mail=accept", ["220", "250", "250", "250", "354", "250"]),
    ("body=skip", ["220", "250", "250", "250", "354", "250"]),
    ("eom=progress", ["220", "250", "250", "250", "354", "250"]),
])
def test_each_step_may_refuse(postroad, programs, rule, replies):
    need("gcc")
    address, _ = programs.probe(rule)
    server = postroad(config=section("probe", "milter", address))
    commands = [b"EHLO c.test\r\n", b"MAIL FROM:<jerry@magedu.test>\r\n",
                b"RCPT TO:<tom@hehuan.test>\r\n", b"DATA\r\n", PLAIN]
    with server.connect() as s, s.makefile("rb") as f:
        for i, want in enumerate(replies):
            if i > 0:
                s.sendall(commands[i - 1])
            line = f.readline()
            while line[3:4] == b"-":
                line = f.readline()
            assert line.decode().startswith(want), (i, line)
    if replies[-1] == "250":
        server.wait_event("mda.delivered", user="tom")
    else:
        assert server.queued() == []


def test_all_that_a_milter_may_change(postroad, programs):
    need("gcc")
    address, _ = programs.probe(
        "eom=add:X-Added:at the end", "eom=insert:0:X-Top:one", "eom=insert:1:X-First:two",
        "eom=change:1:Subject:supper", "eom=change:1:X-Gone:", "eom=from:ann@hehuan.test",
        "eom=addrcpt:<ann@hehuan.test>", "eom=delrcpt:<tom@hehuan.test>", "eom=body:another\r\nbody\r\n")
    server = postroad(config=section("probe", "milter", address))
    assert send(server, b"X-Gone: 1\r\n" + PLAIN)[0] == 250
    got = delivered(server, "ann").decode()
    assert server.events("mda.delivered", user="tom") == []
    lines = got.splitlines()
    at = {name: i for i, name in enumerate(line.split(":")[0] for line in lines)}
    assert "Return-Path: <ann@hehuan.test>" in lines
    assert at["X-Top"] < at["Received"] < at["X-First"] < at["From"] < at["X-Added"]
    assert "Subject: supper" in lines and "X-Gone" not in at
    assert got.rstrip("\n").endswith("\n\nanother\nbody")


@pytest.mark.parametrize("rule,event", [("eom=quarantine:odd", "quarantine"), ("eom=discard", "discard"),
                                        ("rcpt=discard", "discard")])
def test_quarantine_and_discard(postroad, programs, rule, event):
    need("gcc")
    address, _ = programs.probe(rule)
    server = postroad(config=section("probe", "milter", address))
    assert send(server, PLAIN)[0] == 250
    assert server.wait_event("filter.verdict", verdict=event)
    assert len(server.queued("hold")) == (event == "quarantine")
    assert server.events("mda.delivered") == [] and server.queued("active", "deferred") == []


def test_a_milter_after_another_sees_its_work(postroad, programs):
    need("gcc")
    first, _ = programs.probe("eom=add:X-One:1", "eom=body:new\r\n")
    second, heard = programs.probe()
    server = postroad(config=section("a", "milter", first) + section("b", "milter", second))
    assert send(server, PLAIN)[0] == 250
    assert {"header X-One|1", "body 5"} <= set(heard())


def test_opendkim_signs_and_verifies(postroad, programs):
    """What the milter of the one host signs, that of the next one can verify: no octet between
    changed. The key's record is handed over in a file, as nobody asks the DNS here."""
    need("opendkim", "openssl")
    (programs.dir / "opendkim").mkdir()
    (programs.dir / "opendkim/internal").write_text("127.0.0.1\n")
    signer = programs.start("opendkim")
    server = postroad(config=section("dkim", "milter", signer))
    assert send(server, PLAIN)[0] == 250
    got = delivered(server)
    signature = email.message_from_bytes(got)["DKIM-Signature"]
    assert "d=magedu.test" in signature and "s=road" in signature
    key = (programs.dir / "opendkim/road.public").read_text()
    (programs.dir / "keys").write_text(f"road._domainkey.magedu.test v=DKIM1; p={key}\n")
    (programs.dir / "message").write_bytes(got.replace(b"\n", b"\r\n"))
    conf = programs.dir / "verify.conf"
    conf.write_text(f"TestPublicKeys {programs.dir}/keys\nMode v\n")
    tested = subprocess.run(["opendkim", "-x", str(conf), "-t", str(programs.dir / "message")],
                            capture_output=True, text=True)
    assert "verification (s=road, d=magedu.test, 2048-bit key) succeeded" \
        in tested.stdout + tested.stderr


def test_mimedefang_takes_a_program_out(postroad, programs):
    """The one filter that changes the body: it says so, and the rest stays."""
    need("mimedefang", "mimedefang-multiplexor")
    programs.dir.chmod(0o777)          # its own user puts the socket there
    server = postroad(config=section("defang", "milter", programs.start("mimedefang", unix=True)))
    assert send(server, PLAIN)[0] == 250
    got = delivered(server)
    assert b"X-Looked-At: MIMEDefang" in got
    assert got.rstrip(b"\n").endswith(PLAIN.replace(b"\r\n", b"\n").split(b"\n\n")[1].rstrip(b"\n"))
    assert send(server, virus_messages()["mime"])[0] == 250
    server.wait_event("mda.delivered", count=2)
    second = server.mailbox("tom")[len(got):]
    assert b"A program named invoice.com was attached" in second
    assert b"EICAR" not in second and b"see the file" in second
    assert b"\nX-Body-Changed-By: defang\n" in second and b"X-Body-Changed-By" not in got
    assert [e["why"] for e in server.events("filter.verdict", filter="defang", step="message")] == \
        [None, "it gives the body anew"]


def test_rspamd_by_its_milter(postroad, programs):
    need("rspamd")
    server = postroad(config=section("rspamd", "milter", programs.start("rspamd")))
    assert send(server, PLAIN)[0] == 250
    assert b"At  noon?" in delivered(server)
    code, why = send(server, PLAIN.replace(b"noon", GTUBE.encode()))
    assert code in (550, 554) and b"ube" in why.lower(), why
