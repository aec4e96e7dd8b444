"""The operator's side of the queue: by id, sender and domain; counters; the programs of sendmail."""
import os
import re
import socket
import subprocess
import time

import pytest

from dns_server import DnsSim, free_port
from postroad import POSTROAD, wait_for
from relay_server import MailServer

CONFIG = 'transport "later.test" { to = "retry:4.3.2 not now" }\n' \
         'transport "other.test" { to = "retry:4.3.2 not now" }\n'


@pytest.fixture
def us(postroad):
    server = postroad(config=CONFIG, retry='min = "1h" max = "2h" expire = "5d" scan = "500ms"')
    with server.smtp() as client:
        client.sendmail("jerry@hehuan.test", ["a@later.test"], "Subject: 1\r\n\r\n")
        client.sendmail("jerry@hehuan.test", ["b@other.test"], "Subject: 2\r\n\r\n")
        client.sendmail("tom@hehuan.test", ["c@later.test"], "Subject: 3\r\n\r\n")
    server.wait_event("queue.deferred", count=3)
    wait_for(lambda: len(server.queued("deferred")) == 3, what="three deferred messages")
    return server


def count(us, *words):
    return us.ctl("queue", *words).stdout.strip()


def test_by_sender_and_by_recipient(us):
    assert count(us, "hold", "--from", "jerry@hehuan.test") == "2 messages"
    assert len(us.queued("hold")) == 2 and len(us.queued("deferred")) == 1
    assert count(us, "delete", "--to", "other.test") == "1 message"
    assert count(us, "delete", "--from", "hehuan.test", "--to", "c@later.test") == "1 message"
    assert len(us.queued()) == 1
    assert count(us, "delete", "--from", "<>") == "0 messages"
    assert count(us, "release", "--all") == "1 message"
    us.wait_event("queue.deferred", to="a@later.test", count=2)
    assert us.queued("hold") == []


def test_released_mail_is_taken_up_by_a_queue_that_was_away(us):
    assert count(us, "hold", "--all") == "3 messages"
    us.stop()
    us.ctl("queue", "release", "--all")
    assert len(us.queued("deferred")) == 3
    us.start()
    us.wait_event("queue.deferred", count=6)


def test_requeue_begins_anew(us):
    id_ = us.queued("deferred")[0]
    before = re.search(r"^arrived (\S+)", (us.spool / "deferred" / id_).read_text(), re.M)[1]
    us.ctl("queue", "requeue", id_)
    us.wait_event("queue.deferred", id=id_, count=2)
    wait_for(lambda: id_ in us.queued("deferred"), what="the message")
    text = (us.spool / "deferred" / id_).read_text()
    assert re.search(r"^arrived (\S+)", text, re.M)[1] > before
    assert len(us.queued()) == 3


def test_stats(us):
    text = us.ctl("stats").stdout
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['postroad_events_total{event="smtpd.accepted"}'] == "3"
    assert values['postroad_events_total{event="queue.deferred"}'] == "3"
    assert values['postroad_queue_messages{state="deferred"}'] == "3"
    assert values['postroad_sessions{role="smtpd"}'] == "0"
    with us.smtp():
        assert 'postroad_sessions{role="smtpd"} 1' in us.ctl("stats").stdout
    us.stop()


def run_as(name, us, tmp_path, *words, text=""):
    link = tmp_path / name
    if not link.exists():
        link.symlink_to(POSTROAD)
    return subprocess.run([link, *words], input=text.encode(), capture_output=True, timeout=20,
                          env={**os.environ, "POSTROAD_CONFIG": str(us.conf)})


def test_sendmail_and_its_names(us, tmp_path):
    done = run_as("sendmail", us, tmp_path, "-i", "-t", "-f", "jerry@hehuan.test", "-F", "Jerry B.",
                  text="To: Tom <tom@hehuan.test>\nBcc: ann@hehuan.test,\n  x@later.test\n"
                       "Subject: hi\n\n.\nafter the dot\n")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: b"hi" in us.mailbox("tom") and b"hi" in us.mailbox("ann"), what="both copies")
    mail = us.mailbox("tom")
    assert b"after the dot" in mail and b"Bcc" not in mail and b"x@later.test" not in mail
    assert b'From: "Jerry B." <jerry@hehuan.test>' in mail
    done = run_as("sendmail", us, tmp_path, "tom", text="Subject: dot\n\nbefore\n.\nbehind\n")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: b"before" in us.mailbox("tom"), what="the second message")
    assert b"behind" not in us.mailbox("tom")
    assert b"4 messages" in run_as("mailq", us, tmp_path).stdout
    assert run_as("sendmail", us, tmp_path, "-bp").stdout.count(b"later.test") >= 2
    assert b"aliases" in run_as("newaliases", us, tmp_path).stdout
    assert run_as("sendmail", us, tmp_path).returncode == 64
    assert run_as("sendmail", us, tmp_path, "-t", text="Subject: nobody\n\n").returncode == 65


def spool_message(us, number, to):
    id_ = f"1k{number:018d}"
    body = "Subject: waiting\r\n\r\nx\r\n"
    (us.spool / "active" / id_).write_text(
        f"postroad 1\nid {id_}\narrived {time.time():.6f}\nsize {len(body):020d}\ndots 0\n"
        f"octets 7\nbody 7BIT\nprotocol ESMTP\nclient 127.0.0.1\nhelo x.test\n"
        f"from <tom@hehuan.test>\ntodo <{to}>\n\n{body}", newline="")


def test_ten_thousand_for_a_silent_host_do_not_delay_one(postroad):
    """The one for a living host goes at once."""
    dns, port = DnsSim(), free_port()
    dns.load("magedu.test.", "$ORIGIN magedu.test.\n$TTL 60\n@ SOA ns hostmaster 1 1 1 1 60\n@ NS ns\n"
             "ns A 127.0.0.53\n@ MX 5 mail\nmail A 127.0.0.25\nsilent A 127.0.0.27\n")
    live = MailServer("127.0.0.25", port)
    silent = socket.create_server(("127.0.0.27", port))   # nobody accepts
    us = postroad(nameserver=f"127.0.0.1:{dns.port}", exchanger_port=port,
                  config='timeouts { greeting = "60s" stop = "1s" }',
                  retry='min = "60s" max = "60s" expire = "1h" scan = "60s"')
    us.stop()
    for i in range(10000):
        spool_message(us, i, f"user{i}@silent.magedu.test")
    us.start()
    us.wait_event("queue.attempt", domain="silent.magedu.test", timeout=20)
    began = time.monotonic()
    with us.smtp() as client:
        client.sendmail("tom@hehuan.test", ["ann@magedu.test"], "Subject: quick\r\n\r\n")
    us.wait_event("queue.delivered", to="ann@magedu.test", timeout=20)
    assert time.monotonic() - began < 3
    assert len(live.messages) == 1 and len(us.queued("active", "deferred")) == 10000
    us.stop(), live.close(), silent.close(), dns.close()
