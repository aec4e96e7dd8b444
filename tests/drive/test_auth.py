"""The auth process, over its socket as the other roles use it, and through POP3."""
import base64
import imaplib
import json
import os
import pathlib
import poplib
import re
import signal
import smtplib
import socket
import statistics
import time

import pytest

from account_servers import hash_of
from postroad import ROOT, wait_for


class Auth:
    def __init__(self, server):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(server.spool / "run/auth"))
        self.file = self.socket.makefile("rb")

    def send(self, line):
        self.socket.sendall(line + b"\n")
        answer = self.file.readline()
        return json.loads(answer) if answer else None

    def ask(self, **request):
        return self.send(json.dumps(request).encode())

    def verify(self, user, password, peer="192.0.2.1"):
        return self.ask(op="verify", user=user, password=password.encode().hex(), peer=peer)

    def lookup(self, address):
        return self.ask(op="lookup", address=address)


def test_answers(postroad):
    auth = Auth(postroad())
    assert auth.lookup("tom@hehuan.test") == {
        "status": "ok", "user": "tom", "uid": -1, "gid": -1, "home": ""}
    assert auth.lookup("Staff@HEHUAN.test") == {
        "status": "alias", "user": "staff", "targets": ["jerry", "tom", "ann"]}
    assert auth.lookup("postmaster")["targets"] == ["jerry"]
    assert auth.lookup("nobody@hehuan.test") == {"status": "no"}
    assert auth.lookup("tom@elsewhere.test") == {"status": "no"}
    assert auth.verify("tom", "tom-pw")["status"] == "ok"
    assert auth.verify("tom", "jerry-pw") == {"status": "no"}
    assert auth.verify("nobody", "tom-pw") == {"status": "no"}
    assert auth.verify("locked", "locked-pw") == {"status": "no"}


def test_garbage_closes_that_connection_only(postroad):
    server = postroad()
    other = Auth(server)
    for garbage in (b"", b"garbage", b"\xff\x00\xff", b"{}", b"[" * 10000, b"x" * 20000,
                    b'{"op":"lookup"}'):
        assert Auth(server).send(garbage) is None
    assert other.lookup("tom")["status"] == "ok"


def test_files_are_seen_when_they_change(postroad):
    server = postroad()
    auth = Auth(server)
    assert auth.lookup("eve") == {"status": "no"}
    server.ctl("user", "add", "eve", input=b"secret\n")
    assert auth.lookup("eve")["status"] == "ok"
    assert auth.verify("eve", "secret")["status"] == "ok"
    server.ctl("user", "passwd", "eve", input=b"another\n")
    assert auth.verify("eve", "secret")["status"] == "no"
    assert auth.verify("eve", "another")["status"] == "ok"
    server.ctl("user", "remove", "eve")
    assert auth.lookup("eve") == {"status": "no"}
    with open(server.dir / "aliases", "a") as f:
        f.write("broken line\n")
    assert auth.lookup("staff")["status"] == "alias"          # the last good content
    assert "aliases:" in server.wait_event("auth.file-wrong")["problem"]


def test_no_password_in_any_event(postroad):
    server = postroad()
    for password in ("tom-pw", "Sesame-Secret"):
        try:
            pop = server.pop3()
            pop.user("tom")
            pop.pass_(password)
            pop.quit()
        except poplib.error_proto:
            pass
    assert server.wait_event("auth.verified", user="tom")["peer"] == "127.0.0.1"
    assert server.wait_event("auth.refused", user="tom")["peer"] == "127.0.0.1"
    text = server.events_path.read_text() + server.stderr()
    for secret in ("tom-pw", "Sesame-Secret"):
        assert secret not in text and secret.encode().hex() not in text


def octets_of(pid):
    """All that a process has in memory that it may write to."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps.read(), re.M):
            try:
                memory.seek(int(start, 16))
                yield memory.read(int(end, 16) - int(start, 16))
            except OSError:
                continue


def log_ins(server, user, secret, code):
    """By every way in which a password itself is sent, on the three protocols; all connections stay open."""
    plain, name, word = (base64.b64encode(t.encode()).decode() for t in (f"\0{user}\0{secret}", user, secret))
    opened = []
    for way in ("PASS", "PLAIN", "LOGIN"):
        pop = server.pop3()
        opened.append(pop)
        lines = {"PASS": [f"USER {user}", f"PASS {secret}"], "PLAIN": [f"AUTH PLAIN {plain}"],
                 "LOGIN": ["AUTH LOGIN", name, word]}[way]
        for line in lines:
            pop._putcmd(line)
            answer = pop._getline()[0]
        assert answer.startswith(b"+OK" if code == 235 else b"-ERR [AUTH]"), answer
        if code == 235:      # one session of a mailbox at a time
            pop.quit()
            opened.pop()
        client = server.submission()
        opened.append(client)
        client.ehlo()
        for line in {"PASS": [f"AUTH PLAIN {plain}"], "PLAIN": ["AUTH PLAIN", plain],
                     "LOGIN": ["AUTH LOGIN", name, word]}[way]:
            answer = client.docmd(line)
        assert answer[0] == code, answer
        imap = server.connect(server.imap_port)
        opened.append(imap)
        said = imap.makefile("rb")
        said.readline()
        for line in {"PASS": [f'a LOGIN {user} "{secret}"'], "PLAIN": [f"a AUTHENTICATE PLAIN {plain}"],
                     "LOGIN": ["a AUTHENTICATE LOGIN", name, word]}[way]:
            imap.sendall(line.encode() + b"\r\n")
            answer = said.readline()
        assert answer.startswith(b"a OK" if code == 235 else b"a NO [AUTHENTICATIONFAILED]"), answer
    return opened


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to read another process's memory")
def test_no_password_stays_in_memory(postroad, monkeypatch):
    """Neither as it was typed, nor in Base64 or hex, in the process that checked it or that passed it on;
    nor in a core file, nor in what was logged, right or wrong."""
    # AddressSanitizer keeps what libraries have freed: the release, where there is one beside it.
    release = ROOT / "build/bin/postroad"
    if release.exists():
        monkeypatch.setattr("postroad.POSTROAD", release)
    right, wrong = "Sesame-Unlikely-4711", "Sesame-Mistaken-0815"
    server = postroad(users=f"tom:{hash_of(right)}\n", config='auth { mechanisms = {"PLAIN", "LOGIN"} '
                      'plain-without-tls = true imap-login-without-tls = true free-guesses = 1000 }')
    roles = ("auth", "pop3d", "smtpd", "imapd", "queue", "mda")
    wait_for(lambda: set(roles) <= set(server.role_pids()), 20, "the processes of all roles")
    if "libasan" in pathlib.Path(f"/proc/{server.role_pids()['auth']}/maps").read_text():
        pytest.skip("AddressSanitizer keeps what libraries have freed")
    opened = log_ins(server, "tom", wrong, 535) + log_ins(server, "tom", right, 235)
    forms = []
    for secret in (right, wrong):
        plain, login = (base64.b64encode(t.encode()) for t in (f"\0tom\0{secret}", secret))
        forms += [secret.encode(), secret.encode().hex().encode(), plain[6:-4], login[:-4]]
    pids = server.role_pids()
    for role in roles:
        there = {form for octets in octets_of(pids[role]) for form in forms if form in octets}
        assert there == set(), role
        if role not in ("queue", "mda"):
            assert re.search(r"Max core file size +0 +0 ", pathlib.Path(f"/proc/{pids[role]}/limits").read_text()), role
    said = server.events_path.read_bytes() + server.stderr().encode()
    assert not [form for form in forms if form in said]
    for connection in opened:
        connection.close()


def test_unknown_user_takes_as_long_as_a_wrong_password(postroad):
    auth = Auth(postroad())
    times = {"tom": [], "nobody": [], "locked": []}
    for n in range(8):
        for user in times:
            begun = time.perf_counter()
            assert auth.verify(user, "wrong", peer=f"192.0.2.{n}")["status"] == "no"
            times[user].append(time.perf_counter() - begun)
    tom, nobody, locked = (statistics.median(times[u]) for u in ("tom", "nobody", "locked"))
    # Without the dummy hash the ratio is in the hundreds.
    assert 0.5 < nobody / tom < 2 and 0.5 < locked / tom < 2, times


def test_guesses_are_slowed(postroad):
    server = postroad()
    auth = Auth(server)
    begun = time.monotonic()
    for _ in range(10):
        auth.verify("tom", "wrong", peer="198.51.100.9")
    free = (time.monotonic() - begun) / 10
    begun = time.monotonic()
    auth.verify("tom", "wrong", peer="198.51.100.9")
    assert time.monotonic() - begun > 0.4 > free
    begun = time.monotonic()
    assert auth.verify("tom", "tom-pw", peer="198.51.100.10")["status"] == "ok"
    assert time.monotonic() - begun < 0.4                     # others are not


def guess(server, protocol, password):
    """Seconds until the answer."""
    client = getattr(server, protocol)()
    begun = time.monotonic()
    with pytest.raises((poplib.error_proto, imaplib.IMAP4.error, smtplib.SMTPAuthenticationError)):
        if protocol == "pop3":
            client.user("tom")
            client.pass_(password)
        else:
            client.login("tom", password)
    took = time.monotonic() - begun
    getattr(client, "quit", getattr(client, "logout", None))()
    return took


def test_guesses_in_one_protocol_are_counted_in_the_others(postroad):
    """Ten are free for an address: three and four in each protocol, and the next one in each waits."""
    server = postroad(config='auth { mechanisms = {"PLAIN"} plain-without-tls = true '
                             'imap-login-without-tls = true }')
    protocols = ("pop3", "imap", "submission")
    free = [guess(server, protocol, "wrong") for protocol in protocols for _ in range(3)]
    free.append(guess(server, "pop3", "wrong"))
    assert statistics.median(free) < 0.4
    assert [guess(server, protocol, "wrong") > 0.4 for protocol in protocols] == [True] * 3


def test_clients_survive_a_restart_of_auth(postroad):
    server = postroad(check_deaths=False)
    pop = server.pop3()
    session = server.smtp()
    session.ehlo()
    session.mail("jerry@magedu.test")
    assert session.rcpt("tom@hehuan.test")[0] == 250
    os.kill(server.role_pids()["auth"], signal.SIGKILL)
    server.wait_event("master.role-died", role="auth")
    wait_for(lambda: "auth" in server.role_pids(), 5, "a new auth")
    assert session.rcpt("ann@hehuan.test")[0] == 250
    assert session.rcpt("nobody@hehuan.test")[0] == 550
    pop.user("tom")
    pop.pass_("tom-pw")
    pop.quit()
    session.quit()


@pytest.mark.parametrize("users", ["tom:x\ntom:y\n", "nonsense\n"])
def test_start_with_a_wrong_users_file_is_refused(postroad, users):
    server = postroad(start=False, users=users)
    done = server.ctl("serve", "--foreground", check=False)
    assert done.returncode == 78 and f"{server.dir}/users:" in done.stderr
