"""The transport table: smart hosts, LMTP elsewhere, programs, discard, error; one connection for many
messages; TLS by destination."""
import socket
import subprocess
import threading

import pytest

from dns_server import DnsSim, free_port
from postroad import BUILD, ROOT, wait_for
from relay_server import MailServer
from test_relay_tls import CERTS, EXCHANGER, Exchanger

ZONE = """\
$ORIGIN magedu.test.
$TTL 60
@      SOA ns hostmaster 1 3600 600 86400 60
@      NS  ns
ns     A   127.0.0.53
@      MX  5  mail
mail   A   127.0.0.25
smart  A   127.0.0.26
"""


@pytest.fixture
def dns():
    server = DnsSim()
    server.load("magedu.test.", ZONE)
    yield server
    server.close()


@pytest.fixture
def hosts():
    """A function that makes mail servers, all closed at the end."""
    made = []

    def make(*arguments, **named):
        made.append(MailServer(*arguments, **named))
        return made[-1]
    yield make
    for server in made:
        server.close()


def send(us, *to, sender="tom@hehuan.test", text="Subject: x\r\n\r\nhello\r\n", port=None):
    with us.smtp() as client:
        client.sendmail(sender, list(to), text)


def test_a_smart_host_for_all_and_a_route_of_its_own_for_one_domain(postroad, dns, hosts):
    port = free_port()
    smart, mail = hosts("127.0.0.26", port), hosts("127.0.0.25", port)
    us = postroad(nameserver=f"127.0.0.1:{dns.port}", exchanger_port=port, config=f"""
transport "*" {{ to = "smtp:[smart.magedu.test]:{port}" }}
transport "magedu.test" {{ to = "mx" }}
transport ".below.test" {{ to = "smtp:magedu.test" }}
transport "eve@other.test" {{ to = "smtp:[127.0.0.25]" }}""")
    send(us, "ann@nowhere.test", "bob@elsewhere.test", "eve@other.test", "ann@magedu.test",
         "x@a.b.below.test", "tom@hehuan.test")
    us.wait_empty()
    assert sorted(r for m in smart.messages for r in m.recipients) == [
        "ann@nowhere.test", "bob@elsewhere.test"]
    assert len(smart.messages) == 1, "one destination is one transaction"
    assert sorted(r for m in mail.messages for r in m.recipients) == [
        "ann@magedu.test", "eve@other.test", "x@a.b.below.test"]
    assert b"hello" in us.mailbox("tom"), "* is not for local domains"


def test_one_connection_for_many_messages(postroad, hosts):
    port = free_port()
    smart = hosts("127.0.0.26", port)
    us = postroad(config=f"""
transport "*" {{ to = "smtp:[127.0.0.26]:{port}" }}
deliveries {{ per-destination = 1 }}""")
    for i in range(30):
        send(us, f"user{i}@d{i % 7}.test")
    us.wait_empty()
    assert len(smart.messages) == 30
    assert smart.connections == 1


def test_discard_error_and_retry(postroad):
    us = postroad(config="""
transport "void.test" { to = "discard" }
transport "gone.test" { to = "error:5.1.6 the company was closed" }
transport "later.test" { to = "retry:4.3.2 moving house" }""", aliases="gone: b@gone.test\n")
    send(us, "a@void.test", "gone@hehuan.test", "c@later.test")
    with us.smtp() as client:        # refused at once where it can be
        client.ehlo()
        client.docmd("MAIL FROM:<tom@hehuan.test>")
        assert client.docmd("RCPT TO:<b@gone.test>") == (550, b"5.1.6 <b@gone.test> the company was closed")
    assert us.wait_event("queue.delivered", to="a@void.test")["reply"] == "discarded (transport)"
    assert us.wait_event("queue.failed", to="b@gone.test")["status"] == "5.1.6"
    assert us.wait_event("queue.deferred", to="c@later.test")["reply"] == "moving house"
    wait_for(lambda: b"the company was closed" in us.mailbox("tom"), what="the bounce")


def test_lmtp_of_another(postroad, hosts):
    other = postroad(hostname="other.hehuan.test")
    us = postroad(config=f'transport "hehuan.test" {{ to = "lmtp:unix:{other.lmtp_socket}" }}')
    send(us, "tom@hehuan.test")
    us.wait_empty()
    wait_for(lambda: b"hello" in other.mailbox("tom"), what="the message")
    assert us.mailbox("tom") == b""


@pytest.mark.parametrize("code, end", [(0, "queue.delivered"), (67, "queue.failed"),
                                       (75, "queue.deferred"), (73, "queue.failed"),
                                       (1, "queue.failed")])
def test_a_program_and_its_exit_code(postroad, tmp_path, code, end):
    program = tmp_path / "program"
    program.write_text(f"""#!/bin/sh
cat >{tmp_path}/in
echo "$@" >{tmp_path}/arguments
echo "what it says"
exit {code}
""")
    program.chmod(0o755)
    us = postroad(config=f"""program-folders = {{"{tmp_path}"}}
    transport "list.test" {{
        to = "pipe:{program} -f {{sender}} {{user}}/{{extension}}@{{domain}}" }}""")
    send(us, "news+may@list.test", text="Subject: x\r\n\r\n.a\r\nb\r\n")
    happened = us.wait_event(end, to="news+may@list.test")
    assert (tmp_path / "arguments").read_text() == "-f tom@hehuan.test news/may@list.test\n"
    message = (tmp_path / "in").read_text()
    assert message.startswith("Return-Path: <tom@hehuan.test>\nDelivered-To: news+may@list.test\n")
    assert message.endswith("\n\n.a\nb\n") and "\r" not in message
    if code:
        assert "what it says" in happened["reply"]
    us.stop()


def test_a_program_that_never_ends_is_ended(postroad):
    us = postroad(config="""
transport "list.test" { to = "pipe:/bin/sleep 60" }
timeouts { program = "300ms" }""")
    send(us, "a@list.test")
    assert "too long" in us.wait_event("queue.deferred")["reply"]
    us.stop()


def test_no_option_can_be_smuggled_into_a_program(postroad):
    us = postroad(config='transport "list.test" { to = "pipe:/bin/echo {recipient}" }')
    send(us, "-x@list.test")
    assert us.wait_event("queue.failed", to="-x@list.test")["status"] == "5.1.3"


@pytest.fixture(scope="module")
def certificates():
    subprocess.run([ROOT / "fixtures/certs/make", CERTS], check=True)


@pytest.mark.parametrize("ca, name, starttls, good", [
    (True, "mail1.hehuan.test", "good", True),
    (True, "other.hehuan.test", "good", False),
    (False, "mail1.hehuan.test", "good", False),
    (True, "mail1.hehuan.test", None, False),
])
def test_verified_by_destination(postroad, certificates, ca, name, starttls, good):
    exchanger = Exchanger(starttls)
    us = postroad(config=f"""
relay {{ port = {exchanger.port} tls = "none" {f'ca = "{CERTS}/ca.pem"' if ca else ''} }}
transport "magedu.test" {{ to = "smtp:[{EXCHANGER}]" tls = "verify" tls-name = "{name}" }}""")
    send(us, "ann@magedu.test")
    if good:
        us.wait_event("queue.delivered")
        assert exchanger.messages[0][0], "it was over TLS"
    else:
        us.wait_event("queue.deferred", count=2)
        assert not exchanger.messages
    exchanger.close()


def test_a_connection_of_less_protection_is_not_used_for_more(postroad, certificates):
    exchanger = Exchanger("good")
    us = postroad(config=f"""
relay {{ port = {exchanger.port} tls = "none" ca = "{CERTS}/ca.pem" }}
transport "ann@[{EXCHANGER}]" {{ tls = "require" }}""")
    send(us, f"bob@[{EXCHANGER}]")
    us.wait_event("queue.delivered", to=f"bob@[{EXCHANGER}]")
    send(us, f"ann@[{EXCHANGER}]")
    us.wait_event("queue.delivered", to=f"ann@[{EXCHANGER}]")
    assert [tls for tls, _ in exchanger.messages] == [False, True]
    exchanger.close()


def test_mistakes_in_the_table_are_named(postroad):
    us = postroad(config="")
    us.conf.write_text(us.conf.read_text() + 'transport "x.test" { to = "smpt:[y]" tls = "yes" }\n')
    done = us.ctl("check", check=False)
    assert done.returncode != 0
    assert 'transport x.test: to = "smpt:[y]" is not known' in done.stdout + done.stderr
    assert 'transport x.test: tls = "yes" is not known' in done.stdout + done.stderr
