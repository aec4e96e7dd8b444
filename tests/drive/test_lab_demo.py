"""The demo: its story, its page, and that its comparison is one that can fail."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import pathlib

import pytest

from lab_tools import NOBODY, can_be_rootless
from postroad import BUILD, ROOT

PAGE = BUILD / "bin" / "demo-page"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason=f"{PAGE} is not built")


@pytest.fixture(params=["root", "rootless"])
def demo(request):
    """Runs the demo on a copy of its files; gives (process, page)."""
    rootless = request.param == "rootless"
    if rootless and not can_be_rootless():
        pytest.skip("this machine lets no user make namespaces")
    if not rootless and os.geteuid() != 0:
        pytest.skip("not run by root")
    home = pathlib.Path(tempfile.mkdtemp(prefix="demotest."))
    for folder in ("conformance/demo", "fixtures"):
        shutil.copytree(ROOT / folder, home / folder)
    (home / "build/bin").mkdir(parents=True)
    (home / "tmp").mkdir()
    home.chmod(0o755)                                # the roles are other users
    for name in ("lab", "dns-sim", "postroad", "demo-page"):
        shutil.copy(BUILD / "bin" / name, home / "build/bin" / name)
    prefix = []
    if rootless and os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", home], check=True)
        prefix = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]

    def run(message=None, **variables):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "BUILD": "build",
               "TMPDIR": str(home / "tmp"), **variables}
        if message is not None:
            (home / "message.eml").write_bytes(message)
            env["MSG"] = str(home / "message.eml")
        done = subprocess.run([*prefix, str(home / "conformance/demo/run")], env=env, text=True,
                              capture_output=True, timeout=120, stdin=subprocess.DEVNULL, cwd=home)
        page = home / "build/demo.html"
        return done, page.read_text() if page.exists() else ""

    run.home = home
    yield run
    shutil.rmtree(home, ignore_errors=True)


def left_over(demo):
    return list((demo.home / "tmp").iterdir())


def test_the_whole_story(demo):
    done, page = demo()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓ the same, byte for byte") == 6
    assert "✓ 6 messages arrived" in done.stdout and "✗" not in done.stdout
    story = re.sub(r"^ *[0-9.]+ +", "", done.stdout, flags=re.M)
    for line in ("sender ─▶ DNS     hehuan.test MX ?",
                 "sender ◀─ DNS     5 mail.hehuan.test, 10 mail1.hehuan.test",
                 "tom ◀─ mail    +OK 6 messages"):
        assert line in story
    # Down: refused, to the second exchanger, kept there; up: from there to the first.
    steps = ["▼ mail.hehuan.test goes down", "Connection refused", "connects to mail1.hehuan.test",
             "kept in the queue", "✓ it waits on mail1.hehuan.test", "▲ mail.hehuan.test is back",
             "mail1 ·· mail    connects to mail.hehuan.test, 2001:db8::25: connected",
             "mail.magedu.test → mail1.hehuan.test → mail.hehuan.test"]
    places = [story.find(step) for step in steps]
    assert -1 not in places and places == sorted(places), list(zip(steps, places))
    assert left_over(demo) == []


def test_the_page_is_of_that_run_and_complete(demo):
    done, page = demo()
    ids = set(re.findall(r"queued as (\w+)", done.stdout))
    assert len(ids) >= 12 and all(i in page for i in ids)
    assert page.startswith("<!DOCTYPE html>") and page.rstrip().endswith("</html>")
    assert page.count("<details") == page.count("</details>") > 60
    assert page.count("<section") == page.count("</section>") == 7
    # Nothing to be fetched: no address but those in mail.
    assert not re.search(r'(src|href)=(?!"#)|@import|url\(|https?://', page)
    for text in ("MAIL FROM:&lt;jerry@magedu.test&gt; SIZE=", "354 send the message", "RETR 6", "hehuan.test MX ?"):
        assert text in page


def test_your_own_message(demo):
    done, page = demo(b"From x\nSubject: mine & <yours>\n\n.\nFrom here\n..\ncaf\xe9")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("✓ the same, byte for byte") == 2
    assert "Your message" in page


def test_a_message_that_is_refused(demo):
    done, page = demo(b"Subject: bare\n\na\rb\n")
    assert done.returncode == 1
    assert "✗ jerry's server did not take it" in done.stdout
    assert re.search(r"✗ jerry's server did not take it\n +5\d\d 5\.", done.stdout)
    assert "NOT" not in done.stdout and 'class="verdict no"' in page


def test_no_such_message(demo):
    done, page = demo(MSG="/nowhere.eml")
    assert done.returncode == 1 and "no such file" in done.stderr and not page


SENT = b"Subject: x\r\nDate: now\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n"
TRACE = b"Return-Path: <a@b>\r\nReceived: from a\r\n\tby mail.hehuan.test with ESMTP\r\n"


@pytest.mark.parametrize("got, same", [
    (TRACE + SENT, True),
    (SENT, True),
    (TRACE + SENT + b"\r\n", False),
    (TRACE + SENT[:-2], False),
    (TRACE + SENT.replace(b"body", b"Body"), False),
    (TRACE + SENT.replace(b"x\r\n", b"x \r\n", 1), False),
    (TRACE + b"X-Added: 1\r\n" + SENT, False),
    (TRACE + b"Date: twice\r\n" + SENT, False),
    (TRACE + SENT.replace(b"\r\n", b"\n"), False),
    (TRACE + SENT.replace(b"Date: now\r\n", b""), False),
    (b"", False),
])
def test_the_comparison_can_fail(tmp_path, got, same):
    (tmp_path / "sent").write_bytes(SENT)
    (tmp_path / "got").write_bytes(got)
    done = subprocess.run([PAGE, "compare", tmp_path, tmp_path / "sent", tmp_path / "got"])
    assert done.returncode == (0 if same else 1)
    event = json.loads((tmp_path / "demo.jsonl").read_text())
    assert event["good"] == ("yes" if same else "no")
    if same and got != SENT:
        assert event["path"] == "mail.hehuan.test" and event["added"] == "Return-Path, Received"


def test_what_submission_completes(tmp_path):
    (tmp_path / "sent").write_bytes(b"Subject: x\r\n\r\nbody\r\n")
    (tmp_path / "got").write_bytes(TRACE + b"Subject: x\r\nDate: d\r\nMessage-ID: m\r\n\r\nbody\r\n")
    assert subprocess.run([PAGE, "compare", tmp_path, tmp_path / "sent", tmp_path / "got"]).returncode == 0
    assert json.loads((tmp_path / "demo.jsonl").read_text())["added"] == "Return-Path, Received, Date, Message-ID"
