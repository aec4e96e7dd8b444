"""smtpd over real sockets: what unit tests over memory cannot show."""
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from postroad import FIXTURES, wait_for
from smtpd_wire import Wire

# Nobody is trusted, so the client at 127.0.0.1 is a stranger.
STRANGERS = dict(relay_from=("192.0.2.0/24",))


def test_a_whole_transaction_in_one_segment(postroad):
    """RFC 2920: the client may send a group at once; each command has its own reply, in order."""
    server = postroad()
    with Wire(server.smtp_port) as wire:
        wire.expect("220 mail.hehuan.test ")
        assert "PIPELINING" in wire.ask("EHLO client.magedu.test\r\n", "250")
        wire.send("MAIL FROM:<jerry@magedu.test>\r\nRCPT TO:<nobody@hehuan.test>\r\n"
                  "RCPT TO:<tom@hehuan.test>\r\nDATA\r\n")
        wire.expect("250 2.1.0", "550 5.1.1", "250 2.1.5", "354")
        wire.send("Subject: one\r\n\r\n..\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<ann@hehuan.test>\r\n")
        wire.expect("250 2.0.0", "250 2.1.0", "250 2.1.5")
        wire.ask("QUIT\r\n", "221 2.0.0 mail.hehuan.test")
        assert wire.reply() == ""
    accepted = server.wait_event("smtpd.accepted")
    assert accepted["from"] == "jerry@magedu.test"
    recipients = server.events("smtpd.recipient", id=accepted["id"])
    assert [e["to"] for e in recipients] == ["tom@hehuan.test"]
    assert server.wait_event("smtpd.close")["messages"] == 1


def test_octet_by_octet(postroad):
    """Segments may end anywhere, inside CRLF.CRLF too."""
    server = postroad()
    with Wire(server.smtp_port) as wire:
        wire.expect("220")
        wire.send("EHLO client.magedu.test\r\nMAIL FROM:<a@b.test>\r\n"
                  "RCPT TO:<tom@hehuan.test>\r\nDATA\r\n", one_by_one=True)
        wire.expect("250", "250", "250", "354")
        wire.send("Subject: x\r\n\r\n.. dot\r\n.\r\nQUIT\r\n", one_by_one=True)
        wire.expect("250", "221")


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r",
                                 b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n"])
def test_no_smuggling(postroad, end):
    """RFC 5321 4.1.1.4: only CRLF.CRLF ends a message, wherever the segments end."""
    server = postroad()
    with Wire(server.smtp_port) as wire:
        wire.open()
        wire.ask("DATA\r\n", "354")
        for piece in (b"Subject: x\r\n\r\nhello" + end[:1], end[1:],
                      b"MAIL FROM:<evil@magedu.test>\r\nRCPT TO:<tom@hehuan.test>\r\nDATA\r\n"
                      b"evil\r\n.\r\n"):
            wire.send(piece)
            time.sleep(0.02)
        wire.expect("554 5.6.0")
        wire.ask("DATA\r\n", "503 5.5.1")
        wire.ask("QUIT\r\n", "221")
    assert server.events("smtpd.accepted") == []
    assert server.queued("incoming", "active", "deferred") == []


def test_a_refusal_names_rule_and_clause(postroad):
    server = postroad(**STRANGERS)
    with Wire(server.smtp_port) as wire:
        wire.open()
        wire.ask("RCPT TO:<x@elsewhere.test>\r\n", "550 5.7.1")
        wire.ask("MAIL FROM:<c@d.test>\r\n", "503 5.5.1")
    relay = server.wait_event("smtpd.refused", rule="relay-refused")
    assert relay["clause"].startswith("RFC 5321")
    assert relay["command"] == "RCPT TO:<x@elsewhere.test>"
    assert relay["reply"].startswith("550 5.7.1 ")
    assert relay["client"] == "127.0.0.1"
    assert server.wait_event("smtpd.refused", rule="sequence")["clause"] == "RFC 5321 4.1.4"


def test_submission_is_for_the_trusted(postroad):
    server = postroad(**STRANGERS)
    with Wire(server.submission_port) as wire:
        wire.expect("220")
        wire.ask("EHLO client.magedu.test\r\n", "250")
        wire.ask("MAIL FROM:<jerry@hehuan.test>\r\n", "530 5.7.0")


def test_aliases_and_unknown_users(postroad):
    server = postroad(**STRANGERS)
    with Wire(server.smtp_port) as wire:
        wire.open()
        for name, want in (("staff", "250"), ("Tom", "250"), ("tom+x", "250"), ('"tom"', "250"),
                           ("postmaster", "250"), ("nobody", "550 5.1.1"), ('"ann lee"', "250"),
                           ("tom%elsewhere.test", "550 5.7.1")):
            wire.ask(f"RCPT TO:<{name}@hehuan.test>\r\n", want)
        wire.ask("RCPT TO:<tom@[127.0.0.1]>\r\n", "250")


def test_a_silent_client_is_told_and_closed(postroad):
    """RFC 5321 4.5.3.2.7, 3.8: 421 after the time-out, in a command and in a message."""
    server = postroad(config='timeouts { command = "700ms" }')
    with Wire(server.smtp_port) as wire:
        wire.expect("220")
        wire.send("NOO")
        wire.expect("421 4.4.2 mail.hehuan.test")
        assert wire.reply() == ""
    with Wire(server.smtp_port) as wire:
        wire.open()
        wire.ask("DATA\r\n", "354")
        wire.send("Subject: half")
        wire.expect("421 4.4.2")
        assert wire.reply() == ""
    assert server.queued("incoming", "active", "deferred") == []


def test_slow_drops_do_not_stretch_the_time_out(postroad):
    server = postroad(config='timeouts { command = "1s" }')
    with Wire(server.smtp_port) as wire:
        wire.expect("220")
        begun = time.monotonic()
        for _ in range(30):
            try:
                wire.send("N")
            except OSError:
                break
            time.sleep(0.1)
        assert server.wait_event("smtpd.close")["end"] == "timeout"
        assert time.monotonic() - begun < 4


def test_shutdown_tells_idle_clients(postroad):
    """RFC 5321 3.8: 421 before the connection is closed."""
    server = postroad()
    with Wire(server.smtp_port) as wire:
        wire.expect("220")
        server.process.send_signal(signal.SIGTERM)
        wire.expect("421 4.3.2 mail.hehuan.test")
        assert wire.reply() == ""
    assert server.stop() == 0


def test_shutdown_lets_a_message_come_to_its_end(postroad):
    server = postroad()
    with Wire(server.smtp_port) as wire:
        wire.open()
        wire.ask("DATA\r\n", "354")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        wire.send("Subject: x\r\n\r\nx\r\n.\r\n")
        wire.expect("250 2.0.0", "421 4.3.2")
    assert server.stop() == 0
    assert len(server.events("smtpd.accepted")) == 1


def test_sessions_of_one_client_are_limited(postroad):
    server = postroad(config="limits { sessions-per-client = 2 }")
    with Wire(server.smtp_port) as first, Wire(server.smtp_port) as second:
        first.expect("220")
        second.expect("220")
        with Wire(server.smtp_port) as third:
            third.expect("421 4.3.2 mail.hehuan.test")
            assert third.reply() == ""
        second.ask("QUIT\r\n", "221")
        second.reply()

        def has_room():
            with Wire(server.smtp_port) as next_one:
                return next_one.reply().startswith("220")
        wait_for(has_room, what="room for another session")


def test_a_client_that_vanishes_leaves_nothing(postroad):
    server = postroad()
    for data in (b"", b"Subject: x\r\n\r\n", b"x\r\n.\r", b"x" * 300000):
        with Wire(server.smtp_port) as wire:
            wire.open()
            wire.ask("DATA\r\n", "354")
            wire.send(data)
            wire.socket.shutdown(socket.SHUT_WR)
            assert wire.reply() == ""
    server.wait_event("smtpd.close", count=4)
    assert server.events("smtpd.accepted") == []
    assert server.queued("incoming", "active", "deferred") == []


def test_size_is_offered_and_enforced_early_and_late(postroad):
    server = postroad(config='limits { message-size = "100K" }')
    with Wire(server.smtp_port) as wire:
        wire.expect("220")
        assert "SIZE 102400" in wire.ask("EHLO client.magedu.test\r\n", "250")
        wire.ask("MAIL FROM:<> SIZE=102401\r\n", "552 5.3.4")
        wire.ask("MAIL FROM:<> SIZE=10\r\n", "250")
        wire.ask("RCPT TO:<tom@hehuan.test>\r\n", "250")
        wire.ask("DATA\r\n", "354")
        wire.send(b"x" * 998 + b"\r\n" + (b"y" * 998 + b"\r\n") * 150 + b".\r\nNOOP\r\n")
        wire.expect("552 5.3.4", "250 2.0.0")
    assert server.queued("incoming", "active", "deferred") == []


def test_verbose_events_show_the_dialogue(postroad):
    server = postroad()
    with Wire(server.smtp_port) as wire:
        wire.expect("220")
        wire.ask("NOOP \x00\r\n", "501")
        wire.ask("QUIT\r\n", "221")
    server.wait_event("smtpd.close")
    assert [e["line"] for e in server.events("smtpd.command")] == ["NOOP \x00", "QUIT"]
    assert server.events("smtpd.reply")[0]["line"].startswith("220 ")


@pytest.mark.skipif(not shutil.which("swaks"), reason="swaks is not installed")
def test_swaks(postroad):
    """A client that others wrote, with and without pipelining, over both services."""
    server = postroad()
    for port, more in ((server.smtp_port, ["--pipeline"]), (server.smtp_port, ["--protocol", "SMTP"]),
                       (server.submission_port, [])):
        done = subprocess.run(
            ["swaks", "--server", "127.0.0.1", "--port", str(port), "--helo", "client.magedu.test",
             "--from", "jerry@magedu.test", "--to", "tom@hehuan.test,ann@hehuan.test", *more],
            capture_output=True, text=True, timeout=30, env={**os.environ, "LC_ALL": "C"})
        assert done.returncode == 0, done.stdout + done.stderr
    server.wait_event("smtpd.accepted", count=3)


@pytest.mark.parametrize("name", sorted(p.name for p in (FIXTURES / "messages").glob("*.eml")))
def test_fixtures_come_in_unchanged(postroad, name):
    """Octet for octet under the one Received field that was added."""
    sent = (FIXTURES / "messages" / name).read_bytes()
    sent = sent if b"\r\n" in sent else sent.replace(b"\n", b"\r\n")
    server = postroad(retry='min = "1h"  max = "1h"  expire = "5d"  scan = "500ms"')
    with server.smtp(30) as client:
        client.sendmail("jerry@magedu.test", ["jerry@elsewhere.test"], sent)
    accepted = server.wait_event("smtpd.accepted")
    wait_for(lambda: server.queued("deferred") == [accepted["id"]], what="the deferred message")
    message = (server.spool / "deferred" / accepted["id"]).read_bytes().split(b"\n\n", 1)[1]
    assert message.startswith(b"Received: from client.magedu.test ([127.0.0.1])\r\n")
    assert message.endswith(sent) and message.count(b"\r\n\tby mail.hehuan.test") == 1
    assert accepted["size"] == len(sent)
