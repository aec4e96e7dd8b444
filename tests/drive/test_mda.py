"""The delivery agent over its socket: LMTP (RFC 2033) from Python's smtplib and from raw bytes."""
import os
import re
import smtplib
import socket
import stat
import subprocess
import threading
import time

import pytest

from fault_strace import Trace, kill_points, start_again
from postroad import FIXTURES, wait_for
from store_mail import FORMATS, deliver, fetch_all, lmtp, login

TEXT = (b"Received: from a\r\n\tby b with ESMTP id 6a1f2c;\r\n\tTue, 24 Nov 2026 08:07:54 +0000\r\n"
        b"From: <jerry@magedu.test>\r\nSubject: lines\r\n\r\n.\r\n..\r\n.x\r\nFrom here\r\n"
        b">From there\r\n\r\nFrom a Tue Nov 24 08:07:54 2026\r\ncaf\xc3\xa9\r\n\r\n\r\n")


@pytest.mark.parametrize("form", FORMATS)
def test_messages_come_out_as_they_went_in(postroad, form):
    server = postroad(format=form)
    texts = [TEXT, b"Subject: x\r\n\r\n", b"\r\n", b"A: b\r\n\r\n" + b"x" * 1500 + b"\r\n",
             b"A: b\r\n\r\n" + b"0123456789.123456789.123456789.123456789.123456789.\r\n" * 20000]
    for text in texts:
        deliver(server, text)
    assert fetch_all(server) == texts
    event = server.events("mda.delivered")[0]
    assert event["user"] == "tom" and event["id"] == "6a1f2c" and event["format"] == form
    assert event["size"] == len(TEXT) and os.path.exists(event["path"])


def test_the_spool_of_old(postroad):
    """D11: <spool>/<user>, made at the first delivery, mode 0660; a Return-Path; mboxrd quoting."""
    server = postroad(format="mbox")
    assert not (server.mail / "tom").exists()
    deliver(server, TEXT)
    path = server.mail / "tom"
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    text = path.read_bytes()
    assert re.match(rb"From jerry@magedu.test \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n"
                    rb"Return-Path: <jerry@magedu.test>\nReceived: ", text)
    assert b"\n>From here\n>>From there\n" in text and b"\r" not in text
    assert text.endswith(b"caf\xc3\xa9\n\n\n\n")
    assert sorted(p.name for p in server.mail.iterdir()) == ["tom"]


def test_each_recipient_has_a_reply(postroad):
    server = postroad(format="maildir")
    with lmtp(server) as client:
        refused = client.sendmail("jerry@magedu.test", ["tom@hehuan.test", "nobody@hehuan.test",
                                                        "ann@hehuan.test"], TEXT)
    assert list(refused) == ["nobody@hehuan.test"]
    assert refused["nobody@hehuan.test"][0] == 550
    assert fetch_all(server, "tom") == fetch_all(server, "ann") == [TEXT]


def test_smtp_clients_are_told(postroad):
    server = postroad()
    with lmtp(server) as client:
        assert client.docmd("EHLO x")[0] == 500 and client.docmd("HELO x")[0] == 500
        assert client.docmd("DATA")[0] == 503


def talk(server, text, end=b"closing\r\n"):
    """Sends all at once and reads to the end."""
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(str(server.lmtp_socket))
    sender = threading.Thread(target=s.sendall, args=(text,))
    sender.start()
    got = b""
    while not got.endswith(end):
        part = s.recv(65536)
        assert part, got[-500:]
        got += part
    sender.join()
    s.close()
    return got


@pytest.mark.parametrize("form", FORMATS)
def test_thousands_of_messages_in_one_batch(postroad, form):
    """RFC 2920: the client does not wait for one reply. Also the rate, for who reads the output."""
    server = postroad(format=form, verbose=False)
    n = 2000
    one = (b"MAIL FROM:<jerry@magedu.test>\r\nRCPT TO:<tom@hehuan.test>\r\nDATA\r\n"
           b"Subject: %d\r\n\r\nhello\r\n.\r\n")
    got = talk(server, b"LHLO a.test\r\n" + b"".join(one % i for i in range(n)) + b"QUIT\r\n")
    assert got.count(b"250 2.0.0 <tom@hehuan.test> delivered\r\n") == n
    client = login(server)
    assert client.stat()[0] == n
    uids = [line.split()[1] for line in client.uidl()[1]]
    assert len(set(uids)) == n
    assert client.retr(n)[1][1] == b"Subject: %d" % (n - 1), "in the order of delivery"
    client.quit()


@pytest.mark.parametrize("form", FORMATS)
def test_many_connections_at_once(postroad, form):
    server = postroad(format=form, verbose=False)
    problems = []

    def work(name):
        try:
            with lmtp(server) as client:
                for i in range(20):
                    client.sendmail("jerry@magedu.test", ["tom@hehuan.test"],
                                    b"Subject: %d-%d\r\n\r\n" % (name, i))
        except Exception as problem:
            problems.append(problem)
    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems
    want = {b"Subject: %d-%d\r\n\r\n" % (n, i) for n in range(20) for i in range(20)}
    got = fetch_all(server)
    assert len(got) == 400 and set(got) == want


@pytest.fixture
def small_disk():
    """A function that mounts a small file system on a folder; needs root."""
    mounts = []

    def mount(folder, size):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "tmpfs",
                               folder], capture_output=True)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a tmpfs here: {done.stderr.decode().strip()}")
        mounts.append(folder)
    yield mount
    for folder in mounts:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk(postroad, small_disk, form):
    """452, nothing half-written, and the user can still make room by POP3."""
    server = postroad(format=form, start=False)
    small_disk(server.mail, "400k")
    server.start()
    text = b"Subject: big\r\n\r\n" + b"0123456789.123456789.123456789.12345678\r\n" * 1000
    taken = 0
    with lmtp(server) as client:
        while taken < 40:
            try:
                client.sendmail("jerry@magedu.test", ["tom@hehuan.test"], text)
                taken += 1
            except smtplib.SMTPRecipientsRefused as refused:
                assert [reply[0] for reply in refused.recipients.values()] == [452]
                break
            except smtplib.SMTPDataError as refused:
                assert refused.smtp_code == 452
                break
    assert 2 < taken < 40, "the disk did not become full"
    assert not list(server.mail.glob("*.lock"))
    assert fetch_all(server) == [text] * taken
    client = login(server)
    for i in range(1, taken + 1):
        client.dele(i)
    client.quit()
    deliver(server, text)
    assert fetch_all(server) == [text]
    server.stop()


@pytest.mark.parametrize("form", FORMATS)
def test_a_killed_delivery(postroad, form):
    """kill -9 with a message half sent: nothing of it is left, and the next is taken at once."""
    server = postroad(format=form, check_deaths=False)
    deliver(server, TEXT)
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(server.lmtp_socket))
    s.sendall(b"LHLO a.test\r\nMAIL FROM:<>\r\nRCPT TO:<tom@hehuan.test>\r\nDATA\r\n")
    s.sendall(b"x" * 600000)
    wait_for(lambda: b"354" in s.recv(65536), what="354")
    old = server.role_pids()["mda"]
    os.kill(old, 9)
    wait_for(lambda: server.role_pids().get("mda", old) != old, what="a new mda")
    deliver(server, TEXT)
    assert fetch_all(server) == [TEXT, TEXT]
    s.close()


def deliver_traced(server, text, kill=None):
    """One delivery, traced; mda is killed before the kth call of a name with kill=(name, k).
    (was it answered 250?, killed?, calls)"""
    trace = Trace(server, "mda", *(kill[::-1] if kill else ()))
    try:
        deliver(server, text)
        answered = True
    except (smtplib.SMTPException, OSError):
        answered = False
    time.sleep(0.03)
    killed = trace.killed()
    calls = trace.end()
    if killed:
        start_again(server, "mda", trace.pid)
    return answered, killed, calls


@pytest.mark.parametrize("form", FORMATS)
def test_killed_at_every_call_of_a_delivery(postroad, form):
    """Never lost after 250, never half there, and the next delivery need not wait for a lock."""
    server = postroad(format=form, check_deaths=False, verbose=False)
    points = kill_points(deliver_traced(server, b"N: first\r\n\r\n")[2])
    assert len(points) > 20
    want, kills = [b"N: first\r\n\r\n"], 0
    for number, point in enumerate(points):
        text = b"N: %d\r\n\r\n%s" % (number, b"some text of some length\r\n" * 50)
        answered, killed, calls = deliver_traced(server, text, point)
        story = f"killed before {point}\n" + "\n".join(calls[-30:])
        start = time.monotonic()
        deliver(server, b"N: after %d\r\n\r\n" % number)
        assert time.monotonic() - start < 3, story
        got = fetch_all(server)
        assert got[:len(want)] == want, story
        assert got[len(want):-1] in ([text], []) and not (answered and text not in got), story
        assert got[-1] == b"N: after %d\r\n\r\n" % number, story
        want, kills = got, kills + killed
    assert kills > 12, kills


def test_a_mailbox_that_another_holds(postroad):
    """A dot-lock of a living process: the delivery waits for it and is made then."""
    server = postroad(format="mbox")
    lock = server.mail / "tom.lock"
    lock.write_text(str(os.getpid()))
    timer = threading.Timer(1.0, lock.unlink)
    timer.start()
    deliver(server, TEXT)
    timer.join()
    assert fetch_all(server) == [TEXT]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("form", FORMATS)
def test_mailboxes_belong_to_their_users(postroad, form):
    """D11: owner the user, group mail, 0660, and POP3 can read and remove there."""
    import grp
    mail = grp.getgrnam("mail").gr_gid
    users = (FIXTURES / "accounts/users").read_text()
    tom = next(line for line in users.splitlines() if line.startswith("tom:"))
    users = f"{tom}:12345:12345:/nonexistent\n"
    server = postroad(format=form, users=users, user="nobody", mda_user="games", start=False)
    os.chown(server.mail, 0, mail)
    server.mail.chmod(0o2775)
    server.dir.chmod(0o777)
    server.start()
    for i in range(3):
        deliver(server, b"N: %d\r\n\r\n" % i)
    st = (server.mail / "tom").stat()
    assert (st.st_uid, st.st_gid) == (12345, mail)
    assert stat.S_IMODE(st.st_mode) == (0o660 if form == "mbox" else 0o2770)
    client = login(server)
    assert client.stat()[0] == 3
    client.dele(2)
    client.quit()
    assert fetch_all(server) == [b"N: 0\r\n\r\n", b"N: 2\r\n\r\n"]
    st = (server.mail / "tom").stat()
    assert (st.st_uid, st.st_gid) == (12345, mail)
