"""Mail is kept when a mailbox is locked, full, unwritable or not there, and comes when that is over. And as
whom a program in the place of the mailbox runs."""
import os
import shutil
import subprocess

import pytest

from postroad import open_to_all, wait_for

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be other users")
FORMATS = ["mbox", "maildir"]


def send(us, *to):
    with us.smtp() as client:
        client.sendmail("jerry@magedu.test", list(to), "Subject: kept\r\n\r\nthe letter\r\n")


def letters(us, user):
    box = us.mail / user
    texts = [f.read_bytes() for f in (box / "new").glob("*")] if box.is_dir() else [us.mailbox(user)]
    return b"".join(texts).count(b"the letter")


def arrives(us, user="tom"):
    us.ctl("queue", "flush")
    wait_for(lambda: letters(us, user) == 1, what="the letter")
    us.wait_empty()


def as_others(postroad, form, **how):
    """A server whose delivery agent is not root, or permissions would mean nothing."""
    us = postroad(format=form, user="daemon", mda_user="games", start=False, **how)
    shutil.chown(us.mail, "games", "games")
    us.mail.chmod(0o755)
    return us.start()


@needs_root
@pytest.mark.parametrize("form", FORMATS)
def test_unwritable(postroad, form):
    us = as_others(postroad, form)
    box = us.mail / "tom"
    box.write_bytes(b"") if form == "mbox" else box.mkdir()
    shutil.chown(box, "root", "root")
    box.chmod(0o600 if form == "mbox" else 0o700)
    send(us, "tom@hehuan.test", "ann@hehuan.test")
    assert us.wait_event("queue.deferred", to="tom@hehuan.test")["status"].startswith("4.")
    wait_for(lambda: letters(us, "ann") == 1, what="ann's copy")
    shutil.chown(box, "games", "games")
    arrives(us)
    assert letters(us, "ann") == 1


@needs_root
@pytest.mark.parametrize("form", FORMATS)
def test_vanished(postroad, form):
    """The folder of the mailboxes is gone, as when a disk is not mounted."""
    us = as_others(postroad, form)
    us.pop3().quit()                 # all are up: who starts without the folder ends at once
    us.imap().logout()
    send(us, "ann@hehuan.test")
    us.wait_empty()
    away = us.mail.with_name("away")
    us.mail.rename(away)
    us.dir.chmod(0o755)
    send(us, "tom@hehuan.test")
    us.wait_event("queue.deferred", to="tom@hehuan.test")
    away.rename(us.mail)
    arrives(us)


@pytest.mark.parametrize("form", FORMATS)
def test_something_else_in_its_place(postroad, form):
    us = postroad(format=form)
    box = us.mail / "tom"
    box.mkdir() if form == "mbox" else box.write_bytes(b"what is this?")
    send(us, "tom@hehuan.test")
    us.wait_event("queue.deferred", to="tom@hehuan.test")
    box.rename(us.mail / "old")
    arrives(us)


def test_locked_for_long(postroad):
    us = postroad(format="mbox")
    lock = us.mail / "tom.lock"
    lock.write_text(str(os.getpid()))
    send(us, "tom@hehuan.test")
    assert us.wait_event("queue.deferred", timeout=60, to="tom@hehuan.test")["status"] == "4.2.0"
    lock.unlink()
    arrives(us)


@needs_root
@pytest.mark.parametrize("form", FORMATS)
def test_full_disk(postroad, form):
    us = postroad(format=form, start=False)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=777", "tmpfs", us.mail], capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a tmpfs here: {done.stderr.decode().strip()}")
    try:
        us.start()
        ballast = us.mail / "ballast"
        fd = os.open(ballast, os.O_WRONLY | os.O_CREAT)
        try:
            while True:
                os.write(fd, b"x" * 4096)
        except OSError:
            os.close(fd)
        send(us, "tom@hehuan.test")
        assert us.wait_event("queue.deferred", to="tom@hehuan.test")["status"] == "4.3.1"
        ballast.unlink()
        arrives(us)
        us.stop()
    finally:
        subprocess.run(["umount", "-l", us.mail], check=True)


def test_over_quota(postroad):
    us = postroad(format='maildir"  quota = "3000', users="tom:{PLAIN}x\n")
    with us.smtp() as client:
        client.sendmail("", ["tom@hehuan.test"], "Subject: a\r\n\r\n" + ("y" * 70 + "\r\n") * 39)
    us.wait_event("queue.delivered", to="tom@hehuan.test")
    send(us, "tom@hehuan.test")
    with us.smtp() as client:        # larger than all of it: never
        client.sendmail("", ["tom@hehuan.test"], "Subject: large\r\n\r\n" + ("z" * 70 + "\r\n") * 60)
    assert us.wait_event("queue.failed", to="tom@hehuan.test")["status"] == "5.2.2"
    assert us.wait_event("queue.deferred", to="tom@hehuan.test")["status"] == "4.2.2"
    us.stop()


@needs_root
def test_a_program_runs_as_the_user(postroad, tmp_path):
    open_to_all(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, 23456)
    program = tmp_path / "deliver"
    program.write_text('#!/bin/sh\n{ id -u; id -g; id -G; umask; pwd; echo "$HOME $USER $LOGNAME $SENDER"; '
                       'grep CapEff /proc/self/status; } >said\ncat >got\n')
    program.chmod(0o755)
    us = postroad(user="daemon", mda_user="games", users=f"tom:{{PLAIN}}x:12345:23456:{home}\n",
                  config=f'program-folders = {{"{home}"}}\nmailboxes {{ program = "{program}" }}')
    us.mail.chmod(0o777)
    send(us, "tom@hehuan.test")
    us.wait_empty()
    assert (home / "said").read_text().split("\n")[:7] == [
        "12345", "23456", "23456", "0077", str(home), f"{home} tom tom jerry@magedu.test",
        "CapEff:\t0000000000000000"]
    st = (home / "got").stat()
    assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (12345, 23456, 0o600)
    assert b"the letter" in (home / "got").read_bytes()
