"""Programs that take mail: commands of aliases, and procmail and maildrop in the place of our own
mailboxes, with their real exit codes."""
import os

import pytest

from postroad import open_to_all, wait_for


def send(us, *to, sender="jerry@magedu.test", text="Subject: x\r\n\r\n.hello\r\n"):
    with us.smtp() as client:
        client.sendmail(sender, list(to), text)


def script(folder, name, body):
    path = folder / name
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)
    return path


def test_the_commands_of_an_alias_and_its_other_members(postroad, tmp_path):
    log = tmp_path / "log"
    program = script(tmp_path, "list", f'echo "$SENDER $RECIPIENT $1" >>{log}; cat >>{log}\n')
    us = postroad(config=f'program-folders = {{"{tmp_path}"}}',
                  aliases=f'list: tom, "|{program} one", "|{program} two"\nlone: "|{program} three"\n')
    send(us, "list@hehuan.test", "lone@hehuan.test")
    us.wait_empty()
    assert us.mailbox("tom").count(b".hello") == 1
    text = log.read_text()
    assert text.count("\n.hello\n") == 3 and text.count("Return-Path: <jerry@magedu.test>\n") == 3
    assert 'jerry@magedu.test "|list"@hehuan.test one' in text
    # Nobody can ask for commands from outside.
    with us.smtp() as client:
        client.ehlo()
        client.docmd("MAIL FROM:<>")
        assert client.docmd('RCPT TO:<"|list"@hehuan.test>')[0] == 550


@pytest.mark.parametrize("code, end", [(67, "queue.failed"), (75, "queue.deferred"), (73, "queue.failed")])
def test_a_command_that_does_not_take_it(postroad, tmp_path, code, end):
    program = script(tmp_path, "no", f"echo because; exit {code}\n")
    us = postroad(aliases=f'list: "|{program}"\n')
    send(us, "list@hehuan.test")
    assert "because" in us.wait_event(end)["reply"]
    us.stop()


@pytest.fixture
def box(tmp_path):
    """A folder that procmail trusts: nobody else may write there."""
    open_to_all(tmp_path)
    return tmp_path


def test_procmail_delivers(postroad, box):
    rc = box / "rc"
    rc.write_text(f"SHELL=/bin/sh\nMAILDIR={box}\nDEFAULT={box}/inbox\n"
                  f":0:\n* ^Subject: sort\n{box}/sorted\n")
    rc.chmod(0o644)
    us = postroad(config=f'program-folders = {{"{box}"}}\n'
                         f'mailboxes {{ program = "/usr/bin/procmail -t -m {rc}" }}')
    send(us, "tom@hehuan.test")
    send(us, "tom@hehuan.test", text="Subject: sort me\r\n\r\nx\r\n")
    us.wait_empty()
    assert b".hello" in (box / "inbox").read_bytes() and b"sort me" in (box / "sorted").read_bytes()


def test_procmail_says_not_now_and_never(postroad, box):
    rc = box / "rc"
    rc.write_text("SHELL=/bin/sh\n:0\n* ^Subject: later\n{\n EXITCODE=75\n :0\n /dev/null\n}\n"
                  ":0\n* ^Subject: never\n{\n EXITCODE=67\n :0\n /dev/null\n}\n")
    rc.chmod(0o644)
    us = postroad(config=f'program-folders = {{"{box}"}}\n'
                         f'mailboxes {{ program = "/usr/bin/procmail -m {rc}" }}')
    send(us, "tom@hehuan.test", text="Subject: later\r\n\r\nx\r\n")
    us.wait_event("queue.deferred", status="4.3.0")
    send(us, "ann@hehuan.test", sender="", text="Subject: never\r\n\r\nx\r\n")
    us.wait_event("queue.failed", status="5.1.1")
    us.stop()


def test_maildrop_delivers_and_refuses(postroad, box):
    rc = box / "filter"
    rc.write_text(f'if (/^Subject: never/)\n{{\n    EXITCODE=77\n    exit\n}}\nto "{box}/inbox"\n')
    rc.chmod(0o600)
    us = postroad(config=f'program-folders = {{"{box}"}}\n'
                         f'mailboxes {{ program = "/usr/bin/maildrop {rc}" }}')
    send(us, "tom@hehuan.test")
    us.wait_empty()
    assert b".hello" in (box / "inbox").read_bytes()
    send(us, "ann@hehuan.test", sender="", text="Subject: never\r\n\r\nx\r\n")
    us.wait_event("queue.failed", status="5.7.0")
    us.stop()
