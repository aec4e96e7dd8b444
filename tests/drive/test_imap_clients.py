"""The IMAP server as real mail programs see it."""
import mailbox
import os
import ssl
import subprocess

import pytest

from imap_client import Imap, No, plain
from postroad import BUILD, ROOT, free_ports, wait_for
from store_mail import deliver, run
from terminal import Terminal, run_in_terminal
from thunderbird import Thunderbird

CERTS = BUILD / "certs"
TEXTS = [b"From: Jerry <jerry@magedu.test>\r\nTo: tom@hehuan.test\r\nSubject: number %d\r\n"
         b"Message-ID: <%d@magedu.test>\r\n\r\nbody %d\r\n" % (i, i, i) for i in range(5)]


@pytest.fixture
def server(postroad):
    s = postroad(format="maildir")
    for text in TEXTS:
        deliver(s, text)
    return s


@pytest.fixture
def secure(postroad):
    """A server with a certificate, on which LOGIN needs TLS."""
    subprocess.run([ROOT / "fixtures/certs/make", CERTS], check=True)
    s = postroad(start=False, format="maildir")
    own = {s.smtp_port, s.submission_port, s.pop3_port, s.imap_port}
    s.imaps_port = [p for p in free_ports(5) if p not in own][0]
    s.write_config(f"""
listen imaps {{ address = {{"127.0.0.1"}} port = {s.imaps_port} }}
tls {{ certificate = "{CERTS}/mail.hehuan.test.pem" key = "{CERTS}/mail.hehuan.test.key" }}
auth {{ imap-login-without-tls = false }}
""")
    s.start()
    for text in TEXTS:
        deliver(s, text)
    return s


def trusting():
    return ssl.create_default_context(cafile=CERTS / "ca.pem")


def environment(home):
    return {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}


# ---- TLS -------------------------------------------------------------------------------------------


def test_starttls(secure):
    """LOGIN is refused before, and nothing of the plain text counts after (RFC 9051 6.2.1)."""
    tom = Imap(secure.imap_port)
    assert b"LOGINDISABLED" in tom.greeting and b"STARTTLS" in tom.greeting
    assert b"AUTH=PLAIN" not in tom.greeting
    with pytest.raises(No, match="PRIVACYREQUIRED"):
        tom.ok("LOGIN tom tom-pw")
    with pytest.raises(No, match="PRIVACYREQUIRED"):
        tom.ok(f"AUTHENTICATE PLAIN {plain('tom', 'tom-pw')}")
    tom.starttls(trusting())
    offered = tom.ok("CAPABILITY")[0]
    assert b"STARTTLS" not in offered and b"LOGINDISABLED" not in offered
    assert b"AUTH=PLAIN" in offered
    tom.ok("LOGIN tom tom-pw")
    tom.close()


def test_text_behind_starttls_is_no_command(secure):
    tom = Imap(secure.imap_port)
    tom.send(b"a STARTTLS\r\nb NOOP\r\n")
    got = tom.file.read()
    assert got.startswith(b"a BAD") and b"* BYE" in got and b"b OK" not in got
    tom.close()


def test_implicit_tls(secure):
    tom = Imap(secure.imaps_port, "tom", tls=trusting())
    tom.ok("SELECT INBOX")
    tom.close()


def test_openssl_s_client(secure):
    done = subprocess.run(["openssl", "s_client", "-quiet", "-starttls", "imap", "-connect",
                           f"127.0.0.1:{secure.imap_port}", "-CAfile", str(CERTS / "ca.pem"),
                           "-verify_return_error"], input=b"a LOGIN tom tom-pw\r\nb LOGOUT\r\n",
                          capture_output=True, timeout=30)
    assert b"b OK" in done.stdout, done.stderr


# ---- programs --------------------------------------------------------------------------------------


def test_curl(secure):
    def curl(path, *options):
        return run(["curl", "-sS", "--cacert", str(CERTS / "ca.pem"), "--user", "tom:tom-pw",
                    "--connect-to", f"mail.hehuan.test::127.0.0.1:{secure.imaps_port}",
                    f"imaps://mail.hehuan.test{path}", *options])
    assert curl("/INBOX;MAILINDEX=2").endswith(TEXTS[1])
    assert curl("/INBOX;MAILINDEX=2;SECTION=TEXT") == b"body 1\r\n"
    assert b"INBOX" in curl("/")
    assert b"* 2 FETCH" in curl("/INBOX", "-X", "FETCH 2 ENVELOPE")
    curl("/INBOX", "-T", str(ROOT / "fixtures/messages/plain.eml"))
    assert b"MESSAGES 6" in curl("/", "-X", "STATUS INBOX (MESSAGES)")


def mbsync(server, tmp_path):
    """A function that syncs all mailboxes both ways with Maildirs in tmp_path/mail, and that folder."""
    local = tmp_path / "mail"
    local.mkdir()
    rc = tmp_path / "mbsyncrc"
    rc.write_text(f"""
IMAPAccount far
Host 127.0.0.1
Port {server.imap_port}
User tom
Pass tom-pw
SSLType None
AuthMechs LOGIN

IMAPStore far
Account far

MaildirStore near
Path {local}/
Inbox {local}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
""")
    def sync(timeout=60):
        done = subprocess.run(["mbsync", "-c", str(rc), "-V", "all"], capture_output=True,
                              timeout=timeout, env=environment(tmp_path))
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout + done.stderr
    return sync, local


def test_mbsync(server, tmp_path):
    """Down, then nothing the second time; changes on both sides meet."""
    sync, local = mbsync(server, tmp_path)
    tom = Imap(server.imap_port, "tom")
    tom.ok("CREATE Archive/2026")
    tom.ok("APPEND Archive/2026 (\\Seen) {}", TEXTS[0])
    sync()
    box = mailbox.Maildir(local / "INBOX")
    assert len(box) == 5
    archive = mailbox.Maildir(local / "Archive/2026")
    assert [m.get_flags() for m in archive] == ["S"]
    before = {p: p.stat().st_mtime_ns for p in local.rglob("*") if p.is_file()}
    tom.ok("SELECT INBOX")
    modseq = tom.ok("STATUS INBOX (HIGHESTMODSEQ)")[-1:]
    sync()
    after = {p: p.stat().st_mtime_ns for p in local.rglob("*") if p.is_file()}
    assert {p for p in after if "/cur/" in str(p)} == {p for p in before if "/cur/" in str(p)}
    assert tom.ok("STATUS INBOX (HIGHESTMODSEQ)") == modseq
    # one goes here, one there; one comes here
    first = sorted(p for p in (local / "INBOX").rglob("*:2,*"))[0]
    first.unlink()
    box.add(mailbox.MaildirMessage(b"Subject: from here\n\nx\n"))
    tom.ok(r"STORE 5 +FLAGS (\Deleted)")
    tom.ok("EXPUNGE")
    sync()
    assert len(mailbox.Maildir(local / "INBOX")) == 4
    tom.ok("NOOP")
    assert b"MESSAGES 4" in tom.ok("STATUS INBOX (MESSAGES)")[0]
    tom.close()


def test_mbsync_of_many(server, tmp_path):
    """Half of them lie here and half there: both sides have all afterwards, flags too, and when nothing
    happened in between nothing is changed by a second run. SYNC_MESSAGES=10000: make sync."""
    many = int(os.environ.get("SYNC_MESSAGES", "100"))
    sync, local = mbsync(server, tmp_path)
    near, far = mailbox.Maildir(local / "INBOX", create=True), mailbox.Maildir(server.mail / "tom")
    tom = Imap(server.imap_port, "tom")
    for i in range(many // 2):
        for box, flags in ((far, "F"), (near, "S")):
            message = mailbox.MaildirMessage(b"Subject: %s %d\n\nx\n" % (flags.encode(), i))
            message.set_subdir("cur")
            message.set_flags(flags if i % 2 else "")
            box.add(message)
    sync(600)

    def all_here():
        return {p.name: p.stat().st_mtime_ns for p in local.rglob("*") if p.parent.name in ("cur", "new")}

    def all_there():
        tom.ok("SELECT INBOX")
        status = tom.ok("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")
        flags = {uid: m[b"FLAGS"] for uid, m in tom.fetch("FETCH 1:* (UID FLAGS)").items()}
        return flags, next(line for line in status if b" STATUS " in line)
    here, there = all_here(), all_there()
    assert len(here) == len(there[0]) == many // 2 * 2 + len(TEXTS)
    assert sum(name.endswith(":2,F") for name in here) == many // 4
    assert sum(rb"\Seen" in flags for flags in there[0].values()) == many // 4
    sync(600)
    assert all_here() == here and all_there() == there, "the second run finds nothing to do"
    tom.close()


def test_fetchmail(server, tmp_path):
    rc = tmp_path / "fetchmailrc"
    rc.write_text(f'poll 127.0.0.1 protocol imap port {server.imap_port} no dns\n'
                  f'user "tom" password "tom-pw" mda "cat >> {tmp_path}/got" sslproto ""\n')
    rc.chmod(0o600)
    env = {**environment(tmp_path), "FETCHMAILHOME": str(tmp_path)}
    run(["fetchmail", "-f", str(rc), "--nosyslog", "--pidfile", str(tmp_path / "pid")], env=env)
    got = (tmp_path / "got").read_bytes()
    assert all(got.count(b"Subject: number %d\n" % i) == 1 for i in range(5))
    tom = Imap(server.imap_port, "tom")
    assert b"* 0 EXISTS" in tom.ok("SELECT INBOX")
    tom.close()


def test_mutt(server, tmp_path):
    """Deletes one message, flags another, saves a third elsewhere."""
    rc = tmp_path / "muttrc"
    rc.write_text(f"""
set folder="imap://tom@127.0.0.1:{server.imap_port}/"
set imap_pass="tom-pw"
set spoolfile="+INBOX"
set ssl_starttls=no
set ssl_force_tls=no
set delete=yes
set confirmappend=no
set confirmcreate=no
set header_cache=""
set move=no
""")
    keys = ("<first-entry><delete-message><first-entry><next-entry><flag-message>"
            "<last-entry><save-message>=Saved<enter><sync-mailbox><exit>")
    run_in_terminal(["mutt", "-n", "-F", str(rc), "-e", f"push '{keys}'"], environment(tmp_path))
    tom = Imap(server.imap_port, "tom")
    assert b"* 3 EXISTS" in tom.ok("SELECT INBOX")
    flags = tom.fetch("FETCH 1:* FLAGS")
    assert sum(br"\Flagged" in m[b"FLAGS"] for m in flags.values()) == 1
    assert b"MESSAGES 1" in tom.ok("STATUS Saved (MESSAGES)")[0]
    tom.close()


def alpine(home, inbox, collection):
    """Reads the first message, deletes the second, flags the third, saves the fourth, and leaves."""
    rc = home / "pinerc"
    rc.write_text(f"""
personal-name=Tom
user-domain=hehuan.test
inbox-path={inbox}
folder-collections=Mail {collection}
feature-list=expunge-without-confirm,quit-without-confirm,disable-password-caching,enable-flag-cmd
last-time-prune-questioned=130.12
last-version-used=6.26
""")
    terminal = Terminal(["alpine", "-p", rc, "-i"], environment(home))
    if inbox.startswith("{"):
        terminal.say(rb"ENTER PASSWORD", "tom-pw\r")
    while terminal.expect(rb"opened with 5 messages", rb"Preserve password") == 1:
        terminal.send("n")
    terminal.send("\r")
    terminal.say(rb"body 0", "<")
    terminal.say(rb"MESSAGE INDEX", "n")
    terminal.say(rb"number 1", "d")
    terminal.say(rb"marked for deletion", "*")
    terminal.say(rb"Flag New", "*")
    terminal.say(rb"Flagged message 3", "n")
    terminal.say(rb"number 3", "s")
    terminal.say(rb"SAVE Msg", "Saved\r")
    terminal.expect(rb"Yes\]")
    terminal.insist("y", rb"Saving +DONE|copied to folder")
    terminal.send("x")
    terminal.say(rb"expunged", "q")
    assert b"Kept all 3 messages" in terminal.finish()


def test_alpine(secure, tmp_path):
    host = f"{{127.0.0.1:{secure.imaps_port}/ssl/novalidate-cert/user=tom}}"
    alpine(tmp_path, f"{host}INBOX", f"{host}[]")
    tom = Imap(secure.imaps_port, "tom", tls=trusting())
    tom.ok("SELECT INBOX")
    flags = [m[b"FLAGS"] for m in tom.fetch("FETCH 1:* FLAGS").values()]
    assert [rb"\Seen" in f for f in flags] == [True, False, False]
    assert [rb"\Flagged" in f for f in flags] == [False, True, False]
    assert b"MESSAGES 1" in tom.ok("STATUS Saved (MESSAGES)")[0]
    tom.close()


def test_thunderbird(secure, tmp_path):
    """It logs in when it starts, downloads what is there, makes its Trash and waits in IDLE; what comes then
    it fetches at once."""
    client = Thunderbird(tmp_path, "mail.hehuan.test", secure.imaps_port, CERTS / "ca.pem", "tom-pw")
    try:
        wait_for(lambda: all(b"Subject: number %d" % i in client.inbox() and b"body %d" % i in client.inbox()
                             for i in range(5)), 90, "the messages in Thunderbird")
        secure.wait_event("imapd.command", 60, command="IDLE")
        deliver(secure, TEXTS[0].replace(b"<0@", b"<5@"))
        secure.wait_event("imapd.command", 60, command="FETCH", arguments=" 6:* (FLAGS)", count=1)
        wait_for(lambda: [e for e in secure.events("imapd.command", command="FETCH")
                          if e["arguments"].startswith(" 6 (UID")], 60, "the new message fetched")
    finally:
        client.close()
    tom = Imap(secure.imaps_port, "tom", tls=trusting())
    assert b"MESSAGES 0" in tom.ok("STATUS Trash (MESSAGES)")[0]
    tom.close()


def test_imapfilter(server, tmp_path):
    config = tmp_path / "config.lua"
    config.write_text(f"""
options.create = true
options.subscribe = true
options.starttls = false
account = IMAP {{ server = '127.0.0.1', port = {server.imap_port}, username = 'tom', password = 'tom-pw' }}
some = account.INBOX:contain_subject('number 3')
some:move_messages(account['Filtered'])
account.INBOX:contain_subject('number 1'):mark_flagged()
""")
    run(["imapfilter", "-c", str(config)], env=environment(tmp_path))
    tom = Imap(server.imap_port, "tom")
    assert b"* 4 EXISTS" in tom.ok("SELECT INBOX")
    assert b"MESSAGES 1" in tom.ok("STATUS Filtered (MESSAGES)")[0]
    assert any(line.endswith(b" Filtered") for line in tom.ok('LSUB "" *'))
    tom.close()


def test_getmail(server, tmp_path):
    rc = tmp_path / "getmailrc"
    rc.write_text(f"""
[retriever]
type = SimpleIMAPRetriever
server = 127.0.0.1
port = {server.imap_port}
username = tom
password = tom-pw
[destination]
type = MDA_external
path = /usr/bin/tee
arguments = ("-a", "{tmp_path}/got")
allow_root_commands = true
[options]
delete = true
""")
    run(["getmail", f"--getmaildir={tmp_path}", f"--rcfile={rc}"], env=environment(tmp_path))
    got = (tmp_path / "got").read_bytes()
    assert all(got.count(b"\nbody %d\n" % i) == 1 for i in range(5))
    tom = Imap(server.imap_port, "tom")
    assert b"* 0 EXISTS" in tom.ok("SELECT INBOX")
    tom.close()


def test_offlineimap(server, tmp_path):
    rc = tmp_path / "offlineimaprc"
    rc.write_text(f"""
[general]
accounts = a
metadata = {tmp_path}/meta
[Account a]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {tmp_path}/near
[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {server.imap_port}
remoteuser = tom
remotepass = tom-pw
ssl = no
starttls = no
""")
    for _ in range(2):
        run(["offlineimap", "-c", str(rc), "-o", "-u", "basic"], env=environment(tmp_path))
    found = [p for p in (tmp_path / "near" / "INBOX").rglob("*:2,*")]
    assert len(found) == 5
    tom = Imap(server.imap_port, "tom")
    assert b"* 5 EXISTS" in tom.ok("SELECT INBOX")
    tom.close()
