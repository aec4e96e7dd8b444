"""The evening of make demo DEFENCE=1, and that each defence alone stops what it is there for."""
import os
import re
import shutil
import subprocess

import pytest

from postroad import BUILD, ROOT

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("spamd", "clamd", "curl"))),
                                reason="ci/deps defence installs SpamAssassin and ClamAV")


def tell(tmp_path, story=None):
    """Runs a story in the world of the evening, on a copy of the programs."""
    (tmp_path / "bin").mkdir()
    for name in ("lab", "dns-sim", "postroad", "demo-page"):
        shutil.copy(BUILD / "bin" / name, tmp_path / "bin" / name)
    env = {**os.environ, "BUILD": str(tmp_path), **({"STORY": str(story)} if story else {})}
    done = subprocess.run([str(ROOT / "conformance/demo/evening-run")], env=env, text=True, cwd=ROOT,
                          capture_output=True, timeout=120, stdin=subprocess.DEVNULL)
    page = tmp_path / "demo-defence.html"
    return done, page.read_text() if page.exists() else ""


def test_the_evening(tmp_path):
    done, page = tell(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if re.match("[✓✗]", line)]
    assert len(lines) == 24 and sum(line[0] == "✓" for line in lines) == 3, done.stdout
    assert "WRONG" not in done.stdout
    back, forth = map(int, re.search(r"(\d+) questions began with an address, (\d+) with the name", page).groups())
    assert back > forth > 0
    assert page.count("letter\"/>") == 4            # jerry's as well
    # Every defence has stopped somebody.
    assert 'class="none"' not in page and page.count('class="stopped"') == 12


def test_a_defence_that_is_gone_stops_nobody(tmp_path):
    done, _ = tell(tmp_path, ROOT / "tests/drive/defence_without.sh")
    first, then = done.stdout.split("== then")
    stopped = {}
    for line in then.splitlines():
        found = re.match(r"(WRONG )?[✓✗]  without (\S+) +\S+ +(\S+):", line)
        if found:
            stopped[found[2]] = found[3]
    assert set(stopped.values()) == {"mailbox"} and len(stopped) == 13, done.stdout + done.stderr
