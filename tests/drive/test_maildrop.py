"""maildrop delivers into the Maildir that sessions of ours have open, with a quota of its own beside (Maildir++)."""
import re
import subprocess
import threading

from store_mail import deliver, fetch_all, run

MESSAGE = b"From: Jerry <jerry@magedu.test>\nSubject: theirs %d\n\nbody\n"


def maildrop(server, rc, text):
    return subprocess.run(["maildrop", str(rc)], input=text, capture_output=True, timeout=60)


def opened(server):
    client = server.imap(30)
    client.login("tom", "tom-pw")
    client.select()
    return client


def subjects(client):
    found = []
    for item in client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
        found += re.findall(rb"Subject: (\w+ \d+)", item[1]) if isinstance(item, tuple) else []
    return found


def test_maildrop_while_sessions_look(postroad, tmp_path):
    """Two deliverers, one session that flags what comes, one that expunges: each message is there once,
    no UID changes hands."""
    server = postroad(format="maildir", verbose=False)
    run(["maildrop", "-v"])
    deliver(server, b"Subject: ours 0\r\n\r\n")
    rc = tmp_path / "rc"
    rc.write_text(f'to "{server.mail}/tom"\n')
    rc.chmod(0o600)
    problems, uids, expunged = [], {}, set()
    done = threading.Event()

    def guarded(work, *arguments):
        def run_it():
            try:
                work(*arguments)
            except Exception as problem:
                problems.append(problem)
        return threading.Thread(target=run_it)

    def theirs(first):
        for i in range(first, first + 20):
            got = maildrop(server, rc, MESSAGE % i)
            assert got.returncode == 0, got

    def ours():
        for i in range(1, 20):
            deliver(server, b"Subject: ours %d\r\n\r\nbody\r\n" % i)

    def flags():
        client = opened(server)
        while not done.is_set():
            client.noop()
            client.store("1:*", "+FLAGS", r"(\Seen)")
        client.logout()

    def expunges():
        client = opened(server)
        while not done.is_set():
            client.noop()
            for item in client.uid("FETCH", "1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]:
                if not isinstance(item, tuple):
                    continue
                uid = int(re.search(rb"UID (\d+)", item[0])[1])
                name = re.search(rb"Subject: (\w+ \d+)", item[1])[1]
                assert uids.setdefault(uid, name) == name, "a UID is one message's"
                if name.endswith(b"7"):
                    client.uid("STORE", str(uid), "+FLAGS", r"(\Deleted)")
                    expunged.add(name)
            client.expunge()
        client.logout()

    readers = [guarded(flags), guarded(expunges)]
    writers = [guarded(theirs, 0), guarded(theirs, 20), guarded(ours)]
    for t in readers + writers:
        t.start()
    for t in writers:
        t.join()
    done.set()
    for t in readers:
        t.join()
    assert not problems, problems
    client = opened(server)
    want = {b"theirs %d" % i for i in range(40)} | {b"ours %d" % i for i in range(20)}
    assert sorted(subjects(client)) == sorted(want - expunged)
    assert len(set(uids.values())) == len(uids), "a message has one UID"
    client.logout()


def test_a_maildir_with_maildrops_quota(postroad, tmp_path):
    """maildirsize, which maildrop keeps in the Maildir, is no message and stays; what maildrop bounces for
    its quota is not there, and there is room when a session of ours has expunged."""
    server = postroad(format="maildir", verbose=False)
    deliver(server, b"Subject: ours 0\r\n\r\n")
    box = server.mail / "tom"
    run(["maildirmake", "-q", "2000S", str(box)])
    rc = tmp_path / "rc"
    rc.write_text(f'to "{box}"\n')
    rc.chmod(0o600)
    client = opened(server)
    full = [maildrop(server, rc, MESSAGE % i + b"x" * 600).returncode for i in range(5)]
    assert full[0] == 0 and full[-1] != 0, full
    kept = full.count(0)
    client.noop()
    assert len(subjects(client)) == 1 + kept and (box / "maildirsize").exists()
    client.store("1:*", "+FLAGS", r"(\Deleted)")
    client.expunge()
    assert (box / "maildirsize").exists()
    # The file says what was, until it is counted anew: maildrop does that when it is over the quota.
    got = maildrop(server, rc, MESSAGE % 9)
    client.noop()
    assert got.returncode == 0 and subjects(client) == [b"theirs 9"], got
    client.logout()
    assert len(fetch_all_lines(server)) == 1


def fetch_all_lines(server):
    client = server.pop3(20)
    client.user("tom")
    client.pass_("tom-pw")
    count = client.stat()[0]
    found = [client.retr(i + 1)[1] for i in range(count)]
    client.quit()
    return found
