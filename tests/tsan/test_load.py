"""A bounded load on what the threads of smtpd and of the queue share, for make tsan: the lists, the counters of
rates, the greylist, what the DNS answered, filters, and the queue's schedule; a report of ThreadSanitizer fails
it (Postroad.close looks for one)."""
import random
import smtplib
import sqlite3
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "drive"))
from conftest import *                                       # noqa: E402,F403
from dns_server import DnsSim                                # noqa: E402
from filter_programs import Programs, section                # noqa: E402

CALLERS, CALLS = 8, 12
RULES = """
policy { reverse-names = true  greylist-wait = "300ms"  quarantine = "ann@hehuan.test" }
dnsbl "bl.test" { }
dnsbl "wl.test" { score = -4 }
rule early   { at = "connect"  early-talker = true  verdict = "reject" }
rule many    { at = "connect"  rate = {"connections 100000/1m"}  verdict = "defer" }
rule lots    { at = "mail"  rate = {"messages 100000/1m"}  verdict = "defer" }
rule file    { sender = {"file:blocked"}  verdict = "reject" }
rule table   { sender = {"sqlite:lists.db#blocked"}  verdict = "reject" }
rule own     { user-list = {"own"}  verdict = "reject" }
rule name    { reverse = {"mismatch"}  verdict = "reject" }
rule hello   { helo-check = {"unknown"}  verdict = "tag X-Hello: $why" }
rule listed  { dnsbl = {"bl.test"}  verdict = "reject" }
rule score   { dnsbl-score = 1  verdict = "tag X-Score: $why" }
rule grey    { sender = {"@grey.test"}  greylist = true  verdict = "defer" }
rule words   { at = "header"  header = {"Subject: /pills|hold/"}  verdict = "tag X-Words: $why" }
rule hold    { at = "header"  header = {"Subject: hold"}  verdict = "hold" }
rule odd     { at = "header"  header = {"Subject: odd"}  verdict = "quarantine" }
limits { sessions-per-client = 0 }
"""


def zone(dns, name, text):
    dns.ctl("load", name, input=text)


def caller(server, number, replies, faults):
    """Sessions one after the other, each from an address of its own."""
    chance = random.Random(number)
    try:
        for i in range(CALLS):
            source = f"127.0.0.{chance.randint(10, 30)}"
            with smtplib.SMTP("127.0.0.1", server.smtp_port, timeout=60, source_address=(source, 0)) as s:
                s.ehlo(chance.choice(["client.example.test", "nobody.example.test"]))
                for _ in range(2):
                    sender = chance.choice(["a@file.test", "b@table.test", "c@own.test", f"d{i % 3}@grey.test", "e@good.test"])
                    s.mail(sender)
                    code, _ = s.rcpt(chance.choice(["tom@hehuan.test", "ann@hehuan.test", "who@elsewhere.test"]))
                    if code == 250:
                        subject = chance.choice(["pills", "hold", "odd", "lunch"])
                        code, _ = s.data(f"Subject: {subject}\r\n\r\nHello.\r\n".encode())
                    else:
                        s.rset()
                    replies.append(code)
    except Exception as e:                                   # noqa: BLE001  it is shown by the test
        faults.append(e)


@pytest.mark.parametrize("filtered", [False, True])
def test_all_at_once(postroad, filtered):
    dns = DnsSim("--root-nxdomain")
    programs = Programs()
    config = RULES
    if filtered:
        address, _ = programs.probe("eom=add:X-Milled:yes")
        config += section("mill", "milter", address)
    server = postroad(start=False, config=config, relay_from=(), nameserver=f"127.0.0.1:{dns.port}")
    (server.dir / "blocked").write_text("@file.test no\n")
    (server.dir / "own").mkdir()
    (server.dir / "own/tom").write_text("@own.test\n")
    db = sqlite3.connect(server.dir / "lists.db")
    db.execute("create table blocked (pattern text primary key, reason text)")
    db.execute("insert into blocked values ('@table.test', 'no')")
    db.commit()
    good = "2.0.0.127 A 127.0.0.2\n"
    zone(dns, "bl.test", good + "12.0.0.127 1 A 127.0.0.2\n.\n")
    zone(dns, "wl.test", good + "13.0.0.127 1 A 127.0.0.2\n.\n")
    zone(dns, "127.in-addr.arpa", "".join(f"{n}.0.0 1 PTR c{n}.example.test.\n" for n in range(10, 31)) + ".\n")
    zone(dns, "example.test", "".join(f"c{n} 1 A 127.0.0.{n}\n" for n in range(10, 30)) + "client A 127.0.0.1\n.\n")
    replies, faults = [], []
    try:
        server.start(timeout=60)
        threads = [threading.Thread(target=caller, args=(server, n, replies, faults)) for n in range(CALLERS)]
        for t in threads:
            t.start()
        for turn in range(5):                                # meanwhile lists change, the operator looks
            time.sleep(0.2)
            (server.dir / "blocked").write_text(f"@file.test turn {turn}\n")
            db.execute("update blocked set reason = ?", (str(turn),))
            db.commit()
            server.ctl("queue", "list")
        for t in threads:
            t.join(120)
        assert not faults, faults
        assert len(replies) == CALLERS * CALLS * 2
        assert {250, 450, 550} <= set(replies), sorted(set(replies))
        server.ctl("queue", "release", "--all")
        server.wait_empty(timeout=120)
        assert server.events("mda.delivered")
    finally:
        programs.close()
        dns.close()
