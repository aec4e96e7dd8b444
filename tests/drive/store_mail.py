"""Talking to the delivery agent and to POP3 directly, for the tests of mda, pop3d and the store."""
import contextlib
import shutil
import smtplib
import subprocess

import pytest

from postroad import wait_for

FORMATS = ["mbox", "maildir"]


@contextlib.contextmanager
def lmtp(server, timeout=20):
    """A connection to the server's delivery agent, after LHLO."""
    client = smtplib.LMTP(timeout=timeout)
    client.connect(str(server.lmtp_socket))
    client.ehlo("client.magedu.test")  # which says LHLO
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            client.quit()


def deliver(server, text, to=("tom@hehuan.test",), sender="jerry@magedu.test"):
    """Delivers one message (bytes, CRLF) by LMTP; every recipient must take it."""
    with lmtp(server) as client:
        refused = client.sendmail(sender, list(to), text)
        assert not refused, refused


def login(server, user="tom", timeout=20):
    client = server.pop3(timeout)
    client.user(user)
    client.pass_(f"{user}-pw")
    return client


def fetch_all(server, user="tom"):
    """The messages of the user's maildrop as bytes with CRLF, without Return-Path; none goes."""
    client = login(server, user)
    count = client.stat()[0]
    messages = []
    for i in range(1, count + 1):
        lines = client.retr(i)[1]
        assert lines[0].startswith(b"Return-Path: <"), lines[0]
        messages.append(b"".join(line + b"\r\n" for line in lines[1:]))
    client.quit()
    return messages


def run(command, **kwargs):
    """Runs a real mail program to its end; the test is skipped when it is not installed."""
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, timeout=60, **kwargs)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
