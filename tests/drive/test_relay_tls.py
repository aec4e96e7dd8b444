"""STARTTLS between servers (RFC 3207): Postroad as the client of an exchanger that has TLS, breaks
it, or has none."""
import socket
import ssl
import subprocess
import threading

import pytest

from postroad import BUILD, ROOT, wait_for

CERTS = BUILD / "certs"
EXCHANGER = "127.0.0.2"
RECIPIENT = f"tom@[{EXCHANGER}]"


@pytest.fixture(scope="module", autouse=True)
def certificates():
    subprocess.run([ROOT / "fixtures/certs/make", CERTS], check=True)


class Exchanger:
    """An SMTP server that takes every message. starttls: "good", "broken" (no handshake follows),
    "inject" (plain text behind the 220), "later" (454), or None. One connection at a time."""

    def __init__(self, starttls):
        self.starttls = starttls
        self.messages = []       # (was it over TLS, commands of its connection)
        self.commands = []       # of all connections
        self.listener = socket.create_server((EXCHANGER, 0))
        self.port = self.listener.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(CERTS / "mail1.hehuan.test.pem",
                                     CERTS / "mail1.hehuan.test.key")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.session(connection)
                except OSError:
                    pass

    def session(self, c):
        file, tls, said = c.makefile("rb"), False, []
        c.sendall(b"220 exchanger\r\n")
        while line := file.readline():
            said.append(line.decode().strip())
            self.commands.append(said[-1])
            verb = said[-1].split(" ")[0].upper()
            if verb == "EHLO":
                c.sendall(b"250-exchanger\r\n250-8BITMIME\r\n")
                c.sendall(b"250 STARTTLS\r\n" if self.starttls and not tls else b"250 HELP\r\n")
            elif verb == "STARTTLS" and self.starttls == "later":
                c.sendall(b"454 4.7.0 not now\r\n")
            elif verb == "STARTTLS":
                injected = b"250-exchanger\r\n250 SIZE\r\n" if self.starttls == "inject" else b""
                c.sendall(b"220 go ahead\r\n" + injected)
                if self.starttls == "broken":
                    c.sendall(b"this is no handshake\r\n")
                    return
                c = self.context.wrap_socket(c, server_side=True)
                file, tls = c.makefile("rb"), True
            elif verb == "DATA":
                c.sendall(b"354 go\r\n")
                while file.readline() not in (b".\r\n", b""):
                    pass
                self.messages.append((tls, said))
                c.sendall(b"250 2.0.0 mine\r\n")
            else:
                c.sendall(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
                if verb == "QUIT":
                    return


@pytest.fixture
def send(postroad):
    """A function that sends one message through a new server to a new exchanger."""
    exchangers = []

    def run(starttls, tls="opportunistic"):
        exchanger = Exchanger(starttls)
        exchangers.append(exchanger)
        server = postroad(config=f'relay {{ port = {exchanger.port} tls = "{tls}" }}')
        with server.smtp() as client:
            client.sendmail("jerry@hehuan.test", [RECIPIENT], "Subject: hi\r\n\r\nhello\r\n")
        return server, exchanger
    yield run
    for e in exchangers:
        e.close()


def delivered(server, exchanger):
    wait_for(lambda: exchanger.messages, what="the message")
    server.wait_event("queue.delivered")
    assert len(exchanger.messages) == 1
    return exchanger.messages[0]


def test_over_tls_where_it_is_offered(send):
    server, exchanger = send("good")
    tls, commands = delivered(server, exchanger)
    assert tls and [c.split(" ")[0] for c in commands][:4] == ["EHLO", "STARTTLS", "EHLO", "MAIL"]
    assert server.events("relay.tls")[0]["version"] == "TLSv1.3"


@pytest.mark.parametrize("starttls", ["broken", "inject"])
def test_in_plain_on_a_new_connection_where_it_breaks(send, starttls):
    server, exchanger = send(starttls)
    tls, commands = delivered(server, exchanger)
    assert not tls and "STARTTLS" not in commands
    assert len(server.events("relay.tls-failed")) == 1


@pytest.mark.parametrize("starttls", ["later", None])
def test_in_plain_where_there_is_none(send, starttls):
    server, exchanger = send(starttls)
    tls, commands = delivered(server, exchanger)
    assert not tls and len([c for c in commands if c.startswith("EHLO")]) == 1


def test_none_means_none(send):
    tls, commands = delivered(*send("good", tls="none"))
    assert not tls and "STARTTLS" not in commands


@pytest.mark.parametrize("starttls", ["broken", "inject", "later", None])
def test_required_and_not_to_be_had(send, starttls):
    server, exchanger = send(starttls, tls="require")
    server.wait_event("queue.deferred", count=2)
    assert not exchanger.messages
    assert not [c for c in exchanger.commands if c.startswith(("MAIL", "RCPT", "DATA"))]


def test_required_and_had(send):
    assert delivered(*send("good", tls="require"))[0]
