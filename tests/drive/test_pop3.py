"""The POP3 server (RFC 1939, RFC 2449) with real clients, and what only a real connection shows."""
import os
import poplib
import re
import socket
import time

import pytest

from fault_strace import Trace, kill_points, start_again
from postroad import wait_for
from store_mail import FORMATS, deliver, fetch_all, login, run

TEXTS = [b"Subject: %d\r\n\r\n.\r\n..\r\nFrom %d\r\n.end\r\n" % (i, i) for i in range(4)]


@pytest.fixture(params=FORMATS)
def server(request, postroad):
    """A server whose tom has four messages."""
    s = postroad(format=request.param)
    for text in TEXTS:
        deliver(s, text)
    return s


def raw(server, *lines, timeout=10):
    """Sends all lines at once and reads until the server closes."""
    with server.connect(server.pop3_port, timeout) as s:
        s.sendall(b"".join(line + b"\r\n" for line in lines))
        with s.makefile("rb") as f:
            return f.read()


def test_octets_are_exact(server):
    client = login(server)
    count, octets = client.stat()
    sizes = [int(line.split()[1]) for line in client.list()[1]]
    assert count == 4 and sum(sizes) == octets
    for i in range(4):
        lines = client.retr(i + 1)[1]
        text = b"".join(line + b"\r\n" for line in lines)
        assert len(text) == sizes[i] and text.split(b"\r\n", 1)[1] == TEXTS[i]
        top = client.top(i + 1, 2)[1]
        assert top == lines[:lines.index(b"") + 3]
    client.quit()


def test_pipelining(server):
    """RFC 2449 6.6: all commands of a session in one segment."""
    got = raw(server, b"USER tom", b"PASS tom-pw", b"STAT", b"RETR 1", b"DELE 1", b"NOOP", b"LIST",
              b"QUIT")
    assert got.count(b"+OK") == 9 and got.endswith(b" bye\r\n")
    assert len(fetch_all(server)) == 3


def test_removal_is_at_quit_only(server):
    client = login(server)
    for i in range(1, 5):
        client.dele(i)
    client.close()                       # no QUIT
    wait_for(lambda: server.events("pop3d.close", end="lost"), what="the end of the session")
    client = login(server)
    assert client.stat()[0] == 4
    client.dele(1)
    client.dele(3)
    client.rset()
    client.dele(2)
    client.quit()
    assert fetch_all(server) == [TEXTS[0], TEXTS[2], TEXTS[3]]


def test_one_session_at_a_time(server):
    first = login(server)
    with pytest.raises(poplib.error_proto, match=r"-ERR \[IN-USE\]"):
        login(server)
    first.quit()
    login(server).quit()


def test_mail_that_comes_meanwhile(server):
    """It is not seen in the session, and survives the removals of QUIT."""
    client = login(server)
    deliver(server, b"Subject: new\r\n\r\n")
    assert client.stat()[0] == 4 and len(client.uidl()[1]) == 4
    client.dele(1)
    client.dele(2)
    client.quit()
    assert fetch_all(server) == [TEXTS[2], TEXTS[3], b"Subject: new\r\n\r\n"]


def test_unique_ids_stay(server):
    def uids():
        client = login(server)
        got = [line.split()[1] for line in client.uidl()[1]]
        client.quit()
        return got
    before = uids()
    assert len(set(before)) == 4
    assert all(re.fullmatch(rb"[\x21-\x7e]{1,70}", u) for u in before)
    assert uids() == before
    server.stop()
    server.start()
    client = login(server)
    client.dele(2)
    client.quit()
    deliver(server, b"Subject: new\r\n\r\n")
    after = uids()
    assert all(re.fullmatch(rb"[0-9a-f]{16}", u) for u in after)
    assert after[:3] == [before[0], before[2], before[3]] and after[3] not in before


def test_unique_ids_are_those_of_imap(server):
    """UID and UIDVALIDITY, in whatever order sessions of both come and whatever they do."""
    def pop3_ids():
        client = login(server)
        got = [line.split()[1].decode() for line in client.uidl()[1]]
        client.quit()
        return got

    def imap_ids():
        client = server.imap()
        client.login("tom", "tom-pw")
        client.select("INBOX", readonly=True)
        validity = int(client.response("UIDVALIDITY")[1][0])
        uids = client.uid("SEARCH", "ALL")[1][0].split()
        client.logout()
        return [f"{int(uid):08x}{validity:08x}" for uid in uids]
    deliver(server, TEXTS[1])                        # one that is like another but for its dates
    first = pop3_ids()
    assert len(first) == 5 and imap_ids() == first
    deliver(server, b"Subject: new\r\n\r\n")
    second = imap_ids()
    assert second[:5] == first and pop3_ids() == second
    client = server.imap()
    client.login("tom", "tom-pw")
    client.select()
    client.store("1:3", "+FLAGS", "(\\Seen \\Flagged word)")
    client.store("2", "+FLAGS", "(\\Deleted)")
    assert pop3_ids() == second
    client.expunge()
    client.append("INBOX", None, None, b"Subject: put here\r\n\r\n")
    client.logout()
    third = imap_ids()
    assert third[:5] == second[:1] + second[2:] and len(third) == 6 and pop3_ids() == third
    client = login(server)
    client.dele(1)
    client.quit()
    assert imap_ids() == third[1:] == pop3_ids()
    server.stop()
    server.start()
    assert pop3_ids() == third[1:]


def test_without_an_index(server):
    """What cannot be numbered has no unique-id; all else works, so that a full disk can be emptied."""
    index = server.mail / ".tom.index"
    index.mkdir()
    client = login(server)
    assert client.stat()[0] == 4
    with pytest.raises(poplib.error_proto, match=r"SYS/TEMP"):
        client.uidl()
    assert client.retr(1)[1]
    client.dele(1)
    client.quit()
    assert server.events("pop3d.no-index", user="tom")
    index.rmdir()
    client = login(server)
    assert len(client.uidl()[1]) == 3
    client.quit()


def test_wrong_user_and_wrong_password_look_alike(postroad):
    server = postroad()
    answers = set()
    for user, password in ((b"tom", b"wrong"), (b"nobody", b"wrong"), (b"locked", b"locked-pw")):
        got = raw(server, b"USER " + user, b"PASS " + password, b"QUIT").split(b"\r\n")
        answers.add((got[1], got[2]))
    assert answers == {(b"+OK send PASS", b"-ERR [AUTH] wrong user or password")}
    text = server.events_path.read_text()
    assert "tom-pw" not in text and "wrong\\r" not in text and "PASS wrong" not in text


def test_a_time_out_removes_nothing(postroad):
    """RFC 1939 3: closed without a word and without UPDATE."""
    server = postroad(config='timeouts { pop3 = "400ms" }')
    deliver(server, TEXTS[0])
    client = login(server)
    client.dele(1)
    start = time.monotonic()
    assert client.file.readline() == b""
    assert 0.3 < time.monotonic() - start < 5
    assert server.wait_event("pop3d.close", end="timeout")["user"] == "tom"
    assert fetch_all(server) == [TEXTS[0]]


def test_a_reader_that_does_not_read_holds_nobody_up(postroad):
    """A client stops reading in the midst of a large message: deliveries go on."""
    server = postroad(format="mbox", config='timeouts { pop3 = "2s" }')
    deliver(server, b"A: b\r\n\r\n" + b"0123456789\r\n" * 1000000)
    client = login(server)
    client._putcmd("RETR 1")
    time.sleep(0.3)
    for _ in range(5):
        deliver(server, TEXTS[0])
    server.wait_event("pop3d.close", timeout=15, user="tom")
    assert len(fetch_all(server)) == 6
    client.close()


def test_the_auth_process_is_away(postroad):
    server = postroad(check_deaths=False)
    os.kill(server.role_pids()["auth"], 19)          # SIGSTOP: it does not answer
    try:
        with server.connect(server.pop3_port, 40) as s:
            f = s.makefile("rb")
            f.readline()
            s.sendall(b"CAPA\r\n")
            while f.readline() != b".\r\n":
                pass
    finally:
        os.kill(server.role_pids()["auth"], 18)
    login(server).quit()


# ---- clients ---------------------------------------------------------------------------------


def test_curl(server):
    url = f"pop3://127.0.0.1:{server.pop3_port}/"
    listing = run(["curl", "-s", "-u", "tom:tom-pw", url])
    assert len(listing.splitlines()) == 4
    got = run(["curl", "-s", "-u", "tom:tom-pw", url + "2"])
    assert got.split(b"\r\n", 1)[1] == TEXTS[1]
    run(["curl", "-s", "-u", "tom:tom-pw", "-l", "-X", "DELE", "-I", url + "1"])
    assert fetch_all(server) == TEXTS[1:]


def test_fetchmail(server, tmp_path):
    """Keeps twice by UIDL (nothing new the second time), then takes everything away."""
    rc = tmp_path / "fetchmailrc"
    rc.write_text(f'poll 127.0.0.1 protocol pop3 port {server.pop3_port} no dns uidl\n'
                  f'user "tom" password "tom-pw" mda "cat >> {tmp_path}/got" ssl ""\n'
                  .replace(' ssl ""', ' sslproto ""'))
    rc.chmod(0o600)
    (tmp_path / "home").mkdir()
    env = {**os.environ, "HOME": str(tmp_path / "home"), "FETCHMAILHOME": str(tmp_path / "home")}

    def fetch(*options):
        import subprocess
        return subprocess.run(["fetchmail", "-f", str(rc), "--nosyslog", "--pidfile",
                               str(tmp_path / "pid"), *options], env=env, capture_output=True,
                              timeout=60)
    run(["fetchmail", "--version"])
    done = fetch("--keep")
    assert done.returncode == 0, (done.stdout, done.stderr)
    got = (tmp_path / "got").read_bytes()
    for i in range(4):
        assert got.count(b"Subject: %d\n" % i) == 1
    assert b"\n.\n..\nFrom 3\n.end\n" in got
    assert fetch("--keep").returncode == 1           # no new mail
    deliver(server, b"Subject: new\r\n\r\n")
    assert fetch("--keep").returncode == 0
    text = (tmp_path / "got").read_bytes()
    assert text.count(b"Subject: new") == 1 and text.count(b"Subject: 0\n") == 1
    assert fetch("--all").returncode == 0
    assert fetch_all(server) == []


# ---- kill -9 ---------------------------------------------------------------------------------


QUIT_TEXTS = [b"Subject: %d\r\n\r\n%s\r\n" % (i, b"text of message %d" % i * 20) for i in range(3)]


def quit_traced(server, kill=None):
    """A session that removes the first and the last of three messages, traced from QUIT on; killed
    before the kth call of a name with kill=(name, k). (was QUIT answered?, killed?, calls)"""
    for text in QUIT_TEXTS:
        deliver(server, text)
    client = login(server)
    client.dele(1)
    client.dele(3)
    trace = Trace(server, "pop3d", *(kill[::-1] if kill else ()))
    try:
        client.quit()
        answered = True
    except (poplib.error_proto, OSError, EOFError):
        answered = False
    time.sleep(0.03)
    killed = trace.killed()
    calls = trace.end()
    if killed:
        start_again(server, "pop3d", trace.pid)
    return answered, killed, calls


@pytest.mark.parametrize("form", FORMATS)
def test_killed_at_every_call_of_quit(postroad, form):
    """pop3d dies before each system call that it makes while it removes two of three messages: the
    second is whole afterwards, the others are there as they were or not at all."""
    server = postroad(format=form, check_deaths=False, verbose=False)
    calls = quit_traced(server)[2]
    points = kill_points(calls)
    assert len(points) > 12, calls
    outcomes, kills = set(), 0
    for point in points:
        left = fetch_all(server)
        client = login(server)
        for i in range(len(left)):
            client.dele(i + 1)
        client.quit()
        answered, killed, calls = quit_traced(server, point)
        kills += killed
        left = fetch_all(server)
        story = f"killed before {point}\n" + "\n".join(calls[-30:])
        assert QUIT_TEXTS[1] in left and len(left) == len(set(left)), story
        assert all(text in QUIT_TEXTS for text in left), story
        if form == "mbox":
            assert left in (QUIT_TEXTS, [QUIT_TEXTS[1]]), story
        if answered:
            assert left == [QUIT_TEXTS[1]], story
        outcomes.add(len(left))
    assert kills > 12 and {1, 3} <= outcomes, (kills, outcomes, points)
