"""The IMAP server (RFC 3501, RFC 9051) over real connections: what only shows there."""
import imaplib
import re
import time

import pytest

from imap_client import Imap, No, fetched, plain
from store_mail import deliver

TEXTS = [b"From: Jerry <jerry@magedu.test>\r\nSubject: number %d\r\n\r\n.\r\nFrom %d\r\n.end\r\n" % (i, i)
         for i in range(4)]


@pytest.fixture(params=["maildir", "mbox"])
def server(request, postroad):
    """A server whose tom has four messages."""
    s = postroad(format=request.param)
    for text in TEXTS:
        deliver(s, text)
    return s


@pytest.fixture
def tom(server):
    client = Imap(server.imap_port, "tom")
    yield client
    client.close()


def body(client, n):
    return bytes(client.fetch(f"FETCH {n} BODY.PEEK[]")[n][b"BODY[]"])


def test_imaplib(server):
    """Python's own client, from the log-in to LOGOUT."""
    client = server.imap()
    assert client.login("tom", "tom-pw")[0] == "OK"
    assert client.select()[1] == [b"4"]
    status, data = client.fetch("1:*", "(RFC822.SIZE BODY[])")
    got = [d for d in data if isinstance(d, tuple)]
    for (head, text), sent in zip(got, TEXTS):
        assert text.endswith(sent) and b"RFC822.SIZE %d " % len(text) in head
    assert client.append("INBOX", r"\Flagged", imaplib.Time2Internaldate(1e9), TEXTS[0])[0] == "OK"
    assert client.store("1:2", "+FLAGS", r"(\Deleted)")[0] == "OK"
    assert client.expunge()[1] == [b"2", b"1"]
    status, data = client.fetch("3", "(FLAGS INTERNALDATE)")
    assert br"\Flagged" in data[0] and b" 9-Sep-2001 01:46:40 +0000" in data[0]
    assert client.create("Archive/2026")[0] == "OK"
    assert client.copy("1", "Archive/2026")[0] == "OK"
    assert client.select("Archive/2026")[1] == [b"1"]
    assert client.close()[0] == "OK" and client.logout()[0] == "BYE"


def test_pipelined(server, tom):
    """All commands of a session in one segment; answers in their order (RFC 9051 5.5)."""
    lines = ["SELECT INBOX", "FETCH 1:2 UID", "NOOP", r"STORE 1 +FLAGS.SILENT (\Seen)", "FETCH 1 FLAGS",
             "STATUS INBOX (UNSEEN)", "LOGOUT"]
    tom.send(b"".join(b"p%d %s\r\n" % (i, line.encode()) for i, line in enumerate(lines)))
    got = tom.file.read()
    assert re.findall(rb"^p(\d) OK", got, re.M) == [b"%d" % i for i in range(len(lines))]
    assert rb"* 1 FETCH (FLAGS (\Seen" in got and b"* STATUS INBOX (UNSEEN 3)" in got


def test_idle_shows_what_is_delivered_and_done(server, tom):
    """RFC 2177: a delivery by the agent, and what another session does, show at once."""
    tom.ok("SELECT INBOX")
    tag = tom.start("IDLE")
    assert tom.read_response().startswith(b"+ ")
    began = time.monotonic()
    deliver(server, TEXTS[0])
    assert tom.read_response() == b"* 5 EXISTS"
    assert time.monotonic() - began < 2
    assert tom.read_response().endswith(b" RECENT")
    other = Imap(server.imap_port, "tom")
    other.ok("SELECT INBOX")
    other.ok(r"STORE 2 +FLAGS (\Deleted)")
    assert br"\Deleted" in tom.read_response()
    other.ok("EXPUNGE")
    assert tom.read_response() == b"* 2 EXPUNGE"
    tom.send(b"DONE\r\n")
    assert tom.finish(tag)[0] == "OK"
    other.close()


def test_idle_ends_with_done_only(tom):
    tag = tom.start("IDLE")
    assert tom.read_response().startswith(b"+ ")
    tom.send(b"NOOP\r\n")
    assert tom.finish(tag)[0] == "BAD"
    tom.ok("NOOP")


def test_large_message(server, tom):
    """A megabyte in and out, whole and in pieces, by a literal that waits and one that does not."""
    text = b"Subject: large\r\n\r\n" + b"".join(b"line %d\r\n" % i for i in range(100_000))
    tom.ok("APPEND INBOX {}", text)
    tom.send(b"a APPEND INBOX {%d}\r\n" % len(text))
    assert tom.read_response().startswith(b"+ ")
    tom.send(text + b"\r\n")
    assert tom.finish(b"a")[0] == "OK"
    tom.ok("SELECT INBOX")
    assert body(tom, 5) == text and body(tom, 6) == text
    at, got = 0, b""
    while True:
        piece = tom.fetch(f"FETCH 6 BODY.PEEK[]<{at}.300000>")[6][b"BODY[]<%d>" % at]
        if not piece:
            break
        got += piece
        at += len(piece)
    assert got == text
    assert tom.fetch("FETCH 6 RFC822.SIZE")[6][b"RFC822.SIZE"] == b"%d" % len(text)


def test_multiappend_is_all_or_nothing(tom):
    """RFC 3502 6.3.11: one bad message, and none comes in."""
    tom.ok("APPEND INBOX (\\Seen) {} (\\Flagged) {}", TEXTS[0], TEXTS[1])
    assert re.search(r"\[APPENDUID \d+ \d+:\d+\]", tom.text)
    with pytest.raises(No):
        tom.ok("APPEND INBOX {} {}", TEXTS[0], b"Subject: \0\r\n\r\n")
    assert b"* STATUS INBOX (MESSAGES 6)" in tom.ok("STATUS INBOX (MESSAGES)")


def test_too_large_is_answered(postroad):
    """RFC 7889, RFC 7888 4: the answer comes without the literal being asked for, and the session goes on."""
    server = postroad(format="maildir", config='limits { message-size = "64K" }\n')
    tom = Imap(server.imap_port, "tom")
    tom.send(b"a APPEND INBOX {65537}\r\n")
    status, text, _ = tom.finish(b"a")
    assert status == "NO" and text.startswith("[TOOBIG]")
    with pytest.raises(No, match="TOOBIG"):
        tom.ok("APPEND INBOX {}", b"x" * 70000)
    tom.ok("NOOP")
    assert b"APPENDLIMIT=65536" in tom.ok("CAPABILITY")[0]
    tom.close()


def test_uids_and_flags_stay(server):
    """Across sessions and across a restart of the server."""
    tom = Imap(server.imap_port, "tom")
    select = tom.ok("SELECT INBOX")
    before = tom.fetch("FETCH 1:* (UID FLAGS)")
    tom.ok(r"STORE 2 +FLAGS (\Answered $Forwarded)")
    tom.close()
    server.stop()
    server.start()
    tom = Imap(server.imap_port, "tom")
    again = tom.ok("SELECT INBOX")
    validity = [line for line in select if b"UIDVALIDITY" in line]
    assert validity == [line for line in again if b"UIDVALIDITY" in line]
    after = tom.fetch("FETCH 1:* (UID FLAGS)")
    assert [m[b"UID"] for m in after.values()] == [m[b"UID"] for m in before.values()]
    assert {br"\Answered", b"$Forwarded"} <= set(after[2][b"FLAGS"])
    tom.close()


def test_compressed(server, tom):
    """RFC 4978: both directions."""
    import zlib
    tom.ok("SELECT INBOX")
    tag = tom.start("COMPRESS DEFLATE")
    assert tom.finish(tag)[0] == "OK"
    out = zlib.compressobj(wbits=-15)
    back = zlib.decompressobj(wbits=-15)
    tom.send(out.compress(b"a FETCH 1:* BODY.PEEK[]\r\nb LOGOUT\r\n") + out.flush(zlib.Z_SYNC_FLUSH))
    got = b""
    while chunk := tom.sock.recv(65536):
        got += back.decompress(chunk)
    assert b"a OK " in got and all(text in got for text in TEXTS) and b"b OK " in got


def test_two_sessions_see_their_own_numbers(server, tom):
    """RFC 9051 7.5.1, RFC 2180 4.1: what another expunged stays until it is told."""
    other = Imap(server.imap_port, "tom")
    tom.ok("SELECT INBOX")
    other.ok("SELECT INBOX")
    uids = [m[b"UID"] for m in tom.fetch("FETCH 1:* UID").values()]
    other.ok(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    other.ok("EXPUNGE")
    assert [m[b"UID"] for m in tom.fetch("FETCH 1:* UID").values()] == uids
    status, text, untagged = tom.command("FETCH 1:2 BODY.PEEK[]")
    assert status == "NO" and "EXPUNGEISSUED" in text and 2 in fetched(untagged)
    assert tom.ok("NOOP") == [b"* 1 EXPUNGE"]
    assert [m[b"UID"] for m in tom.fetch("FETCH 1:* UID").values()] == uids[1:]
    other.close()


def test_qresync_tells_what_happened(server, tom):
    """RFC 7162 3.2.5: one SELECT brings a client that was away up to date."""
    tom.ok("ENABLE QRESYNC")
    lines = b"\n".join(tom.ok("SELECT INBOX"))
    validity = re.search(rb"UIDVALIDITY (\d+)", lines)[1].decode()
    modseq = re.search(rb"HIGHESTMODSEQ (\d+)", lines)[1].decode()
    uids = [m[b"UID"] for m in tom.fetch("FETCH 1:* UID").values()]
    tom.ok("UNSELECT")
    other = Imap(server.imap_port, "tom")
    other.ok("SELECT INBOX")
    other.ok(r"STORE 2 +FLAGS (\Flagged)")
    other.ok(r"STORE 3 +FLAGS.SILENT (\Deleted)")
    other.ok("EXPUNGE")
    other.close()
    answers = tom.ok(f"SELECT INBOX (QRESYNC ({validity} {modseq}))")
    assert b"* VANISHED (EARLIER) " + uids[2] in answers
    changed = fetched(answers)
    assert list(changed) == [2] and br"\Flagged" in changed[2][b"FLAGS"]
    assert changed[2][b"UID"] == uids[1] and int(changed[2][b"MODSEQ"][0]) > int(modseq)
    # 3.2.5.2: what has the number that the client remembers, nothing before it went since
    old = f"{validity} 1 1:100"
    tom.ok("UID STORE %s +FLAGS (\\Deleted)" % uids[0].decode())
    tom.ok("EXPUNGE")
    gone = b"* VANISHED (EARLIER) "
    assert gone + uids[0] + b"," + uids[2] in tom.ok(f"SELECT INBOX (QRESYNC ({old}))")
    remembered = uids[1].decode()
    assert gone + uids[2] in tom.ok(f"SELECT INBOX (QRESYNC ({old} (1 {remembered})))")
    assert gone + uids[2] in tom.ok(f"SELECT INBOX (QRESYNC ({old} (1,7 {remembered},900)))")
    assert gone + uids[0] + b"," + uids[2] in \
        tom.ok(f"SELECT INBOX (QRESYNC ({old} (2,3 {remembered},900)))")


def test_a_new_keyword_is_told_before_the_message_that_has_it(server, tom):
    """RFC 9051 7.3.5: FLAGS, then the FETCH; to who made it and to the others."""
    other = Imap(server.imap_port, "tom")
    other.ok("SELECT INBOX")
    tom.ok("SELECT INBOX")
    for lines in (tom.ok("STORE 1 +FLAGS ($Never)"), other.ok("FETCH 1 FLAGS")):
        kinds = [b"FLAGS" if li.startswith(b"* FLAGS") else b"FETCH" for li in lines
                 if b"$Never" in li and b"PERMANENTFLAGS" not in li]
        assert kinds == [b"FLAGS", b"FETCH"], lines
    assert not any(li.startswith(b"* FLAGS") for li in tom.ok("STORE 1 -FLAGS ($Never)"))
    other.close()


def test_conditional_store(server, tom):
    """RFC 7162 3.1.3."""
    other = Imap(server.imap_port, "tom")
    tom.ok("SELECT INBOX (CONDSTORE)")
    other.ok("SELECT INBOX")
    modseq = int(tom.fetch("FETCH 1 MODSEQ")[1][b"MODSEQ"][0])
    other.ok(r"STORE 1 +FLAGS (\Flagged)")
    tom.ok(rf"STORE 1,2 (UNCHANGEDSINCE {modseq + 1000}) +FLAGS.SILENT ($A)")
    status, text, _ = tom.command(rf"STORE 1 (UNCHANGEDSINCE {modseq}) +FLAGS ($B)")
    assert (status, text[:12]) == ("OK", "[MODIFIED 1]")
    assert b"$B" not in tom.fetch("FETCH 1 FLAGS")[1][b"FLAGS"]
    other.close()


def test_stop_says_bye(server, tom):
    tom.ok("SELECT INBOX")
    idle = Imap(server.imap_port, "tom")
    idle.start("IDLE")
    idle.read_response()
    server.stop()
    assert tom.read_response().startswith(b"* BYE [UNAVAILABLE]")
    assert idle.read_response().startswith(b"* BYE [UNAVAILABLE]")
    idle.close()


def test_names_from_disk_and_wire(server, tom):
    """Modified UTF-7 or UTF-8, as the session asked for; no name leaves the user's folder."""
    tom.ok("CREATE &ZeVnLIqe-/x")
    assert any(line.endswith(b' "&ZeVnLIqe-/x"') for line in tom.ok('LIST "" *'))
    tom.ok("ENABLE UTF8=ACCEPT")
    assert any(line.endswith('"日本語/x"'.encode()) for line in tom.ok('LIST "" *'))
    outside = sorted(p.name for p in server.dir.iterdir())
    for bad in ("..", "../x", "a/../b", "/", "a//b", "x\x01", "a/."):
        with pytest.raises(No):
            tom.ok('CREATE {}', bad.encode())
    assert sorted(p.name for p in server.dir.iterdir()) == outside


def test_authenticate(postroad):
    server = postroad(format="maildir", config='auth { imap-login-without-tls = true '
                                               'plain-without-tls = true }\n')
    tom = Imap(server.imap_port)
    assert b"AUTH=PLAIN" in tom.greeting and b"SASL-IR" in tom.greeting
    tom.ok(f"AUTHENTICATE PLAIN {plain('tom', 'tom-pw')}")
    tom.close()
    tom = Imap(server.imap_port)
    tag = tom.start("AUTHENTICATE PLAIN")
    assert tom.read_response() == b"+ "
    tom.send(plain("tom", "wrong").encode() + b"\r\n")
    assert tom.finish(tag)[0:2] == ("NO", "[AUTHENTICATIONFAILED] wrong user or password")
    tom.close()


def test_nothing_comes_behind_bye(server, tom):
    """RFC 9051 7.1.5: what another session did meanwhile is not told any more."""
    tom.ok("SELECT INBOX")
    other = Imap(server.imap_port, "tom")
    other.ok("APPEND INBOX {}", TEXTS[0])
    assert tom.ok("LOGOUT") == [b"* BYE see you"]
    other.close()
