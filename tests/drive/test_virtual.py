"""Virtual accounts: domains, users and aliases in SQLite, without system accounts (D31)."""
import poplib
import smtplib
import subprocess

import pytest

from postroad import POSTROAD, wait_for

MESSAGE = "Subject: hello\r\n\r\nhello\r\n"
CONFIG = """
accounts system { type = "file" }
accounts virtual { type = "sqlite" path = "virtual.db" }
auth { mechanisms = {"PLAIN", "CRAM-MD5", "SCRAM-SHA-256"} plain-without-tls = true }
"""


@pytest.fixture
def server(postroad):
    def make(**arguments):
        s = postroad(start=False, config=CONFIG, relay_from=(), **arguments)
        s.ctl("domain", "add", "magedu.test")
        s.ctl("user", "--quota", "10M", "add", "jerry@magedu.test", input=b"jerry-pw\n")
        return s.start()
    return make


def send(s, *to, sender="a@elsewhere.test"):
    with s.smtp() as c:
        return c.sendmail(sender, list(to), MESSAGE)


def refused(s, to):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as e:
        send(s, to)
    return e.value.recipients[to]


def pop3(s, user, password):
    c = s.pop3()
    try:
        c.user(user)
        c.pass_(password)
    except poplib.error_proto:
        c.close()
        raise
    return c


def test_mail_and_log_in_of_a_virtual_user(server):
    s = server()
    send(s, "Jerry@MagEdu.test", "jerry+list@magedu.test", "tom@hehuan.test")
    s.wait_event("mda.delivered", user="jerry@magedu.test", count=2)
    s.wait_event("mda.delivered", user="tom")
    assert b"hello" in s.mailbox("jerry@magedu.test")
    c = pop3(s, "jerry@magedu.test", "jerry-pw")
    assert c.stat()[0] == 2
    c.quit()
    with pytest.raises(poplib.error_proto):
        pop3(s, "jerry@magedu.test", "wrong")
    with s.submission() as c:
        c.ehlo()
        c.login("jerry@magedu.test", "jerry-pw")
        c.sendmail("jerry@magedu.test", ["tom@hehuan.test"], MESSAGE)
    assert refused(s, "nobody@magedu.test")[0] == 550
    assert b"5.7.1" in refused(s, "x@elsewhere.test")[1]
    with s.smtp() as c:
        assert c.verify("jerry@magedu.test")[0] == 252


def test_a_full_account(server):
    """RFC 5321 4.5.3.1.10, RFC 3463 3.3: 452 4.2.2 is tried again, and there is room when something went; 552 5.2.2
    goes back to the sender at once."""
    s = server(format="maildir")
    s.ctl("domain", "add", "small.test")
    s.ctl("user", "--quota", "4K", "add", "ann@small.test", input=b"ann-pw\n")
    text = MESSAGE + "0123456789.123456789.123456789.123456789.12345\r\n" * 30
    for _ in range(2):
        with s.smtp() as c:
            c.sendmail("tom@hehuan.test", ["ann@small.test"], text)
    s.wait_event("mda.delivered", user="ann@small.test", count=2)
    with s.smtp() as c:
        c.sendmail("tom@hehuan.test", ["ann@small.test"], text)
    failed = s.wait_event("queue.deferred", to="ann@small.test")
    assert failed["status"] == "4.2.2" and failed["reply"].startswith("452")
    with s.smtp() as c:
        c.sendmail("tom@hehuan.test", ["ann@small.test"], text * 3)
    failed = s.wait_event("queue.failed", to="ann@small.test")
    assert failed["status"] == "5.2.2" and failed["reply"].startswith("552")
    s.wait_event("mda.delivered", user="tom")
    c = pop3(s, "ann@small.test", "ann-pw")
    c.dele(1)
    c.quit()
    s.wait_event("mda.delivered", user="ann@small.test", count=3, timeout=30)


def test_what_changes_counts_at_once(server):
    s = server()
    s.ctl("domain", "add", "new.test")
    assert refused(s, "ann@new.test")[0] == 550
    s.ctl("user", "add", "ann@new.test", input=b"ann-pw\n")
    send(s, "ann@new.test")
    pop3(s, "ann@new.test", "ann-pw").quit()
    s.ctl("user", "passwd", "ann@new.test", input=b"other-pw\n")
    with pytest.raises(poplib.error_proto):
        pop3(s, "ann@new.test", "ann-pw")
    pop3(s, "ann@new.test", "other-pw").quit()
    for change, back in ((["disable"], ["enable"]),
                         (["--expires", "2001-01-01", "set"], ["--expires", "never", "set"])):
        s.ctl("user", *change, "ann@new.test")
        with pytest.raises(poplib.error_proto) as e:
            pop3(s, "ann@new.test", "other-pw")
        assert "[AUTH]" in str(e.value)
        send(s, "ann@new.test")        # the mail is taken all the same
        s.ctl("user", *back, "ann@new.test")
        pop3(s, "ann@new.test", "other-pw").quit()
    whys = [e["why"] for e in s.events("auth.refused", user="ann@new.test")]
    assert "the account is disabled" in whys and "the account has expired" in whys
    s.ctl("user", "remove", "ann@new.test")
    s.ctl("domain", "remove", "new.test")
    assert b"5.7.1" in refused(s, "ann@new.test")[1]


def test_aliases_and_catch_all(server):
    s = server()
    s.ctl("user", "--locked", "add", "ann@magedu.test")
    s.ctl("alias", "add", "staff@magedu.test", "jerry@magedu.test", "ann@magedu.test",
          "tom@hehuan.test")
    s.ctl("alias", "add", "ann@magedu.test", "ann@magedu.test", "jerry@magedu.test")
    s.ctl("alias", "add", "loop@magedu.test", "pool@magedu.test")
    s.ctl("alias", "add", "pool@magedu.test", "loop@magedu.test")
    send(s, "staff@magedu.test")
    s.wait_event("mda.delivered", user="jerry@magedu.test")
    s.wait_event("mda.delivered", user="ann@magedu.test")
    s.wait_event("mda.delivered", user="tom")
    send(s, "loop@magedu.test", sender="jerry@magedu.test")
    s.wait_event("queue.bounced")
    assert refused(s, "whoever@magedu.test")[0] == 550
    s.ctl("alias", "add", "@magedu.test", "ann@magedu.test")
    send(s, "whoever@magedu.test")
    s.wait_event("mda.delivered", to="ann@magedu.test", count=2)
    send(s, "postmaster@magedu.test")  # RFC 5321 4.5.1
    s.wait_event("mda.delivered", user="jerry")
    listed = s.ctl("alias", "list").stdout
    assert "staff@magedu.test" in listed and "@magedu.test " in listed
    s.ctl("alias", "remove", "@magedu.test")
    assert refused(s, "whoever@magedu.test")[0] == 550


def test_import(server, tmp_path):
    s = server()
    (tmp_path / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\ntom:x:1000:1000::/home/tom:/bin/sh\n"
        "ann:x:1001:1001::/home/ann:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    hashed = subprocess.run(["openssl", "passwd", "-6", "tom-pw"], capture_output=True, text=True,
                            check=True).stdout.strip()
    (tmp_path / "shadow").write_text(f"root:*:1::::::\ntom:{hashed}:1::::::\nann:!:1:::::10:\n")
    out = s.ctl("user", "--domain", "old.test", "--shadow", str(tmp_path / "shadow"), "import",
                "passwd", str(tmp_path / "passwd")).stdout
    assert out == "2 users imported\n"
    pop3(s, "tom@old.test", "tom-pw").quit()
    (tmp_path / "users.csv").write_text(
        'address,password,quota,groups,disabled,scheme\r\n'
        'eve@csv.test,"eve,""pw""",1G,"staff, all",0,scram-sha-256\r\nbob@csv.test,bob-pw,,,1,\r\n')
    assert s.ctl("user", "import", "csv", str(tmp_path / "users.csv")).stdout == "2 users imported\n"
    pop3(s, "eve@csv.test", 'eve,"pw"').quit()
    with pytest.raises(poplib.error_proto):
        pop3(s, "bob@csv.test", "bob-pw")
    # All or nothing, with the line.
    (tmp_path / "bad.csv").write_text("address,password\nnew@csv.test,x\neve@csv.test,again\n")
    done = s.ctl("user", "import", "csv", str(tmp_path / "bad.csv"), check=False)
    assert done.returncode == 65 and "bad.csv:3" in done.stderr
    assert "new@csv.test" not in s.ctl("user", "--db", str(s.dir / "virtual.db"), "list").stdout


def test_injection(server):
    s = server()
    for name in ("' OR 1=1 --@magedu.test", "jerry'--@magedu.test", 'jerry" OR ""="@magedu.test',
                 "%@magedu.test", "*@magedu.test", "jerry@magedu.test'; DROP TABLE user; --"):
        with pytest.raises(poplib.error_proto) as e:
            pop3(s, name, "jerry-pw")
        assert "[AUTH]" in str(e.value)
    pop3(s, "jerry@magedu.test", "jerry-pw").quit()


def test_a_database_that_is_away_is_for_later(server):
    s = server()
    db = s.dir / "virtual.db"
    away = s.dir / "away.db"
    db.rename(away)
    with pytest.raises(poplib.error_proto) as e:
        pop3(s, "jerry@magedu.test", "jerry-pw")
    assert "[SYS/TEMP]" in str(e.value)
    assert refused(s, "jerry@magedu.test")[0] == 451
    pop3(s, "tom", "tom-pw").quit()    # whoever comes earlier in the order is not concerned
    assert s.wait_event("auth.backend-down")["backend"] == "virtual"
    away.rename(db)
    # By itself, within the pause.
    wait_for(lambda: pop3_works(s), 10, "the log-in after the database came back")


def pop3_works(s):
    try:
        pop3(s, "jerry@magedu.test", "jerry-pw").quit()
        return True
    except poplib.error_proto:
        return False


def test_commands_say_what_is_wrong(server):
    s = server()
    for command, word in (
            (["user", "add", "x@nowhere.test"], "no such domain"),
            (["user", "add", "jerry@magedu.test"], "exists"),
            (["user", "add", "a b@magedu.test"], "local part"),
            (["user", "passwd", "nobody@magedu.test"], "no such user"),
            (["user", "--quota", "much", "set", "jerry@magedu.test"], "--quota"),
            (["domain", "add", "magedu.test"], "exists"),
            (["domain", "add", "bad-"], "no domain name"),
            (["domain", "remove", "magedu.test"], "remove those first"),
            (["alias", "add", "x@magedu.test", "|/bin/sh"], "no address"),
            (["alias", "remove", "nobody@magedu.test"], "no such alias")):
        done = s.ctl(*command, input=b"pw\n", check=False)
        assert done.returncode == 65 and word in done.stderr, (command, done.stderr)
    none = subprocess.run([str(POSTROAD), "domain", "-c", str(s.dir / "none.conf"), "list"],
                          capture_output=True, text=True, check=False)
    assert none.returncode != 0


def test_a_name_without_a_domain(server):
    s = server()
    s.ctl("user", "add", "eve@magedu.test", input=b"eve-pw\n")
    with pytest.raises(poplib.error_proto):
        pop3(s, "eve", "eve-pw")
    s.write_config(CONFIG.replace("path =", 'default-domain = "magedu.test" path ='))
    assert s.reload()["event"] == "master.reloaded"
    wait_for(lambda: log_in(s, "eve", "eve-pw"), 5, "the name in the default domain")
    assert not log_in(s, "eve", "wrong")
    assert log_in(s, "jerry@magedu.test", "jerry-pw")


def log_in(s, user, password):
    try:
        pop3(s, user, password).quit()
        return True
    except (poplib.error_proto, OSError):
        return False
