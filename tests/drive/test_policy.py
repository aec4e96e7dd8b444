"""The operator's rules: access lists, verdicts, reload of lists, what the log says of them."""
import smtplib
import sqlite3
import time

import pytest

MESSAGE = b"Subject: test\r\n\r\nHello.\r\n"


def strangers(postroad, config, files=None, **more):
    """A server for which the loop-back is a stranger, with these files beside its configuration."""
    server = postroad(relay_from=(), config=config, start=False, **more)
    for name, text in (files or {}).items():
        (server.dir / name).parent.mkdir(exist_ok=True)
        (server.dir / name).write_text(text)
    return server.start()


def codes(server, sender="jerry@magedu.test", recipient="tom@hehuan.test", helo="client.magedu.test"):
    """(stage, code, text) of the first refusal, or ("end", 250, text)."""
    with smtplib.SMTP(timeout=10) as s:
        code, text = s.connect("127.0.0.1", server.smtp_port)
        if code != 220:
            return "connect", code, text.decode()
        for stage, step in (("helo", lambda: s.ehlo(helo)), ("mail", lambda: s.mail(sender)),
                            ("rcpt", lambda: s.rcpt(recipient)), ("end", lambda: s.data(MESSAGE))):
            try:
                code, text = step()
            except smtplib.SMTPDataError as e:
                code, text = e.smtp_code, e.smtp_error
            if code != 250:
                break
        return stage, code, text.decode()


@pytest.mark.parametrize("rule, wanted", [
    ('client = {"127.0.0.0/8"}  verdict = "reject"', ("rcpt", 550)),
    ('at = "connect"  client = {"127.0.0.1"}  verdict = "reject"', ("connect", 554)),
    ('at = "connect"  client = {"127.0.0.1"}  verdict = "defer"', ("connect", 421)),
    ('client = {"!127.0.0.1"}  verdict = "reject"', ("end", 250)),
    ('client = {"192.0.2.0/24", "::/0"}  verdict = "reject"', ("end", 250)),
    ('at = "helo"  helo = {".magedu.test"}  verdict = "reject 550 no such names"', ("helo", 550)),
    ('helo = {"magedu.test"}  verdict = "reject"', ("end", 250)),
    ('at = "mail"  sender = {"@magedu.test"}  verdict = "reject"', ("mail", 550)),
    ('sender = {"JERRY@magedu.test"}  verdict = "reject 553 5.7.9 not $sender"', ("rcpt", 553)),
    ('sender = {"jerry@"}  verdict = "defer"', ("rcpt", 450)),
    ('sender = {"<>"}  verdict = "reject"', ("end", 250)),
    ('recipient = {"tom@hehuan.test"}  client = {"192.0.2.1"}  verdict = "reject"', ("end", 250)),
    ('recipient = {"hehuan.test"}  verdict = "reject"', ("rcpt", 550)),
    ('at = "data"  recipient = {"hehuan.test"}  verdict = "reject"', None),
    ('at = "data"  sender = {"magedu.test"}  verdict = "reject"', ("end", 554)),
    ('at = "end"  sender = {"magedu.test"}  verdict = "defer 451 4.7.1 later"', ("end", 451)),
    ('for = "users"  sender = {"magedu.test"}  verdict = "reject"', ("end", 250)),
    ('helo-check = {"unqualified"}  verdict = "reject"', ("end", 250)),
    ('helo-check = {"ours"}  verdict = "reject"', ("end", 250)),
])
def test_rules(postroad, rule, wanted):
    server = strangers(postroad, f"rule r {{ {rule} }}")
    stage, code, text = codes(server)
    if wanted is None:                  # the recipient is known at rcpt only
        assert (stage, code) == ("end", 250)
        return
    assert (stage, code) == wanted, text
    assert not server.queued("incoming")
    if code != 250:
        verdict = server.wait_event("policy.verdict", rule="r")
        refused = server.wait_event("smtpd.refused", rule="r")
        assert verdict["why"] and refused["clause"]
        said = server.ctl("explain", "127.0.0.1").stdout
        assert "rule=r" in said and verdict["why"] in said
    else:
        assert not server.events("policy.verdict")


@pytest.mark.parametrize("helo, check", [("localhost", "unqualified"), ("[192.0.2.7]", "wrong-literal"),
                                         ("[127.0.0.1]", "literal"), ("mail.hehuan.test", "ours"),
                                         ("hehuan.test", "ours")])
def test_helo_checks_without_dns(postroad, helo, check):
    server = strangers(postroad, f'rule r {{ helo-check = {{"{check}"}}  verdict = "reject" }}')
    assert codes(server, helo=helo)[:2] == ("rcpt", 550)
    assert codes(server, helo="mx.example.org")[:2] == ("end", 250)


def test_order_and_accept(postroad):
    server = strangers(postroad, """
        rule friends { sender = {"jerry@magedu.test"}  verdict = "accept" }
        rule all     { sender = {"magedu.test", ".magedu.test"}  verdict = "reject" }""")
    assert codes(server)[:2] == ("end", 250)
    assert codes(server, sender="ann@magedu.test")[:2] == ("rcpt", 550)
    assert codes(server, sender="ann@deep.down.magedu.test")[:2] == ("rcpt", 550)


def test_refused_at_connect_answers_503_until_quit(postroad):
    server = strangers(postroad, 'rule r { at = "connect"  client = {"127.0.0.1"}  verdict = "reject 554 go" }')
    with server.connect() as s:
        f = s.makefile("rb")
        assert f.readline() == b"554 go\r\n"
        s.sendall(b"EHLO x.test\r\nMAIL FROM:<>\r\nQUIT\r\n")
        assert [f.readline()[:3] for _ in range(3)] == [b"503", b"503", b"221"]


def test_tag_quarantine_hold_discard(postroad):
    server = strangers(postroad, """
        policy { quarantine = "ann@hehuan.test" }
        rule seen { sender = {"magedu.test"}  verdict = "tag X-Seen: from $client, $why" }
        rule q { sender = {"quarantine@"}  verdict = "quarantine" }
        rule h { sender = {"hold@"}  verdict = "hold" }
        rule d { sender = {"discard@"}  verdict = "discard" }""")
    for name in ("quarantine", "hold", "discard", "jerry"):
        assert codes(server, sender=f"{name}@magedu.test")[:2] == ("end", 250)
    server.wait_event("mda.delivered", user="tom")
    server.wait_event("mda.delivered", user="ann")
    tom, ann = server.mailbox("tom"), server.mailbox("ann")
    assert tom.count(b"\nSubject: test") == 1 and tom.count(b"X-Seen: from 127.0.0.1, sender magedu.test") == 1
    assert b"X-Quarantined: q; for=<tom@hehuan.test>" in ann
    (held,) = server.queued()
    assert held in server.queued("hold")
    assert server.events("smtpd.discarded", rule="d")
    server.ctl("queue", "release", held)
    server.wait_event("mda.delivered", user="tom", count=2)


def test_files_are_read_again(postroad):
    server = strangers(postroad,
                       'rule r { sender = {"!file:friends", "file:blocked"}  verdict = "reject" }',
                       files={"friends": "", "blocked": "# nobody yet\n"})
    assert codes(server)[:2] == ("end", 250)
    (server.dir / "blocked").write_text("# who\n@magedu.test   sent too much\n")
    stage, code, text = codes(server)
    assert (stage, code) == ("rcpt", 550) and "sent too much" in text
    assert "blocked:2 @magedu.test" in server.events("policy.verdict")[-1]["why"]
    (server.dir / "friends").write_text("Jerry@MAGEDU.test\n")
    assert codes(server)[:2] == ("end", 250)
    # A file that has gone keeps its last content.
    (server.dir / "blocked").unlink()
    (server.dir / "friends").write_text("x@y.test\n")
    assert codes(server)[:2] == ("rcpt", 550)
    assert server.events("policy.list-wrong")


def database(path):
    db = sqlite3.connect(path)
    db.execute("create table if not exists blocked (pattern text, reason text)")
    db.commit()
    return db


def test_unreadable_list_refuses_nobody(postroad, tmp_path):
    db = database(tmp_path / "lists.db")
    server = strangers(postroad, f"""
        rule r {{ client = {{"sqlite:{tmp_path}/lists.db#blocked"}}  verdict = "reject" }}""")
    db.execute("drop table blocked")
    db.commit()
    assert codes(server)[:2] == ("end", 250)
    assert server.events("policy.unsure", rule="r")
    assert "there is no table" in server.ctl("check", check=False).stdout
    server.write_config('rule r { client = {"file:missing"}  verdict = "reject" }')
    assert "missing: the list cannot be read" in server.ctl("check", check=False).stdout


def test_sqlite_pairs_and_user_lists(postroad, tmp_path):
    db = database(tmp_path / "lists.db")
    server = strangers(postroad, f"""
        rule pairs {{ pair = {{"file:pairs"}}  verdict = "reject 550 pair" }}
        rule own   {{ user-list = {{"own"}}  verdict = "reject 550 own: $reason" }}
        rule sql   {{ client = {{"sqlite:{tmp_path}/lists.db#blocked"}}
                     verdict = "reject 550 sql $reason" }}""",
        files={"pairs": "jerry@magedu.test  tom@hehuan.test\n@bad.test  @hehuan.test\n",
               "own/ann": "@ads.test  she does not like them\n"})
    assert codes(server)[2].endswith("pair")
    assert codes(server, recipient="ann@hehuan.test")[:2] == ("end", 250)
    assert codes(server, sender="x@bad.test", recipient="ann@hehuan.test")[2].endswith("pair")
    assert codes(server, sender="x@ads.test", recipient="ann@hehuan.test")[2].endswith("own: she does not like them")
    assert codes(server, sender="x@ads.test", recipient="tom@hehuan.test")[:2] == ("end", 250)
    db.execute("insert into blocked values ('127.0.0.0/8', 'loops')")
    db.commit()
    assert codes(server, sender="x@ads.test")[2].endswith("sql loops")


@pytest.mark.parametrize("rule, complaint", [
    ('verdict = "explode"', "write accept, reject"),
    ('verdict = "reject 450 x"', "for 4yz write defer"),
    ('at = "mail"  recipient = {"x@y.test"}  verdict = "reject"', 'write at = "rcpt"'),
    ('client = {"10.0.0.1/33"}  verdict = "reject"', "is no address"),
    ('dnsbl = {"none.test"}  verdict = "reject"', "is not known"),
    ('reverse = {"maybe"}  verdict = "reject"', "write one of pass, none"),
    ('rate = {"often"}  verdict = "reject"', "connections 30/1m"),
    ('verdict = "quarantine"', "has no address"),
    ('at = "connect"  verdict = "tag X: y"', "there is no message"),
    ('header = {"Subject: x"}  verdict = "reject"', 'write at = "header"'),
    ('at = "header"  header = {"Subject: /(/"}  verdict = "reject"', "in the expression at 1"),
    ('at = "header"  header = {"Sub ject: x"}  verdict = "reject"', 'write "Subject: cheap pills"'),
    ('at = "header"  header = {"Subject:"}  verdict = "reject"', "nothing stands behind the colon"),
])
def test_mistakes_are_named(postroad, rule, complaint):
    server = strangers(postroad, "")
    server.write_config(f"rule r {{ {rule} }}")
    done = server.ctl("check", check=False)
    assert done.returncode != 0 and complaint in done.stdout and str(server.conf) in done.stdout


@pytest.mark.parametrize("at, what, code", [("connect", "connections", 421), ("mail", "messages", 450),
                                            ("rcpt", "recipients", 450)])
def test_rates(postroad, at, what, code):
    server = strangers(postroad, f"""
        rule r {{ at = "{at}"  rate = {{"{what} 2/500ms"}}  verdict = "defer" }}""")
    assert [codes(server)[1] for _ in range(4)] == [250, 250, code, code]
    assert f"3 {what} in 0.5 s, at most 2" in server.events("policy.verdict", rule="r")[0]["why"]
    time.sleep(1.1)
    assert codes(server)[1] == 250


def test_greylist(postroad):
    config = """policy { greylist-wait = "1s" }
        rule grey { greylist = true  verdict = "defer 451 4.7.1 come again" }"""
    server = strangers(postroad, config)
    assert codes(server)[:2] == ("rcpt", 451)
    assert codes(server)[:2] == ("rcpt", 451)
    server.reload()                      # what it knows lives longer than the process
    first = server.events("policy.verdict")[0]["time"]
    time.sleep(max(0, first + 1.1 - time.time()))
    assert codes(server)[:2] == ("end", 250)
    assert codes(server, sender="other@magedu.test")[:2] == ("rcpt", 451)
    assert codes(server)[:2] == ("end", 250)


def test_early_talker(postroad):
    server = strangers(postroad, """policy { greet-delay = "300ms" }
        rule early { at = "connect"  early-talker = true  verdict = "reject 554 you spoke first" }""")
    assert codes(server)[:2] == ("end", 250)
    with server.connect() as s:
        s.sendall(b"EHLO x.test\r\n")
        assert s.makefile("rb").readline() == b"554 you spoke first\r\n"


PILLS = (b"From: a@b.test\r\nX-Mailer: Bulk\r\n  3000\r\nSubject: =?utf-8?q?Cheap_p=C3=AFlls?=\r\n\r\n"
         b"List-Id: of the body\r\n")


def mail(server, text=PILLS):
    with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=10) as s:
        s.ehlo("client.magedu.test")
        s.mail("jerry@magedu.test")
        s.rcpt("tom@hehuan.test")
        return s.data(text)[0]


PATTERNS = {
    "Subject: cheap p\u00eflls": True, "subject: CHEAP": True, "Subject: /^cheap\\\\b/": True,
    "X-Mailer: bulk  3000": True, "*: /3000$/": True, "X-Mailer": True, "Subject: /^pills/": False,
    "List-Id": False, "*: of the body": False, "!From": False, "!To": True,
    "X-Mailer: /(((\\\\w| )+)+)+[!?]/": False,          # takes for ever, and is given up
}


def test_header_patterns(postroad):
    rules = "".join(f'rule r{i} {{ at = "header"  header = {{"{p}"}}  verdict = "tag X-Rule: r{i}" }}\n'
                    for i, p in enumerate(PATTERNS))
    server = strangers(postroad, rules)
    assert mail(server) == 250
    held = {e["rule"] for e in server.events("policy.verdict", stage="header")}
    assert held == {f"r{i}" for i, holds in enumerate(PATTERNS.values()) if holds}
    assert [e["rule"] for e in server.events("policy.unsure")] == [f"r{len(PATTERNS) - 1}"]


def test_header_verdicts(postroad):
    server = strangers(postroad, """
        policy { quarantine = "ann@hehuan.test" }
        rule first  { at = "header"  header = {"Subject: /^(later|odd)/"}  verdict = "tag X-Why: $why" }
        rule later  { at = "header"  header = {"Subject: later"}  verdict = "defer" }
        rule odd    { at = "header"  header = {"Subject: odd"}  verdict = "quarantine" }
        rule keep   { at = "header"  header = {"Subject: keep"}  verdict = "hold" }
        rule drop   { at = "header"  header = {"Subject: drop"}  verdict = "discard" }
        rule friend { at = "header"  header = {"Subject: friend"}  verdict = "accept" }
        rule rest   { at = "header"  header = {"!Subject: plain"}  verdict = "reject" }""")

    def subject(word, size=1):
        return mail(server, f"Subject: {word}\r\n\r\n".encode() + b"Line of the body.\r\n" * size)
    assert subject("later") == 451 and subject("rest") == 554
    assert subject("keep") == 250 and subject("drop") == 250 and subject("friend") == 250
    assert subject("plain") == 250 and subject("odd", 5000) == 250
    server.wait_event("mda.delivered", user="tom", count=2)
    server.wait_event("mda.delivered", user="ann")
    kept = server.mailbox("ann")
    assert b"X-Quarantined: odd; for=<tom@hehuan.test>" in kept and kept.count(b"Line of the body.") == 5000
    assert b"Subject: odd\nX-Why: header Subject: odd\n" in kept
    assert len(server.queued("hold")) == 1 and len(server.events("smtpd.discarded")) == 1
    server.wait_event("mda.delivered", count=3)


def test_header_rules_in_chunks(postroad):
    """BDAT brings the header in pieces; the answer comes with the chunk that ends it."""
    server = strangers(postroad, 'rule r { at = "header"  header = {"Subject: cheap"}  verdict = "reject" }')
    with server.connect() as s, s.makefile("rb") as f:
        def say(octets):
            s.sendall(octets)
            line = f.readline()
            while line[3:4] == b"-":
                line = f.readline()
            return line[:3]
        assert f.readline().startswith(b"220")
        assert say(b"EHLO c.test\r\n") == b"250"
        assert say(b"MAIL FROM:<a@magedu.test>\r\n") == say(b"RCPT TO:<tom@hehuan.test>\r\n") == b"250"
        assert say(b"BDAT 12\r\nSubject: che") == b"250"
        assert say(b"BDAT 6\r\nap\r\n\r\n") == b"554"
    assert server.queued() == []
