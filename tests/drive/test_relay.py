"""The relay against real DNS and scripted servers: who is asked, who is tried, what is sent."""
import socket
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
@      MX  10 mail1
@      MX  5  mail
mail   A   127.0.0.25
mail1  A   127.0.0.26
www    A   127.0.0.25
null   MX  0 .
empty  TXT "no address"
two    MX  5 both
both   A   127.0.0.24
both   A   127.0.0.25
six    MX  5 v6
v6     AAAA ::1
equal  MX  7 mail
equal  MX  7 mail1
ours   MX  5 mail.hehuan.test.
ours   MX  10 mail
back   MX  5 mail
back   MX  10 mail.hehuan.test.
back   MX  20 mail1
slow   MX  5 silent
slow   MX  9 mail1
silent A   127.0.0.27
"""
ADDRESS = {"mail": "127.0.0.25", "mail1": "127.0.0.26", "v6": "::1", "silent": "127.0.0.27"}


class World:
    """Our server, the zone, and other people's servers."""

    def __init__(self, postroad):
        self.make = postroad
        self.dns = DnsSim()
        self.port = free_port()
        self.servers = {}
        self.dns.load("magedu.test.", ZONE)
        self.us = None

    def start(self, config="", **arguments):
        self.us = self.make(nameserver=f"127.0.0.1:{self.dns.port}", exchanger_port=self.port,
                            config=config, **arguments)
        return self.us

    def host(self, name, answers=None, **arguments):
        self.servers[name] = MailServer(ADDRESS[name], self.port, answers, **arguments)
        return self.servers[name]

    def send(self, *to, sender="tom@hehuan.test", data=b"Subject: x\r\n\r\nhello\r\n", **arguments):
        with self.us.smtp() as client:
            client.sendmail(sender, list(to), data, **arguments)

    def close(self):
        for server in self.servers.values():
            server.close()
        self.dns.close()


@pytest.fixture
def world(postroad):
    w = World(postroad)
    yield w
    w.close()


def bounce(us, user="tom", timeout=10):
    """The text of the first bounce in the sender's mailbox."""
    wait_for(lambda: b"multipart/report" in us.mailbox(user), timeout, "a bounce")
    us.wait_empty()
    return us.mailbox(user).decode()


def test_best_exchanger_and_no_more_questions_than_needed(world):
    mail, mail1 = world.host("mail"), world.host("mail1")
    us = world.start()
    world.send("jerry@magedu.test", "ann@magedu.test")
    us.wait_empty()
    assert [m.recipients for m in mail.messages] == [["jerry@magedu.test", "ann@magedu.test"]]
    assert mail1.connections == 0
    assert mail.messages[0].data.endswith(b"Subject: x\r\n\r\nhello\r\n")
    assert mail.messages[0].data.startswith(b"Received: ")
    asked = sorted((q["name"].rstrip("."), q["type"]) for q in world.dns.queries()
                   if q["name"].startswith(("magedu", "mail")))
    assert asked == [("magedu.test", "MX"), ("mail.magedu.test", "A"), ("mail.magedu.test", "AAAA")]
    assert mail.commands[0] == "EHLO mail.hehuan.test"
    assert mail.commands[1].startswith("MAIL FROM:<tom@hehuan.test> SIZE=")


def test_implicit_mx_and_literal(world):
    mail = world.host("mail")
    us = world.start()
    world.send("a@www.magedu.test")
    world.send("b@[127.0.0.25]")
    us.wait_empty()
    assert sorted(m.recipients[0] for m in mail.messages) == ["a@www.magedu.test", "b@[127.0.0.25]"]


@pytest.mark.parametrize("answers", [
    {"CONNECT": "421 4.3.2 busy"}, {"CONNECT": "554 go away"}, {"CONNECT": None},
    {"CONNECT": "220 bare line feed\n"}, {"EHLO": "451 not now"}, {"EHLO": "502 no", "HELO": "502 no"},
    {"MAIL": "451 4.3.0 later"}, {"RCPT": "450 4.2.0 later"}, {"DATA": "451 4.3.0 later"},
    {".": "452 4.3.1 full"}, {".": None}, {"RCPT": None}, {"RCPT": "nonsense"},
    {"DATA": "250 strange"}])
def test_the_next_exchanger_is_tried(world, answers):
    mail, mail1 = world.host("mail", answers), world.host("mail1")
    us = world.start()
    world.send("jerry@magedu.test")
    us.wait_empty()
    assert mail.connections >= 1 and not mail.messages
    assert len(mail1.messages) == 1


@pytest.mark.parametrize("answers", [{"MAIL": "550 5.7.1 no"}, {"RCPT": "550 5.1.1 unknown"},
                                     {"DATA": "554 5.7.1 no"}, {".": "554 5.7.1 spam"}])
def test_a_5yz_is_final(world, answers):
    mail, mail1 = world.host("mail", answers), world.host("mail1")
    us = world.start()
    world.send("jerry@magedu.test")
    text = bounce(us)
    reply = list(answers.values())[0]
    assert mail1.connections == 0
    assert f"Final-Recipient: rfc822; jerry@magedu.test\nAction: failed\nStatus: {reply[4:9]}" in text
    assert f"Remote-MTA: dns; mail.magedu.test\nDiagnostic-Code: smtp; {reply}" in text
    assert us.mailbox("tom").startswith(b"From MAILER-DAEMON")


def test_all_addresses_of_an_exchanger(world):
    mail = world.host("mail")
    us = world.start()
    for _ in range(4):
        world.send("jerry@two.magedu.test")
    us.wait_empty()
    assert len(mail.messages) == 4        # 127.0.0.24 refuses
    assert us.events("relay.connect", address="127.0.0.24", result="Connection refused")


def test_ipv6(world):
    v6 = world.host("v6")
    us = world.start()
    world.send("jerry@six.magedu.test")
    us.wait_empty()
    assert len(v6.messages) == 1


def test_a_silent_host_leads_to_the_next(world):
    with socket.socket() as silent:
        silent.bind((ADDRESS["silent"], world.port))
        silent.listen(8)                  # takes the connection and says nothing
        mail1 = world.host("mail1")
        us = world.start('timeouts { greeting = "300ms" }')
        world.send("jerry@slow.magedu.test")
        us.wait_empty()
        assert len(mail1.messages) == 1


def test_partly_refused(world):
    mail = world.host("mail", {"RCPT TO:<no@": "550 5.1.1 unknown",
                               "RCPT TO:<later@": ["450 4.2.0 once", "450 4.2.0 twice", "250 ok"]})
    world.host("mail1", {"CONNECT": "421 busy"})
    us = world.start()
    world.send("yes@magedu.test", "no@magedu.test", "later@magedu.test")
    text = bounce(us)
    assert "no@magedu.test" in text
    assert "rfc822; yes@" not in text and "rfc822; later@" not in text
    assert [m.recipients for m in mail.messages] == [["yes@magedu.test"], ["later@magedu.test"]]


def test_too_many_recipients_means_another_transaction(world):
    """RFC 5321 4.5.3.1.10: 452 after some, on the same connection; 552 is the same."""
    mail = world.host("mail", {"RCPT TO:<c@": ["452 4.5.3 too many", "250 ok"],
                               "RCPT TO:<d@": ["552 too many", "250 ok"]})
    mail1 = world.host("mail1")
    us = world.start()
    world.send("a@magedu.test", "b@magedu.test", "c@magedu.test", "d@magedu.test")
    us.wait_empty()
    assert [m.recipients for m in mail.messages] == [["a@magedu.test", "b@magedu.test"],
                                                     ["c@magedu.test", "d@magedu.test"]]
    assert mail.connections == 1 and mail1.connections == 0


@pytest.mark.parametrize("domain, status", [
    ("null.magedu.test", "5.1.10"), ("nosuch.magedu.test", "5.1.2"), ("empty.magedu.test", "5.1.2"),
    ("ours.magedu.test", "5.4.6")])
def test_roads_that_lead_nowhere_bounce_at_once(world, domain, status):
    us = world.start()
    world.send(f"jerry@{domain}")
    assert f"Final-Recipient: rfc822; jerry@{domain}\nAction: failed\nStatus: {status}\n" in bounce(us)
    assert not us.events("relay.connect", address="127.0.0.25")


def test_backup_exchanger_only_sends_to_better_ones(world):
    mail1 = world.host("mail1")
    us = world.start('relay-domains = {"back.magedu.test"}')
    world.send("jerry@back.magedu.test")
    us.wait_event("queue.deferred")
    assert mail1.connections == 0         # it is worse than we are
    mail = world.host("mail")
    us.wait_empty()
    assert len(mail.messages) == 1 and mail1.connections == 0


def test_dns_that_does_not_answer_is_no_bounce(world):
    mail = world.host("mail")
    us = world.start()
    world.dns.ctl("fault", "magedu.test.", "MX", "servfail")
    world.send("jerry@magedu.test")
    event = us.wait_event("queue.deferred")
    assert event["status"] == "4.4.3"
    world.dns.ctl("clear", "faults")
    us.wait_empty()
    assert len(mail.messages) == 1


def test_equal_preferences_share_the_load(world):
    mail, mail1 = world.host("mail"), world.host("mail1")
    us = world.start()
    for i in range(12):
        world.send(f"u{i}@equal.magedu.test")
        us.wait_empty()
        time.sleep(0.01)
    assert len(mail.messages) + len(mail1.messages) == 12


def test_without_pipelining_and_with_helo(world):
    mail = world.host("mail", {"EHLO": "500 what?"})
    us = world.start()
    world.send("jerry@magedu.test")
    us.wait_empty()
    assert len(mail.messages) == 1
    assert mail.commands[:3] == ["EHLO mail.hehuan.test", "HELO mail.hehuan.test",
                                 "MAIL FROM:<tom@hehuan.test>"]


def test_8bit_to_a_server_that_takes_7bit_only(world):
    mail = world.host("mail", keywords=["SIZE"])
    us = world.start()
    world.send("jerry@magedu.test", data="Subject: x\r\n\r\nh\u00e9\r\n".encode(),
               mail_options=["BODY=8BITMIME"])
    assert "Status: 5.6.3" in bounce(us)
    assert not mail.messages
    # Seven bits are taken by anybody, whatever was declared.
    world.send("jerry@magedu.test", mail_options=["BODY=8BITMIME"])
    wait_for(lambda: mail.messages, what="the message")
    assert not [c for c in mail.commands if "BODY" in c]


def test_8bit_is_declared(world):
    mail = world.host("mail")
    us = world.start()
    text = "Subject: x\r\n\r\nh\u00e9\r\n".encode()
    world.send("jerry@magedu.test", data=text, mail_options=["BODY=8BITMIME"])
    us.wait_empty()
    assert mail.messages[0].data.endswith(text)
    assert "BODY=8BITMIME" in mail.messages[0].sender


def test_size_limit_of_the_next_host(world):
    mail = world.host("mail", keywords=["SIZE 500"])
    us = world.start()
    world.send("jerry@magedu.test", data=b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 100)
    assert "Status: 5.3.4" in bounce(us)
    assert not [c for c in mail.commands if c.startswith("MAIL")]


def test_dots_and_line_ends_on_the_wire(world):
    mail = world.host("mail")
    us = world.start()
    text = b"Subject: x\r\n\r\n.\r\n..\r\n.x\r\nx.\r\n\r\n.\r\n" + b"y" * 900 + b"\r\n.z\r\n"
    text += b"." * 400 + b"\r\n"
    world.send("jerry@magedu.test", data=text * 200)
    us.wait_empty()
    assert mail.messages[0].data.endswith(text * 200)
    assert mail.raw.count(b"\n") == mail.raw.count(b"\r\n") == mail.raw.count(b"\r")


def test_source_address(world):
    mail = world.host("mail")
    world.make_us = world.make(nameserver=f"127.0.0.1:{world.dns.port}",
                               config=f'relay {{ port = {world.port}  source-v4 = "127.0.0.77" }}')
    world.us = world.make_us
    world.send("jerry@magedu.test")
    world.us.wait_empty()
    assert mail.peers == ["127.0.0.77"]


def test_an_open_connection_is_used_again(world):
    mail = world.host("mail")
    us = world.start()
    for i in range(5):
        world.send(f"u{i}@magedu.test")
        us.wait_empty()
    assert len(mail.messages) == 5 and mail.connections == 1
    # One that died meanwhile costs nothing.
    mail.close()
    mail.start()
    world.send("last@magedu.test")
    us.wait_empty()
    assert mail.messages[-1].recipients == ["last@magedu.test"]
    assert not us.events("queue.deferred")


def test_an_idle_connection_is_ended_with_quit(world):
    mail = world.host("mail")
    us = world.start()
    world.send("jerry@magedu.test")
    us.wait_empty()
    wait_for(lambda: mail.commands[-1] == "QUIT", 8, "QUIT")


def test_nothing_ever_comes_back_to_us(world):
    """Our own server as the domain's implicit exchanger: a loop, said at once."""
    us = world.make(start=False)
    world.dns.load("loop.test.", "$ORIGIN loop.test.\n$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n"
                                 "ns A 127.0.0.1\n@ A 127.0.0.1\n")
    world.port = us.smtp_port
    us.close()
    us = world.start()
    us.stop()
    us.base_config = us.base_config.replace(f"relay {{ port = {world.port} }}",
                                            f"relay {{ port = {us.smtp_port} }}")
    us.write_config()
    us.start()
    world.send("jerry@loop.test")
    assert "Status: 5.4.6" in bounce(us)
