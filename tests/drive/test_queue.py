"""The queue: retries, time, crashes, what is on disk, and that nobody delays anybody else."""
import email
import os
import signal
import socket
import threading
import time

import pytest

from dns_server import DnsSim, free_port
from postroad import wait_for
from relay_server import MailServer

ZONE = """\
$ORIGIN magedu.test.
$TTL 60
@      SOA ns hostmaster 1 3600 600 86400 60
@      NS  ns
ns     A   127.0.0.53
@      MX  5 mail
mail   A   127.0.0.25
other  A   127.0.0.26
*.dead A   127.0.0.28
"""
RETRY = 'min = "{min}"  max = "{max}"  expire = "{expire}"  scan = "{scan}"'


class World:
    def __init__(self, postroad):
        self.make, self.dns, self.port = postroad, DnsSim(), free_port()
        self.servers = []
        self.dns.load("magedu.test.", ZONE)
        self.us = None

    def start(self, min="200ms", max="1s", expire="1h", scan="60s", **arguments):
        """Scans are so rare that whatever happens, happens without them."""
        self.us = self.make(nameserver=f"127.0.0.1:{self.dns.port}", exchanger_port=self.port,
                            retry=RETRY.format(min=min, max=max, expire=expire, scan=scan),
                            **arguments)
        return self.us

    def host(self, address="127.0.0.25", answers=None, **arguments):
        self.servers.append(MailServer(address, self.port, answers, **arguments))
        return self.servers[-1]

    def send(self, *to, sender="tom@hehuan.test", data=b"Subject: x\r\n\r\nhello\r\n"):
        with self.us.smtp() as client:
            client.sendmail(sender, list(to), data)

    def close(self):
        for server in self.servers:
            server.close()
        self.dns.close()


@pytest.fixture
def world(postroad):
    w = World(postroad)
    yield w
    w.close()


def times(us, name, **fields):
    return [e["time"] for e in us.events(name, **fields)]


def test_the_waits_double_from_min_to_max(world):
    us = world.start(min="200ms", max="800ms")
    world.host(answers={"RCPT": "450 4.2.0 later"})
    world.send("jerry@magedu.test")
    us.wait_event("queue.attempt", count=6, timeout=15)
    at = times(us, "queue.attempt")
    for last, next in zip(at, at[1:]):
        wait = min(max(last - at[0], 0.2), 0.8)
        # Up to a tenth earlier, so that not all come at once.
        assert wait * 0.9 - 0.01 <= next - last <= wait + 0.4, at
    assert us.queued("deferred") or us.queued("active")


def test_what_waits_is_tried_when_its_host_is_back(world):
    us = world.start()
    world.send("jerry@magedu.test")
    event = us.wait_event("queue.deferred")
    assert event["status"] == "4.4.1" and "Connection refused" in event["reply"]
    assert 0 < event["next"] <= 200
    mail = world.host()
    us.wait_empty()
    assert len(mail.messages) == 1


def test_after_its_time_it_bounces(world):
    us = world.start(expire="700ms")
    world.host(answers={"RCPT": "450 4.2.0 mailbox full"})
    world.send("jerry@magedu.test")
    us.wait_event("mda.delivered", user="tom")
    us.wait_empty()
    report = email.message_from_bytes(us.mailbox("tom").split(b"\n", 1)[1])
    assert report["Return-Path"] == "<>"
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    people, status, original = report.get_payload()
    assert "given up" in people.get_payload()
    about_message, about_tom = status.get_payload()
    assert about_message["Reporting-MTA"] == "dns; mail.hehuan.test"
    assert about_tom["Final-Recipient"] == "rfc822; jerry@magedu.test"
    assert about_tom["Action"] == "failed" and about_tom["Status"] == "4.4.7"
    assert about_tom["Diagnostic-Code"] == "smtp; 450 4.2.0 mailbox full"
    assert about_tom["Remote-MTA"] == "dns; mail.magedu.test"
    assert original.get_content_type() == "message/rfc822"
    assert original.get_payload(0)["Subject"] == "x"
    waited = times(us, "queue.failed")[0] - times(us, "queue.attempt")[0]
    assert 0.6 <= waited <= 1.5


def test_a_bounce_that_nobody_takes_is_held(world):
    us = world.start()
    world.host(answers={"RCPT TO:<gone@": "550 5.1.1 gone", "RCPT TO:<sender@": "550 5.1.1 gone"})
    world.send("gone@magedu.test", sender="sender@magedu.test")
    held = us.wait_event("queue.held")["id"]
    # The postmaster is told (RFC 3461 5.2).
    wait_for(lambda: us.queued() == [held], what="the held one alone")
    text = (us.spool / "hold" / held).read_text()
    assert "\nfrom <>\nfail <sender@magedu.test>\n" in text
    assert " failed mail.magedu.test[127.0.0.25] 550 5.1.1 gone\n" in (us.spool / "log" / held).read_text()
    # RFC 5321 4.5.5: and nothing is sent about it.
    assert len(us.events("queue.bounced")) == 1


def test_local_recipients_and_aliases(world):
    mail = world.host()
    us = world.start(aliases="both: tom, \\ann\nlist: both, eve@magedu.test\n"
                             "self: self2\nself2: self\n")
    world.send("list@hehuan.test", "tom@hehuan.test", sender="jerry@magedu.test")
    us.wait_empty()
    assert us.mailbox("tom").count(b"Subject: x") == 1
    assert us.mailbox("ann").count(b"Subject: x") == 1
    assert [m.recipients for m in mail.messages] == [["eve@magedu.test"]]
    world.send("self@hehuan.test", sender="jerry@magedu.test")
    us.wait_empty()
    reports = [m.data.decode() for m in mail.messages[1:]]
    assert len(reports) == 1 and "Status: 5.4.6" in reports[0]


def test_one_copy_for_many_recipients_of_a_domain(world):
    mail, other = world.host(), world.host("127.0.0.26")
    us = world.start()
    world.send(*[f"u{i}@magedu.test" for i in range(90)], "x@other.magedu.test", "ann@hehuan.test",
               sender="jerry@magedu.test")
    us.wait_empty()
    assert [len(m.recipients) for m in mail.messages] == [90]
    assert len(other.messages) == 1
    assert us.mailbox("ann").count(b"Subject: x") == 1


def test_a_dead_destination_delays_nobody(world):
    """Twenty messages to silent hosts, and mail for others passes by."""
    listeners = []
    for address in ("127.0.0.28", "127.0.0.25"):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, world.port))
        s.listen(50)
        listeners.append(s)
    other = world.host("127.0.0.26")
    us = world.start(min="5s", max="5s",
                     config="deliveries { total = 4  per-destination = 2 }\ntimeouts { greeting = \"3s\" }")
    for i in range(10):
        world.send(f"u{i}@magedu.test")
    us.wait_event("queue.attempt", count=2)
    start = time.monotonic()
    world.send("x@other.magedu.test")
    world.send("ann@hehuan.test")
    wait_for(lambda: other.messages and b"Subject: x" in us.mailbox("ann"), 2, "the others' mail")
    assert time.monotonic() - start < 2
    # RFC 5321 4.5.4.1: after one failure the others of that destination are not tried for a while.
    us.wait_event("queue.deferred", count=10, timeout=10)
    assert len(us.events("queue.attempt", domain="magedu.test")) == 2
    for s in listeners:
        s.close()


def test_the_operators_flush_ignores_what_was_dead(world):
    us = world.start(min="1h", max="2h", expire="5d")
    world.send("a@magedu.test")
    us.wait_event("queue.deferred")
    mail = world.host()
    world.send("b@magedu.test")           # the host is thought to be dead still
    us.wait_event("queue.deferred", count=2)
    assert len(us.events("queue.attempt")) == 1
    us.ctl("queue", "flush")
    us.wait_empty()
    assert len(mail.messages) == 2


def test_released_mail_is_delivered_at_once(world):
    us = world.start(min="1h", max="2h", expire="5d")
    world.send("a@magedu.test")
    id = us.wait_event("queue.deferred")["id"]
    wait_for(lambda: us.queued("deferred") == [id], what="deferred/")
    us.ctl("queue", "hold", id)
    assert us.queued("hold") == [id]
    world.host()
    us.ctl("queue", "release", id)
    us.wait_empty()


def test_it_is_still_there_after_a_restart(world):
    us = world.start(min="500ms", max="1s")
    world.send("a@magedu.test", "b@magedu.test")
    us.wait_event("queue.deferred", count=2)
    us.kill()
    mail = world.host()
    us.start()
    us.wait_empty()
    assert [m.recipients for m in mail.messages] == [["a@magedu.test", "b@magedu.test"]]


def test_killed_in_the_middle_of_a_delivery(world):
    """Done stays done: the first recipient's domain has it, the second one's server hangs."""
    release = threading.Event()
    mail = world.host()
    hanging = socket.socket()
    hanging.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    hanging.bind(("127.0.0.26", world.port))
    hanging.listen(8)
    us = world.start()
    world.send("a@magedu.test", "b@other.magedu.test")
    us.wait_event("queue.delivered", to="a@magedu.test")
    us.kill()
    hanging.close()
    other = world.host("127.0.0.26")
    us.start()
    us.wait_empty()
    assert len(mail.messages) == 1 and len(other.messages) == 1
    release.set()


def test_the_queue_role_alone_is_killed(world):
    us = world.start(check_deaths=False)
    mail = world.host(answers={"RCPT": ["450 later", "250 ok"]})
    world.send("a@magedu.test")
    us.wait_event("queue.deferred")
    os.kill(us.role_pids()["queue"], signal.SIGKILL)
    us.wait_event("queue.started", count=2)
    us.wait_empty()
    assert len(mail.messages) == 1


def test_mail_waits_for_the_delivery_agent(world):
    us = world.start(check_deaths=False)
    os.kill(us.role_pids()["mda"], signal.SIGKILL)
    world.send("tom@hehuan.test")
    us.wait_empty(20)
    assert us.mailbox("tom").count(b"Subject: x") == 1


def test_damaged_files_are_put_aside_and_others_go_on(world):
    us = world.start()
    us.stop()
    good = us.spool / "active"
    (good / "aaaa").write_text("postroad 1\nid aaaa\n")
    (good / "bbbb").write_bytes(b"")
    (good / "README").write_text("not a message")
    (us.spool / "deferred" / "cccc").write_text("nonsense\n\n")
    us.start()
    world.send("tom@hehuan.test")
    wait_for(lambda: us.queued("corrupt") == ["aaaa", "bbbb", "cccc"], what="corrupt/")
    wait_for(lambda: us.mailbox("tom"), what="the good message")
    assert (good / "README").exists()
    (good / "README").unlink()


def test_leftovers_in_incoming_go(world):
    us = world.start(scan="300ms")
    left = us.spool / "incoming" / "leftover"
    with us.smtp(timeout=30) as client:   # a slow message is no leftover
        client.ehlo()
        client.mail("jerry@magedu.test")
        client.rcpt("tom@hehuan.test")
        assert client.docmd("DATA")[0] == 354
        client.send(b"Subject: slow\r\n")
        wait_for(lambda: us.queued("incoming"), what="its file")
        left.write_text("postroad 1\n")
        time.sleep(0.7)
        assert left.exists()              # its writer may just be about to lock it
        wait_for(lambda: not left.exists(), 15, "the sweep")
        client.send(b"\r\nhello\r\n.\r\n")
        assert client.getreply()[0] == 250
    wait_for(lambda: b"Subject: slow" in us.mailbox("tom"), what="the slow message")


def test_lost_wake_ups_are_made_good_by_the_scan(world):
    us = world.start(scan="400ms")
    os.kill(us.role_pids()["queue"], signal.SIGSTOP)
    for _ in range(40):                   # more than the socket's queue takes
        world.send("tom@hehuan.test", sender="jerry@magedu.test")
    os.kill(us.role_pids()["queue"], signal.SIGCONT)
    us.wait_empty(15)
    assert us.mailbox("tom").count(b"Subject: x") == 40


def test_many_at_once(world):
    """Eight sessions, 25 messages each, local and remote: each exactly once."""
    mail = world.host()
    us = world.start(verbose=False)

    def session(k):
        with us.smtp() as client:
            for i in range(25):
                client.sendmail("jerry@hehuan.test", ["tom@hehuan.test", f"u{k}-{i}@magedu.test"],
                                f"Subject: m{k}-{i}\r\n\r\nx\r\n".encode())

    threads = [threading.Thread(target=session, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    us.wait_empty(30)
    box = us.mailbox("tom")
    assert all(box.count(f"Subject: m{k}-{i}\n".encode()) == 1 for k in range(8) for i in range(25))
    got = sorted(r for m in mail.messages for r in m.recipients)
    assert got == sorted(f"u{k}-{i}@magedu.test" for k in range(8) for i in range(25))


def test_stopping_does_not_wait_for_a_silent_server(world):
    hanging = socket.socket()
    hanging.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    hanging.bind(("127.0.0.25", world.port))
    hanging.listen(8)
    us = world.start(config='timeouts { stop = "2s" }')
    world.send("a@magedu.test")
    us.wait_event("relay.connect")
    start = time.monotonic()
    assert us.stop() == 0
    assert time.monotonic() - start < 4
    assert len(us.queued("active", "deferred")) == 1
    hanging.close()
