"""Mailboxes that IMAP, POP3, mail(1) and mutt use at the same time; and imapd killed at any instant."""
import imaplib
import os
import re
import signal
import smtplib
import threading
import time

import pytest

from fault_strace import Trace, start_again
from postroad import wait_for
from store_mail import FORMATS, deliver, login, run
from terminal import run_in_terminal

TEXT = b"From: Jerry <jerry@magedu.test>\r\nTo: tom@hehuan.test\r\nSubject: number %d\r\n\r\nbody %d\r\n"


def imap(server):
    client = server.imap(20)
    client.login("tom", "tom-pw")
    return client


def flags(client, mailbox="INBOX"):
    """{subject: flags as a sorted list} of all messages."""
    client.select(mailbox)
    got = {}
    for line in client.fetch("1:*", "(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
        if isinstance(line, tuple):
            words = re.search(rb"FLAGS \(([^)]*)\)", line[0]).group(1).split()
            uid = int(re.search(rb"UID (\d+)", line[0]).group(1))
            got[line[1].split(b":")[1].strip().decode()] = (
                uid, sorted(w.decode() for w in words if w != b"\\Recent"))
    return got


def uidl(server):
    client = login(server)
    got = [line.split()[1] for line in client.uidl()[1]]
    client.quit()
    return got


def mail_env(server, home):
    return {**os.environ, "HOME": str(home), "MAIL": str(server.mail / "tom"), "USER": "tom",
            "LOGNAME": "tom", "MAILRC": "/dev/null", "TERM": "dumb"}


@pytest.mark.parametrize("format", FORMATS)
def test_mutt_and_imap(postroad, tmp_path, format):
    """mutt removes message 2 and flags message 3 while a session has the mailbox open."""
    server = postroad(format=format)
    for i in (1, 2, 3):
        deliver(server, TEXT % (i, i))
    names = uidl(server)
    client, idle = imap(server), imap(server)
    assert flags(client) == {"number 1": (1, []), "number 2": (2, []), "number 3": (3, [])}
    client.store("1", "+FLAGS", "(\\Seen $Label1)")
    idle.select()
    rc = tmp_path / "muttrc"
    (tmp_path / "Mail").mkdir()
    rc.write_text("set delete=yes\nset quit=yes\nset mbox_type=Maildir\nset move=no\n")
    keys = ("<delete-pattern>~snumber.2<enter><search>~snumber.3<enter><flag-message>"
            "<sync-mailbox><exit>")
    run_in_terminal(["mutt", "-n", "-F", str(rc), "-f", str(server.mail / "tom"), "-e",
                     f"push '{keys}'"], mail_env(server, tmp_path))
    client.noop()
    idle.noop()
    got = flags(client)
    assert sorted(got) == ["number 1", "number 3"]
    assert got["number 1"] == (1, ["$Label1", "\\Seen"])
    assert got["number 3"][0] == 3 and "\\Flagged" in got["number 3"][1]
    assert idle.response("EXPUNGE")[1] == [b"2"]
    client.logout()
    idle.logout()
    assert uidl(server) == [names[0], names[2]], "POP3's identifiers are not touched by any of this"


def test_mail_sees_what_imap_read_and_the_reverse(postroad, tmp_path):
    server = postroad(format="mbox")
    for i in (1, 2, 3):
        deliver(server, TEXT % (i, i))
    client = imap(server)
    client.select()
    client.store("1", "+FLAGS", "(\\Seen)")
    client.logout()
    out = run(["mail", "-N"], input=b"headers\ntype 2\nquit\n", env=mail_env(server, tmp_path))
    lines = [line for line in out.splitlines() if b"number" in line]
    marks = [line[1:2] for line in lines]
    assert marks[:3] == [b" ", b"N", b"N"], "it shows the first as read"
    assert b"number 2" in (tmp_path / "mbox").read_bytes(), "D12: what mail(1) showed goes to ~/mbox"
    client = imap(server)
    got = flags(client)
    # mail(1) moves all that was read, so also what IMAP had read
    assert got["number 3"] == (3, []) and "number 2" not in got
    client.logout()


@pytest.mark.parametrize("format", FORMATS)
def test_a_delivery_wakes_an_idle_session(postroad, format):
    server = postroad(format=format)
    deliver(server, TEXT % (1, 1))
    client = imap(server)
    client.select()
    client.send(b"i1 IDLE\r\n")
    assert client.readline().startswith(b"+")
    time.sleep(0.3)
    began = time.monotonic()
    deliver(server, TEXT % (2, 2))
    while b"2 EXISTS" not in client.readline():
        pass
    assert time.monotonic() - began < 2
    client.send(b"DONE\r\n")
    while not client.readline().startswith(b"i1 OK"):
        pass
    client.logout()


# --- kill -9 ------------------------------------------------------------------------------------------

class Worker(threading.Thread):
    """Appends, flags and expunges, and notes only what was answered."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number, self.stop = server, number, False
        self.appended, self.flagged, self.removed, self.unsure = {}, set(), set(), set()

    def run(self):
        count = 0
        while not self.stop:
            try:
                client = imap(self.server)
                client.select()
                while not self.stop:
                    count += 1
                    self.step(client, f"{self.number}-{count}", count)
            except (OSError, EOFError, imaplib.IMAP4.error):
                time.sleep(0.05)

    def step(self, client, name, count):
        self.unsure.add(name)
        ok, data = client.append("INBOX", None, None, f"Subject: {name}\r\n\r\nx\r\n".encode())
        assert ok == "OK", data
        uid = int(data[0].split()[2].rstrip(b"]"))
        validity = int(data[0].split()[1])
        self.appended[name] = (validity, uid)
        self.unsure.discard(name)
        client.noop()
        if count % 3 == 0:
            self.unsure.add(name)
            assert client.uid("STORE", str(uid), "+FLAGS", "(\\Flagged)")[0] == "OK"
            self.flagged.add(name)
            self.unsure.discard(name)
        if count % 4 == 0:
            self.unsure.add(name)
            client.uid("STORE", str(uid), "+FLAGS", "(\\Deleted)")
            assert client.uid("EXPUNGE", str(uid))[0] == "OK"
            self.removed.add(name)
            self.unsure.discard(name)


@pytest.mark.parametrize("format", FORMATS)
def test_killed_at_any_instant(postroad, format):
    """What was answered OK is there after kill -9 of imapd, once, with its UID; what was removed is gone."""
    server = postroad(format=format, verbose=False, check_deaths=False)
    deliver(server, TEXT % (0, 0))
    imap(server).logout()
    workers = [Worker(server, i) for i in range(3)]
    for worker in workers:
        worker.start()
    for i in range(4):             # each restart waits twice as long as the one before
        wait_for(lambda: "imapd" in server.role_pids(), what="imapd")
        done = sum(len(w.appended) for w in workers)
        wait_for(lambda: sum(len(w.appended) for w in workers) > done + 5, what="work")
        time.sleep(0.013 * i)
        os.kill(server.role_pids()["imapd"], signal.SIGKILL)
    wait_for(lambda: "imapd" in server.role_pids(), what="imapd")
    time.sleep(0.3)
    for worker in workers:
        worker.stop = True
    for worker in workers:
        worker.join(20)
        assert not worker.is_alive()
    client = imap(server)
    client.select()
    validity = int(client.response("UIDVALIDITY")[1][0])
    got = flags(client)
    count = int(client.select()[1][0])
    client.logout()
    assert sum(len(w.appended) for w in workers) > 20
    assert len(got) == count, "none is there twice"
    uids = [uid for uid, _ in got.values()]
    assert len(set(uids)) == len(uids)
    for worker in workers:
        for name, (was, uid) in worker.appended.items():
            if name in worker.unsure:
                continue
            assert was == validity, "the index survived"
            assert (name in got) == (name not in worker.removed), name
            if name in got:
                assert got[name][0] == uid, name
                assert ("\\Flagged" in got[name][1]) == (name in worker.flagged), name


# --- quota --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("format", FORMATS)
def test_a_full_mailbox(postroad, format):
    """452 4.2.2 to the deliverer, OVERQUOTA to the client, and room again after an expunge."""
    server = postroad(format=f'{format}"  quota = "4K')
    text = b"Subject: x\r\n\r\n" + b"0123456789.123456789.123456789.123456789.12345\r\n" * 30
    deliver(server, text)
    deliver(server, text)
    with pytest.raises(smtplib.SMTPDataError) as full:
        deliver(server, text)
    assert full.value.args == (452, b"4.2.2 no room in the mailbox, try later")
    with pytest.raises(smtplib.SMTPDataError) as never:
        deliver(server, text * 4)
    assert never.value.args[0] == 552 and never.value.args[1].startswith(b"5.2.2")
    session = imap(server)
    session.select()
    with pytest.raises(imaplib.IMAP4.error, match="OVERQUOTA"):
        raise imaplib.IMAP4.error(str(session.append("INBOX", None, None, text)))
    session.store("1", "+FLAGS", "(\\Deleted)")
    session.expunge()
    session.logout()
    deliver(server, text)


def test_a_killed_copy_leaves_nothing(postroad):
    """RFC 9051 6.4.7, RFC 3502: all or nothing, also when imapd is killed between two of the files."""
    server = postroad(format="maildir", check_deaths=False, verbose=False)
    for i in range(4):
        deliver(server, TEXT % (i, i))
    client = imap(server)
    client.create("Copies")
    many = " ".join("{1+}\r\n%d" % i for i in range(4))
    for call, mailbox, before, act in (
            ("linkat", "Copies", 0, lambda: client.copy("1:4", "Copies")),
            ("linkat", "INBOX", 4, lambda: client.copy("1:4", "INBOX")),
            ("renameat", "Copies", 0, lambda: client._simple_command("APPEND", "Copies", many))):
        client.select("INBOX")
        trace = Trace(server, "imapd", kill_at=3, call=call)
        with pytest.raises((imaplib.IMAP4.abort, OSError)):
            act()
        wait_for(trace.killed, what="the end of imapd")
        calls = trace.end()
        assert sum(c.startswith(call + "(") and c.endswith("= 0") for c in calls) == 2, calls
        start_again(server, "imapd", trace.pid)
        client = imap(server)
        assert client.select(mailbox)[1] == [b"%d" % before]
    client.select("INBOX")
    assert client.copy("1:*", "Copies")[0] == "OK"
    assert client.select("Copies")[1] == [b"4"]
    client.logout()
