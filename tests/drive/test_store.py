"""The spool together with other programs: mail(1), mutt, procmail (D12). Locks, and what each
writes into the file, agree; POP3 sees a consistent mailbox."""
import mailbox
import os
import subprocess
import threading

import pytest

from postroad import FIXTURES
from store_mail import deliver, fetch_all, login, run
from terminal import run_in_terminal

TEXTS = [b"From: Jerry <jerry@magedu.test>\r\nTo: tom@hehuan.test\r\nSubject: number %d\r\n\r\n"
         b"body %d\r\n.\r\nFrom here on\r\n" % (i, i) for i in range(3)]


@pytest.fixture
def spool(postroad):
    """A server with an mbox of three messages."""
    server = postroad(format="mbox")
    for text in TEXTS:
        deliver(server, text)
    return server


def uids(server):
    client = login(server)
    got = [line.split()[1] for line in client.uidl()[1]]
    client.quit()
    return got


def mail_env(server, home):
    return {**os.environ, "HOME": str(home), "MAIL": str(server.mail / "tom"), "USER": "tom",
            "LOGNAME": "tom", "MAILRC": "/dev/null", "TERM": "dumb"}


def test_mail_moves_what_was_read_to_mbox(spool, tmp_path):
    """D12: mail(1) reads message 2 and quits: it goes to ~/mbox, the others stay."""
    before = uids(spool)
    out = run(["mail", "-N"], input=b"type 2\nquit\n", env=mail_env(spool, tmp_path))
    assert b"number 1" in out
    kept = tmp_path / "mbox"
    assert b"Subject: number 1" in kept.read_bytes() and b"number 0" not in kept.read_bytes()
    assert uids(spool) == [before[0], before[2]], "mail(1) wrote Status; the identifiers stay"
    client = login(spool)
    got = [b"".join(line + b"\r\n" for line in client.retr(i)[1]) for i in (1, 2)]
    client.quit()
    assert b"Subject: number 0" in got[0] and got[0].endswith(b"body 0\r\n.\r\nFrom here on\r\n")
    assert b"Subject: number 2" in got[1]
    deliver(spool, b"Subject: later\r\n\r\n")
    assert len(uids(spool)) == 3


def test_what_mail_kept_is_a_mailbox(postroad, tmp_path):
    """~/mbox, which grows under the eyes of a session that has it selected."""
    home = tmp_path / "tom"
    home.mkdir()
    users = (FIXTURES / "accounts/users").read_text()
    tom = next(line.split(":") for line in users.splitlines() if line.startswith("tom:"))
    server = postroad(format=f'mbox"  kept = "~/mbox" folders = "{tmp_path}/%u.mail', config="landlock = false",
                      users=":".join(tom[:2] + ["0", "0", str(home)]) + "\n", aliases="")
    for text in TEXTS:
        deliver(server, text)
    client = server.imap()
    client.login("tom", "tom-pw")
    assert client.list()[1] == [b'(\\HasNoChildren) "/" INBOX']
    run(["mail", "-N"], input=b"type 1\nquit\n", env=mail_env(server, home))
    assert b'(\\Noinferiors) "/" mbox' in client.list()[1], client.list()
    assert client.select("mbox")[1] == [b"1"] and client.select("INBOX")[1] == [b"2"]
    client.select("mbox")
    run(["mail", "-N"], input=b"type 2\nquit\n", env=mail_env(server, home))
    assert client.noop()[0] == "OK" and client.response("EXISTS")[1][-1] == b"2"
    assert b"Subject: number 2" in client.fetch("2", "(BODY[HEADER])")[1][0][1]
    client.copy("1", "INBOX")
    client.store("1", "+FLAGS", "(\\Deleted)")
    client.expunge()
    assert b"number 0" not in (home / "mbox").read_bytes()
    assert client.create("mbox")[0] == "NO" and client.create("Other")[0] == "OK"
    assert client.rename("mbox", "Read")[0] == "OK" and not (home / "mbox").exists()
    assert (tmp_path / "tom.mail/Read").exists()
    client.logout()
    client = login(server)
    assert client.stat()[0] == 2
    client.quit()


def test_mail_removes_while_pop3_is_open(spool, tmp_path):
    client = login(spool)
    run(["mail", "-N"], input=b"delete 1\nquit\n", env=mail_env(spool, tmp_path))
    assert client.retr(2)[1][3] == b"Subject: number 1"
    with pytest.raises(Exception, match="no longer there"):
        client.retr(1)
    client.dele(1)
    client.dele(3)
    deliver(spool, b"Subject: later\r\n\r\n")
    client.quit()
    client = login(spool)
    subjects = [line for i in (1, 2) for line in client.retr(i)[1] if line.startswith(b"Subject")]
    assert client.stat()[0] == 2 and subjects == [b"Subject: number 1", b"Subject: later"]
    client.quit()


def mutt(server, home, rc):
    """Removes message 2 and flags message 3."""
    keys = ("<delete-pattern>~snumber.1<enter><search>~snumber.2<enter><flag-message>"
            "<sync-mailbox><exit>")
    run_in_terminal(["mutt", "-n", "-F", str(rc), "-f", str(server.mail / "tom"),
                     "-e", f"push '{keys}'"], mail_env(server, home))


def test_mutt_marks_and_removes(spool, tmp_path):
    before = uids(spool)
    rc = tmp_path / "muttrc"
    (tmp_path / "Mail").mkdir()
    rc.write_text("set delete=yes\nset quit=yes\nset mbox_type=mbox\nset move=no\n")
    mutt(spool, tmp_path, rc)
    assert uids(spool) == [before[0], before[2]]
    assert b"X-Status: F" in spool.mailbox("tom")
    deliver(spool, b"Subject: later\r\n\r\n")
    assert len(uids(spool)) == 3


def test_python_reads_the_spool(spool):
    box = mailbox.mbox(spool.mail / "tom")
    assert [m["Subject"] for m in box] == ["number 0", "number 1", "number 2"]
    assert box[0].get_from().startswith("jerry@magedu.test ")
    assert box[0]["Return-Path"] == "<jerry@magedu.test>"


def test_procmail_delivers_at_the_same_time(postroad, tmp_path):
    """Both append, and a POP3 session removes: every message arrives once."""
    server = postroad(format="mbox", verbose=False)
    box = server.mail / "tom"
    rc = tmp_path / "procmailrc"
    rc.write_text(f"DEFAULT={box}\nLOCKEXT=.lock\nLOCKSLEEP=1\n:0:\n{box}\n")
    run(["procmail", "-v"])
    rounds = 30

    def ours():
        for i in range(rounds):
            deliver(server, b"Subject: ours %d\r\n\r\n" % i)

    def theirs():
        for i in range(rounds):
            subprocess.run(["procmail", "-m", str(rc)], check=True,
                           input=b"From x Tue Nov 24 08:07:54 2026\nSubject: theirs %d\n\n" % i)
    threads = [threading.Thread(target=ours), threading.Thread(target=theirs)]
    for t in threads:
        t.start()
    got = []
    while any(t.is_alive() for t in threads):
        client = login(server, timeout=60)
        for i in range(1, client.stat()[0] + 1):
            if i % 2:
                got += [line for line in client.retr(i)[1] if line.startswith(b"Subject")]
                client.dele(i)
        client.quit()
    for t in threads:
        t.join()
    client = login(server)
    for i in range(1, client.stat()[0] + 1):
        got += [line for line in client.retr(i)[1] if line.startswith(b"Subject")]
    client.quit()
    assert sorted(got) == sorted(b"Subject: %s %d" % (who, i) for who in (b"ours", b"theirs")
                                 for i in range(rounds))


def test_maildir_with_mutt(postroad, tmp_path):
    server = postroad(format="maildir")
    for text in TEXTS:
        deliver(server, text)
    before = uids(server)
    rc = tmp_path / "muttrc"
    (tmp_path / "Mail").mkdir()
    rc.write_text("set delete=yes\nset quit=yes\nset mbox_type=Maildir\nset move=no\n")
    client = login(server)
    mutt(server, tmp_path, rc)
    assert b"Subject: number 2" in client.retr(3)[1], "it was moved to cur/ and flagged"
    client.quit()
    assert uids(server) == [before[0], before[2]]
    assert [b"number 0" in m or b"number 2" in m for m in fetch_all(server)] == [True, True]
