"""One spool file and many programs at once: our IMAP and POP3, Dovecot, alpine, mutt and mail(1). Each sees
what the others did; UIDs and flags agree where both keep them (X-UID, X-IMAPbase, Status, X-Status)."""
import os
import poplib
import random
import re
import subprocess
import threading

import pytest

from dovecot_imap import Dovecot
from store_mail import deliver, login
from terminal import Terminal, run_in_terminal

TEXTS = [b"From: Jerry <jerry@magedu.test>\r\nTo: tom@hehuan.test\r\nDate: Tue, 24 Nov 2026 08:07:54 +0000\r\n"
         b"Subject: number %d\r\nMessage-ID: <%d@magedu.test>\r\n\r\nbody %d\r\n" % (i, i, i) for i in range(5)]


@pytest.fixture
def spool(postroad):
    server = postroad(format="mbox", verbose=False)
    server.mail.chmod(0o777)           # the programs of other users make dot-locks there
    for text in TEXTS:
        deliver(server, text)
    return server


def environment(server, home):
    return {**os.environ, "HOME": str(home), "MAIL": str(server.mail / "tom"), "USER": "tom",
            "LOGNAME": "tom", "MAILRC": "/dev/null", "LC_ALL": "C.UTF-8"}


def ours(server):
    client = server.imap(30)
    client.login("tom", "tom-pw")
    return client


def state(client, close=True):
    """UIDVALIDITY and {number in the subject: (UID, flags)} as a fresh session sees it."""
    client.select("INBOX", readonly=True)
    validity = client.response("UIDVALIDITY")[1][0]
    found = {}
    count = int(client.response("EXISTS")[1][-1] or 0) or len(client.search(None, "ALL")[1][0].split())
    for seq in range(1, count + 1):
        reply = client.fetch(str(seq), "(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        text = b" ".join(part for item in reply if item for part in (item if isinstance(item, tuple) else (item,)))
        named = re.search(rb"number (\d+)", text)
        if not named:                  # removed by another since SELECT
            continue
        number = int(named[1])
        flags = {f for f in re.search(rb"FLAGS \(([^)]*)\)", text)[1].split() if f != rb"\Recent"}
        found[number] = (int(re.search(rb"UID (\d+)", text)[1]), flags)
    if close:
        client.logout()
    return validity, found


def change(client, *commands):
    client.select("INBOX")
    for uid, flags in commands:
        status, answer = client.uid("STORE", str(uid), "+FLAGS", flags)
        assert status == "OK", answer
    client.expunge()
    client.close()
    client.logout()


def test_dovecot_was_here_first(spool):
    """UIDVALIDITY and UIDs are its; from then on each takes what the other wrote."""
    dovecot = Dovecot(spool.dir / "dovecot", spool.mail / "tom")
    change(dovecot.imap(), (2, r"(\Seen $Label1)"), (4, r"(\Deleted)"))
    theirs = state(dovecot.imap())
    assert set(theirs[1]) == {0, 1, 2, 4} and theirs[1][1] == (2, {rb"\Seen", b"$Label1"})
    assert state(ours(spool)) == theirs
    change(ours(spool), (1, r"(\Deleted)"), (3, r"(\Flagged \Answered)"))
    want = (theirs[0], {1: theirs[1][1], 2: (3, {rb"\Flagged", rb"\Answered"}), 4: (5, set())})
    assert state(ours(spool)) == want and state(dovecot.imap()) == want
    deliver(spool, TEXTS[0])
    assert state(ours(spool))[1][0][0] == 6 and state(dovecot.imap())[1][0][0] == 6
    change(dovecot.imap(), (3, r"(\Deleted)"), (5, r"(\Draft)"), (6, r"(\Seen)"))
    assert state(ours(spool)) == state(dovecot.imap())
    text = spool.mailbox("tom")
    assert text.count(b"X-IMAPbase: ") == 1 and text.count(b"X-UID: ") == 3


def test_we_were_here_first(spool):
    """The other way round: Dovecot and alpine go on with our UIDs."""
    change(ours(spool), *((uid, r"(\Seen)") for uid in range(1, 6)))
    mine = state(ours(spool))
    dovecot = Dovecot(spool.dir / "dovecot", spool.mail / "tom")
    assert state(dovecot.imap()) == mine
    change(dovecot.imap(), (1, r"(\Deleted)"))
    del mine[1][0]
    assert state(ours(spool)) == mine == state(dovecot.imap())


def test_alpine(spool, tmp_path):
    """It reads, deletes and answers in the file, while a session of ours has it open."""
    client = ours(spool)
    before = state(client, close=False)
    rc = tmp_path / "pinerc"
    rc.write_text(f"""
personal-name=Tom
user-domain=hehuan.test
inbox-path={spool.mail}/tom
folder-collections=Mail {tmp_path}/mail/[]
feature-list=expunge-without-confirm,quit-without-confirm,enable-flag-cmd
last-time-prune-questioned=130.12
last-version-used=6.26
""")
    terminal = Terminal(["alpine", "-p", rc, "-i"], environment(spool, tmp_path))
    terminal.say(rb"opened with 5 messages", "\r")
    terminal.say(rb"body 0", "<")
    terminal.say(rb"MESSAGE INDEX", "n")
    terminal.say(rb"number 1", "d")
    terminal.say(rb"marked for deletion", "*")
    terminal.say(rb"Flag New", "*")
    terminal.say(rb"Flagged message 3", "x")
    terminal.say(rb"expunged", "q")
    assert b"Kept all 4 messages" in terminal.finish()
    want = {0: (before[1][0][0], {rb"\Seen"}), 2: (before[1][2][0], {rb"\Flagged"}), 3: before[1][3],
            4: before[1][4]}
    assert state(client) == (before[0], want) == state(ours(spool))
    deliver(spool, TEXTS[1])
    assert state(ours(spool))[1][1][0] > before[1][4][0]


def test_all_at_once(spool, tmp_path):
    """Deliveries, our IMAP and POP3, Dovecot, mutt and mail(1) change one file for a while: at the end
    all agree on what is there, no message is there twice, none is gone that nobody deleted."""
    dovecot = Dovecot(spool.dir / "dovecot", spool.mail / "tom")
    rc = tmp_path / "muttrc"
    rc.write_text("set delete=yes\nset quit=yes\nset mbox_type=mbox\nset move=no\nset check_new=no\n")
    (tmp_path / "Mail").mkdir()
    deleted, problems, chance = set(), [], random.Random(4)

    def guarded(work):
        def run_it():
            try:
                work()
            except Exception as problem:
                problems.append(problem)
        return threading.Thread(target=run_it)

    def delivers(first, end):
        for i in range(first, end):
            deliver(spool, TEXTS[0].replace(b"number 0", b"number %d" % i).replace(b"<0@", b"<%d@" % i))

    def deletes_by(connect, rounds):
        def work():
            for _ in range(rounds):
                client = connect()
                _, found = state(client, close=False)
                client.select()
                for number in sorted(n for n in found if n < 15)[:2]:
                    deleted.add(number)
                    client.uid("STORE", str(found[number][0]), "+FLAGS", chance.choice([r"(\Deleted)", r"(\Deleted \Seen)"]))
                client.expunge()
                client.logout()
        return work

    def pop3():
        for _ in range(4):
            client = login(spool, timeout=60)
            try:
                text = b" ".join(client.retr(1)[1])
            except poplib.error_proto:     # removed by another since
                text = b""
            named = re.search(rb"number (\d+)", text)
            if named:
                deleted.add(int(named[1]))
                client.dele(1)
            client.quit()

    def programs():
        for _ in range(3):
            # It writes back all that it read, whatever others did since: it may only look.
            done = subprocess.run(["mail", "-N"], input=b"type 1\nexit\n", capture_output=True, timeout=60,
                                  env=environment(spool, tmp_path))
            assert done.returncode == 0 and b"number" in done.stdout or b"No mail" in done.stderr, done

    def mutt():
        for _ in range(3):
            run_in_terminal(["mutt", "-n", "-F", rc, "-f", spool.mail / "tom", "-e",
                             "push '<last-entry><flag-message><sync-mailbox><exit>'"],
                            environment(spool, tmp_path), 60)

    # mutt waits for a lock five times and then asks its user: it comes when nobody holds one for long.
    for works in ((lambda: delivers(5, 25), deletes_by(lambda: ours(spool), 4), deletes_by(dovecot.imap, 4), pop3,
                   programs), (lambda: delivers(25, 35), mutt)):
        threads = [guarded(work) for work in works]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert not problems, problems
    mine, theirs = state(ours(spool)), state(dovecot.imap())
    assert {n: flags for n, (_, flags) in mine[1].items()} == {n: flags for n, (_, flags) in theirs[1].items()}
    assert set(mine[1]) | deleted == set(range(35)), (sorted(mine[1]), sorted(deleted))
    text = spool.mailbox("tom")
    assert text.count(b"\nSubject: number ") == len(mine[1])
    uids = [uid for uid, _ in mine[1].values()]
    assert len(set(uids)) == len(uids)
    client = login(spool)
    assert client.stat()[0] == len(mine[1])
    client.quit()
