"""Servers with one deliberate fault each: the scenarios must find every one of them, and none in the same
server without a fault. And conform selftest: what the scenarios notice of a changed recording."""
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from known_bad import FAULTS

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CONFORM = Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "bin" / "conform"
@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """The project's scenarios with our own targets beside them, one a fault."""
    root = tmp_path_factory.mktemp("conformance")
    for part in ("scenarios", "requirements", "world"):
        (root / part).symlink_to(ROOT / "conformance" / part)
    for fault in ["none", *FAULTS]:
        folder = root / "targets" / fault
        folder.mkdir(parents=True)
        (folder / "target.conf").write_text(
            f'name = "{fault}"\nmailbox = "maildir:mail/%u"\nversion = "1"\n'
            'provides = {"smtp", "submission", "pop3", "relay", "local", "retry"}\n'
            "service smtp { port = 25 }\nservice submission { port = 587 }\nservice pop3 { port = 110 }\n")
        (folder / "start").write_text(f'exec {sys.executable} {HERE / "known_bad.py"} {fault} "$STATE"\n')
        (folder / "version").write_text("echo 1\n")
    return root


def run(world, fault, *scenarios):
    done = subprocess.run([CONFORM, "run", "--root", world, "--target", fault, "--format", "json", "--quiet", *scenarios],
                          capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return {r["id"]: r for r in json.loads(done.stdout)["results"]}


@pytest.fixture(scope="session")
def faulty(world):
    """All of them side by side: such runs are mostly waiting for what does not come."""
    with ThreadPoolExecutor(6) as pool:
        return dict(zip(FAULTS, pool.map(lambda f: run(world, f, FAULTS[f]), FAULTS)))


@pytest.fixture(scope="session")
def sound(world):
    return run(world, "none", *sorted(set(FAULTS.values())))


def test_without_a_fault_all_is_well(sound):
    bad = [r for r in sound.values() if r["verdict"] not in ("PASS", "INFO")]
    assert not bad, json.dumps(bad, indent=1)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_fault_is_found(faulty, fault):
    """A MUST that is broken gives FAIL, a SHOULD WARN."""
    assert {r["verdict"] for r in faulty[fault].values()} & {"FAIL", "WARN"}


def selftest(world, *arguments):
    return subprocess.run([CONFORM, "selftest", "--root", world, *arguments], capture_output=True, text=True,
                          timeout=300).stdout


def test_selftest_ends_in_the_score(world):
    out = selftest(world, "--target", "none", "pop3/login", "mx/lowest-preference")
    score = float(out.splitlines()[-1].rsplit(None, 1)[1].rstrip("%"))
    assert out.splitlines()[-1].endswith("%") and 90 < score <= 100, out


WEAK = """title    Counts the message at once, and so never sees it come twice
covers   D04
level    MUST
needs    relay submission
%s
zone hehuan.test
  @      MX 5  mail
  mail   A     192.0.2.25

server mail at 192.0.2.25:25 smtp accepts everything

client jerry to submission as jerry
  send fixture plain.eml from <jerry@magedu.test> to <tom@hehuan.test>

within 10s mail has 1 message
"""


def test_selftest_shows_what_is_not_noticed(tmp_path, world):
    root = tmp_path / "weak"
    (root / "scenarios" / "weak").mkdir(parents=True)
    (root / "scenarios" / "messages").symlink_to(ROOT / "conformance" / "scenarios" / "messages")
    for part in ("requirements", "world", "targets"):
        (root / part).symlink_to(world / part)
    file = root / "scenarios" / "weak" / "weak.scn"
    file.write_text(WEAK % "")
    out = selftest(root, "--target", "none", "weak/weak")
    assert "weak.scn:15: the message to mail twice (exempt twice)" in out, out
    noticed, changes = map(int, out.splitlines()[0].split()[1].split("/"))
    assert noticed == changes - 1
    file.write_text(WEAK % "exempt twice: only the codes are of interest here")
    out = selftest(root, "--target", "none", "weak/weak")
    assert "not noticed" not in out and "; 1 changes exempted" in out and out.endswith(": 100.0%\n"), out


@pytest.fixture
def own_server(tmp_path):
    """A server that somebody started himself, and the host.conf that he wrote (docs/test-your-own-server.md)."""
    ports = []
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    for s in sockets:
        ports.append(s.getsockname()[1])
        s.close()
    process = subprocess.Popen([sys.executable, HERE / "known_bad.py", "none", tmp_path, "127.0.0.1", *map(str, ports)])
    conf = tmp_path / "host.conf"
    conf.write_text('name = "our own"\nversion = "7"\naddress = "127.0.0.1"\nmailbox = "pop3"\n'
                    'provides = {"smtp", "pop3", "local"}\nunsupported = {"imap"}\n'
                    f"service smtp {{ port = {ports[0]} }}\nservice pop3 {{ port = {ports[2]} }}\n")
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", ports[2])).close()
            break
        except OSError:
            time.sleep(0.02)
    yield conf, tmp_path
    process.kill()
    process.wait()


def own_run(conf, *scenarios):
    return subprocess.run([CONFORM, "run", "--target", conf, *scenarios], capture_output=True, text=True, timeout=120)


def test_a_server_of_ones_own(own_server):
    conf, state = own_server
    both = ["smtp/unknown-user", "pop3/basics", "mx/implicit", "smtp/greeting"]
    for _ in range(2):                     # what one scenario leaves in the mailboxes, the next does not meet
        done = own_run(conf, *both)
        assert done.returncode == 0, done.stdout
        assert "our own 7, " in done.stdout
        assert not list((state / "mail").glob("*/new/*"))
    assert "1 SKIP" in done.stdout


def test_mail_of_ones_own_is_not_touched(own_server):
    conf, state = own_server
    kept = state / "mail" / "tom" / "new" / "1"
    kept.write_text("Subject: mine\n\nx\n")
    done = own_run(conf, "smtp/unknown-user", "pop3/basics")
    assert done.returncode == 2 and "1 messages in the mailbox of tom" in done.stdout
    assert kept.exists()


def test_nobody_is_accused_who_is_not_there(tmp_path):
    conf = tmp_path / "host.conf"
    conf.write_text('name = "gone"\naddress = "127.0.0.1"\nprovides = {"smtp"}\nservice smtp { port = 1 }\n')
    done = own_run(conf, "smtp/greeting")
    assert done.returncode == 2 and "nobody answers at 127.0.0.1, port 1" in done.stdout, done.stdout
