"""The operator's commands, run as an operator runs them."""
import email
import json
import re
import os
import stat
import subprocess
import time

import pytest

from postroad import POSTROAD, Postroad, free_ports, wait_for


def run(*args, input=None):
    done = subprocess.run([str(POSTROAD), *args], input=input, capture_output=True, timeout=20)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


# ---- help --------------------------------------------------------------------------------------

def test_help():
    code, out, _ = run("--help")
    assert code == 0
    for command in ("serve", "stop", "reload", "check", "queue", "send", "user", "explain"):
        assert f"postroad {command}" in out
        code, text, _ = run(command, "--help")
        assert code == 0 and text.startswith(f"usage: postroad {command}")


@pytest.mark.parametrize("args", [(), ("dance",), ("serve", "--what"), ("queue", "-x"), ("user",),
                                  ("send",), ("explain",), ("check", "extra"), ("queue", "dance"),
                                  ("queue", "hold"), ("user", "add"), ("user", "list", "tom")])
def test_usage(args):
    if args[:1] in (("queue",), ("user",)) and len(args) > 1:
        server = Postroad()
        server.start()
        try:
            done = server.ctl(*args, check=False)
            code, err = done.returncode, done.stderr
        finally:
            server.close()
    else:
        code, _, err = run(*args)
    assert code == 64 and ("usage:" in err or "postroad COMMAND" in err)


def test_missing_configuration():
    code, _, err = run("check", "-c", "/nonexistent.conf")
    assert code == 78
    code, _, err = run("queue", "-c", "/nonexistent.conf")
    assert code == 78 and "/nonexistent.conf: No such file" in err


# ---- check -------------------------------------------------------------------------------------

def test_check(postroad):
    server = postroad(start=False)
    done = server.ctl("check", check=False)
    assert done.returncode == 78                       # nobody answers DNS at port 9
    assert "problem  DNS: no answer about hehuan.test" in done.stdout
    assert "1 problem" in done.stdout
    assert "ok       all ports are free" in done.stdout
    server.start()
    assert "ok       the server runs as process" in server.ctl("check", check=False).stdout


def test_check_names_each_problem(postroad):
    server = postroad(start=False, users="tom:x\nbad line\n", aliases="a: b c\n",
                      config='relay { source-v4 = "192.0.2.99" }')
    (server.dir / "users").chmod(0o644)
    out = server.ctl("check", check=False).stdout
    assert f"problem  {server.dir}/users:2:" in out
    assert f"problem  {server.dir}/aliases:1: a space inside an item" in out
    assert "192.0.2.99 is not an address of this host" in out
    assert "warning  " in out and "chmod 640" in out


# ---- user --------------------------------------------------------------------------------------

def test_users(postroad):
    server = postroad(start=False, users="# people\ntom:!\n\njerry:!:1000:1000:/home/jerry\n")
    file = server.dir / "users"
    file.chmod(0o640)
    server.ctl("user", "add", "Eve", input=b"pw with spaces\n")
    assert server.ctl("user", "add", "eve", input=b"x\n", check=False).returncode == 65
    server.ctl("user", "passwd", "jerry", input=b"new\n")
    server.ctl("user", "add", "box", "--locked")
    server.ctl("user", "add", "sys", "--uid", "7", "--gid", "8", "--home", "/home/sys", "--locked")
    server.ctl("user", "remove", "tom")
    lines = file.read_text().splitlines()
    assert lines[0] == "# people" and lines[1] == ""
    assert lines[2].startswith("jerry:$") and lines[2].endswith(":1000:1000:/home/jerry")
    assert lines[3].startswith("Eve:$") and lines[4:] == ["box:!", "sys:!:7:8:/home/sys"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    listed = server.ctl("user", "list").stdout.split("\n")
    assert [line.split()[:2] for line in listed if line] == [
        ["box", "locked"], ["eve", "active"], ["jerry", "active"], ["sys", "locked"]]
    assert server.ctl("user", "passwd", "nobody", input=b"x\n", check=False).returncode == 67
    assert server.ctl("user", "add", "../x", input=b"x\n", check=False).returncode == 65
    assert server.ctl("user", "add", "max", input=b"\n", check=False).returncode == 65
    assert server.ctl("user", "add", "max", "--uid", "7", "--locked", check=False).returncode == 65
    assert file.read_text().splitlines() == lines      # nothing wrong got in


def test_users_file_by_name(tmp_path):
    file = str(tmp_path / "users")
    code, _, err = run("user", "--file", file, "add", "tom", input=b"pw\n")
    assert code == 0, err
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert run("user", "--file", file, "list")[1].split()[:2] == ["tom", "active"]


def test_concurrent_changes_lose_nothing(tmp_path):
    file = str(tmp_path / "users")
    names = [f"user{n}" for n in range(10)]
    started = [subprocess.Popen([str(POSTROAD), "user", "--file", file, "add", n, "--locked"]) for n in names]
    assert [p.wait(20) for p in started] == [0] * 10
    assert sorted(run("user", "--file", file, "list")[1].split()[::2]) == sorted(names)


# ---- send --------------------------------------------------------------------------------------

def delivered(server, user="tom"):
    server.wait_event("mda.delivered", user=user)
    return server.mailbox(user)


def test_send_adds_what_is_missing(postroad):
    server = postroad()
    out = server.ctl("send", "-f", "jerry@magedu.test", "tom", input=b"Subject: x\n\n.dot\n..\r\nlast").stdout
    queue_id = out.strip()
    box = delivered(server)
    message = email.message_from_bytes(box.split(b"\n", 1)[1])
    assert message["Subject"] == "x" and message["From"] == "<jerry@magedu.test>"
    assert message["Date"] and message["Message-ID"] == f"<{queue_id}@mail.hehuan.test>"
    assert message["Return-Path"] == "<jerry@magedu.test>"
    assert queue_id in " ".join(message.get_all("Received"))
    assert message.get_payload().rstrip("\n") == ".dot\n..\nlast"


def test_send_keeps_what_is_there(postroad):
    server = postroad()
    head = b"Date: Tue, 24 Nov 2026 08:00:00 +0000\nfrom: A <a@magedu.test>\nMESSAGE-ID: <1@x>\n"
    server.ctl("send", "-q", "-f", "<>", "tom@hehuan.test", input=b"From tom Tue Nov 24\n" + head + b"\nbody\n")
    message = email.message_from_bytes(delivered(server).split(b"\n", 1)[1])
    assert len(message.get_all("Date")) == len(message.get_all("From")) == 1
    assert message["Message-ID"] == "<1@x>" and message["Return-Path"] == "<>"


def test_send_without_any_header(postroad):
    server = postroad()
    server.ctl("send", "tom", input=b"just text, no header\nmore\n")
    message = email.message_from_bytes(delivered(server).split(b"\n", 1)[1])
    assert message.get_payload().startswith("just text, no header\nmore\n")
    assert message["From"].endswith("@hehuan.test>")


def test_send_refuses(postroad):
    server = postroad(config='limits { message-size = "64K" }')
    for args, text, code, words in [
            (["tom"], b"Subject: x\n\n" + b"y" * 999 + b"\n", 65, "line 3 has 999 octets"),
            (["tom"], b"Subject: x\n\n" + b"y\n" * 40000, 65, "over 65536 octets"),
            (["a@@b"], b"x\n", 65, "is not an address"),
            (["-f", "a b", "tom"], b"x\n", 65, "is not an address")]:
        done = server.ctl("send", *args, input=text, check=False)
        assert done.returncode == code and words in done.stderr, done.stderr
    assert server.queued() == []


# ---- queue -------------------------------------------------------------------------------------

@pytest.fixture
def waiting(postroad):
    """A server with a message that cannot be delivered: the exchanger refuses connections."""
    [port] = free_ports(1)
    server = postroad(exchanger_port=port, retry='min = "1h"  max = "1h"  expire = "5d"  scan = "500ms"')
    server.id = server.ctl("send", "-f", "jerry@hehuan.test", "tom@[127.0.0.9]",
                           input=b"Subject: waits\n\nbody\n").stdout.strip()
    server.wait_event("queue.deferred", id=server.id)
    wait_for(lambda: server.queued("deferred") == [server.id], 5, "the deferred message")
    return server


def test_queue_list_and_show(waiting):
    out = waiting.ctl("queue").stdout
    assert waiting.id in out and "deferred" in out and "<jerry@hehuan.test>" in out
    assert "refused" in out and "1 message" in out and re.search(r"in (5[3-9]|60)m", out)
    [message] = json.loads(waiting.ctl("queue", "list", "--json").stdout)
    assert message["id"] == waiting.id and message["state"] == "deferred"
    assert message["recipients"][0]["address"] == "tom@[127.0.0.9]"
    assert "refused" in message["recipients"][0]["last"]
    assert 3200 < message["next"] - time.time() < 3700
    show = waiting.ctl("queue", "show", waiting.id).stdout
    assert "Subject: waits" in show and "refused" in show
    assert json.loads(waiting.ctl("queue", "show", waiting.id, "--json").stdout)["size"] > 0


def test_queue_flush(waiting):
    before = len(waiting.events("queue.deferred"))
    waiting.ctl("queue", "flush")
    waiting.wait_event("queue.deferred", count=before + 1)
    waiting.ctl("queue", "flush", waiting.id)
    waiting.wait_event("queue.deferred", count=before + 2)


def test_queue_hold_release_delete(waiting):
    waiting.ctl("queue", "hold", waiting.id)
    assert waiting.queued("hold") == [waiting.id]
    assert waiting.ctl("queue", "flush", waiting.id, check=False).returncode == 65
    assert "hold" in waiting.ctl("queue").stdout
    before = len(waiting.events("queue.deferred"))
    waiting.ctl("queue", "release", waiting.id)
    waiting.wait_event("queue.deferred", count=before + 1)
    wait_for(lambda: waiting.queued("deferred") == [waiting.id], 5, "the deferred message")
    assert waiting.ctl("queue", "release", waiting.id, check=False).returncode == 65
    waiting.ctl("queue", "delete", waiting.id)
    assert waiting.queued() == [] and "the queue is empty" in waiting.ctl("queue").stdout
    assert waiting.ctl("queue", "delete", waiting.id, check=False).returncode == 66
    assert waiting.ctl("queue", "delete", "../users", check=False).returncode == 65


# ---- explain -----------------------------------------------------------------------------------

def test_explain_local_addresses(postroad):
    server = postroad()
    out = server.ctl("explain", "webmaster@hehuan.test").stdout
    order = ["hehuan.test is one of domains", "alias webmaster", "alias postmaster",
             f"account jerry: mailbox {server.mail}/jerry (mbox)"]
    positions = [out.index(words) for words in order]
    assert positions == sorted(positions)
    assert f"account bob: mailbox {server.mail}/bob" in server.ctl("explain", "bob").stdout
    done = server.ctl("explain", "nobody@hehuan.test", check=False)
    assert done.returncode == 67 and "550 5.1.1" in done.stdout


def test_explain_circular_aliases(postroad):
    server = postroad(start=False, aliases="a: b\nb: a\n")
    done = server.ctl("explain", "a@hehuan.test", check=False)
    assert done.returncode == 78 and "round in a circle" in done.stdout


def test_explain_other_domains(postroad):
    server = postroad(start=False)
    literal = server.ctl("explain", "tom@[192.0.2.1]").stdout
    assert "is not ours" in literal and "address literal" in literal and "192.0.2.1" in literal
    done = server.ctl("explain", "tom@magedu.test", check=False)
    assert done.returncode == 75 and "tried again later" in done.stdout      # no DNS at port 9


def test_explain_a_waiting_message(waiting):
    out = waiting.ctl("explain", waiting.id).stdout
    assert f"is in {waiting.spool}/deferred" in out
    assert "the next try is in" in out and "still to do" in out and "refused" in out
    waiting.ctl("queue", "hold", waiting.id)
    assert f"postroad queue release {waiting.id}" in waiting.ctl("explain", waiting.id).stdout
    waiting.ctl("queue", "delete", waiting.id)
    assert "queue.deferred" in waiting.ctl("explain", waiting.id).stdout     # from the event log


def test_explain_a_refusal(postroad):
    server = postroad(relay_from=["192.0.2.0/24"])
    client = server.smtp()
    client.ehlo()
    client.mail("jerry@magedu.test")
    assert client.rcpt("someone@elsewhere.test")[0] == 550
    assert client.rcpt("nobody@hehuan.test")[0] == 550
    client.quit()
    session = str(server.wait_event("smtpd.refused")["session"])
    for wanted in ("someone@elsewhere.test", "127.0.0.1", session):
        out = server.ctl("explain", wanted, check=False).stdout
        assert "TO:<someone@elsewhere.test>" in out and "rule: relay-refused" in out, out
        assert "clause: RFC 5321" in out
    assert "127.0.0.1 is none of relay-from" in server.ctl("explain", "127.0.0.1").stdout
    assert "192.0.2.7 is one of relay-from" in server.ctl("explain", "192.0.2.7").stdout
    done = server.ctl("explain", "12345678", check=False)
    assert done.returncode == 66 and "no queue id" in done.stderr
