"""~/.forward files: what is in them, who may have written them, and as whom they are read and obeyed."""
import os
import stat

import pytest

from postroad import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as the users")
TOM, ANN, JERRY = 12345, 12346, 12347
SECRET = "{PLAIN}x"


class World:
    """A server with three users that have homes, and what they write into their .forward."""

    def __init__(self, postroad, config="", aliases="", format="mbox"):
        self.us = us = postroad(start=False, user="daemon", mda_user="games", aliases=aliases, format=format,
                                users="")
        self.homes = us.dir / "home"
        self.homes.mkdir()
        us.mail.chmod(0o777)
        users = []
        for name, uid in (("tom", TOM), ("ann", ANN), ("jerry", JERRY)):
            home = self.homes / name
            home.mkdir()
            os.chown(home, uid, uid)
            home.chmod(0o755)
            users.append(f"{name}:{SECRET}:{uid}:{uid}:{home}\n")
        (us.dir / "users").write_text("".join(users))
        us.base_config = us.base_config.replace("mailboxes {", 'mailboxes { forward = "~/.forward" ')
        us.write_config(f'program-folders = {{"{self.homes}"}}\n' + config)
        us.start()

    def home(self, name):
        return self.homes / name

    def forward(self, name, text, mode=0o644, file=".forward"):
        path = self.home(name) / file
        path.write_text(text.replace("~", str(self.home(name))))
        owner = self.home(name).stat().st_uid
        os.chown(path, owner, owner)
        path.chmod(mode)
        return path

    def send(self, *to, sender="ann@magedu.test", number=[0]):
        number[0] += 1
        word = f"number {number[0]} "
        with self.us.smtp() as client:
            client.sendmail(sender, list(to), f"Subject: {word}\r\n\r\nFrom here\r\n")
        self.word = word.encode()

    def got(self, name):
        return self.us.mailbox(name).count(self.word)


@pytest.fixture
def world(postroad):
    return lambda **how: World(postroad, **how)


def test_addresses_users_and_the_mailbox_itself(world):
    w = world()
    w.forward("tom", "# to my friends\njerry, ann@hehuan.test\n")
    w.send("tom@hehuan.test")
    w.us.wait_empty()
    assert [w.got(n) for n in ("tom", "jerry", "ann")] == [0, 1, 1]
    w.forward("tom", "\\tom\njerry\n")
    w.send("tom+list@hehuan.test", "jerry@hehuan.test")
    w.us.wait_empty()
    assert [w.got(n) for n in ("tom", "jerry", "ann")] == [1, 1, 0]
    w.forward("tom", "\n# nothing\n")           # an empty one means the mailbox
    w.send("tom@hehuan.test")
    w.us.wait_empty()
    assert w.got("tom") == 1


def test_circles_end_in_a_mailbox(world):
    w = world(aliases="all: tom, ann\n")
    w.forward("tom", "ann\n")
    w.forward("ann", "tom@hehuan.test\n")
    w.send("tom@hehuan.test")
    w.us.wait_empty()
    assert [w.got("tom"), w.got("ann")] == [1, 0]
    w.send("all@hehuan.test")
    w.us.wait_empty()
    assert w.got("tom") + w.got("ann") >= 1
    w.forward("tom", "tom@hehuan.test, jerry\n")
    w.send("tom@hehuan.test")
    w.us.wait_empty()
    assert [w.got("tom"), w.got("jerry")] == [1, 1]


def test_commands_and_files_as_the_user(world):
    w = world()
    w.forward("tom", '"|cat >~/seen; id -u >~/who; id -G >>~/who; umask >>~/who; '
                     'echo $USER $HOME $RECIPIENT >>~/who"\n~/saved\n~/Mail/\njerry\n')
    w.send("tom@hehuan.test")
    w.us.wait_empty()
    home = w.home("tom")
    assert w.got("jerry") == 1 and w.got("tom") == 0
    assert w.word in (home / "seen").read_bytes()
    lines = (home / "who").read_text().split("\n")
    assert lines[:3] == [str(TOM), str(TOM), "0077"] and lines[3].startswith(f"tom {home} ")
    saved = (home / "saved").read_text()
    assert saved.startswith("From ann@magedu.test ") and "\n>From here\n" in saved
    new, = (home / "Mail" / "new").iterdir()
    assert w.word in new.read_bytes()
    for path in home / "seen", home / "saved", new:
        st = path.stat()
        assert (st.st_uid, stat.S_IMODE(st.st_mode) & 0o077) == (TOM, 0), path
    assert stat.S_IMODE((home / "Mail").stat().st_mode) == 0o700


def test_others_files_are_not_reached(world):
    """tom's .forward cannot write where tom cannot, nor read what tom cannot."""
    w = world()
    w.home("ann").chmod(0o700)
    secret = w.forward("ann", "jerry\n", file="list", mode=0o600)
    w.forward("tom", f"{w.home('ann')}/stolen\n")
    w.send("tom@hehuan.test")
    assert "Permission denied" in w.us.wait_event("queue.deferred", status="4.2.0")["reply"]
    assert not (w.home("ann") / "stolen").exists()
    w.forward("tom", f":include:{secret}\n")
    w.send("tom@hehuan.test")
    assert "Permission denied" in w.us.wait_event("mda.forward-wrong", user="tom")["error"]
    # It waits, and comes when the file can be read.
    w.forward("tom", "\\tom\n")
    w.us.ctl("queue", "flush")
    w.us.wait_empty()
    assert w.got("tom") == 1 and w.us.mailbox("jerry") == b""


@pytest.mark.parametrize("spoil, why", [
    (lambda w, f: f.chmod(0o666), "can be written by others"),
    (lambda w, f: f.chmod(0o664), "can be written by others"),
    (lambda w, f: os.chown(f, ANN, ANN), "belongs to somebody else"),
    (lambda w, f: w.home("tom").chmod(0o777), "everybody can write to"),
    (lambda w, f: os.chown(w.home("tom"), ANN, TOM), "somebody else"),
    (lambda w, f: (f.unlink(), os.mkfifo(f)), "is no file"),
    (lambda w, f: (f.unlink(), f.mkdir()), "is no file"),
    (lambda w, f: f.write_text("<jerry>\n"), ".forward:1: "),
    (lambda w, f: f.write_text(f":include:{f}\n"), "include itself"),
    (lambda w, f: f.write_text("jerry\n" * 20000), "larger than 64 KiB"),
    (lambda w, f: f.write_text("jerry\n" * 501), "more than 500 items"),
], ids=["0666", "0664", "owner", "home-0777", "home-owner", "fifo", "folder", "syntax", "circle", "large",
        "many"])
def test_what_is_not_trusted_is_not_obeyed(world, spoil, why):
    w = world()
    path = w.forward("tom", "jerry\n")
    spoil(w, path)
    w.send("tom@hehuan.test")
    w.us.wait_empty()
    assert [w.got("tom"), w.got("jerry")] == [1, 0]
    assert why in w.us.wait_event("mda.forward-wrong", user="tom")["error"]


def test_nobody_asks_for_it_from_outside(world):
    w = world()
    w.forward("tom", f'"|touch ~/ran"\n')
    with w.us.smtp() as client:
        client.ehlo()
        client.docmd("MAIL FROM:<>")
        assert client.docmd('RCPT TO:<"~tom"@hehuan.test>')[0] == 550
        assert client.docmd("EXPN tom")[0] in (502, 550, 252, 250)
        assert b"ran" not in client.docmd("EXPN tom")[1]
    w.send("tom@hehuan.test")
    w.us.wait_empty()
    wait_for(lambda: (w.home("tom") / "ran").exists(), what="the command of tom's")


def test_a_command_that_says_no(world):
    w = world()
    w.forward("tom", '"|echo on holiday; exit 75"\n')
    w.send("tom@hehuan.test")
    assert "on holiday" in w.us.wait_event("queue.deferred", status="4.3.0")["reply"]
    w.forward("tom", '"|exit 67"\n')
    w.us.ctl("queue", "flush")
    w.us.wait_event("queue.failed", status="5.1.1")
    w.us.stop()


def test_without_forward_nothing_is_asked(postroad):
    us = postroad()
    with us.smtp() as client:
        client.sendmail("jerry@magedu.test", ["tom@hehuan.test"], "Subject: x\r\n\r\n")
    us.wait_empty()
    assert not [e for e in us.events("mda.command") if e["line"].startswith("EXPN")]


def test_files_of_an_alias(postroad, tmp_path):
    us = postroad(config=f'program-folders = {{"{tmp_path}"}}',
                  aliases=f'keep: {tmp_path}/box, {tmp_path}/folder/, tom\nnowhere: /dev/null\n')
    with us.smtp() as client:
        client.sendmail("jerry@magedu.test", ["keep@hehuan.test", "nowhere@hehuan.test"],
                        "Subject: kept\r\n\r\n")
    us.wait_empty()
    assert us.mailbox("tom").count(b"Subject: kept") == 1
    assert (tmp_path / "box").read_bytes().count(b"Subject: kept") == 1
    assert len(list((tmp_path / "folder/new").iterdir())) == 1
