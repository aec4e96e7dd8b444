"""make demo HOPS=1: the letter is red on the one wire without TLS, and nowhere else on the wires."""
import os
import re
import subprocess

import pytest

from postroad import BUILD, ROOT

pytestmark = [pytest.mark.skipif(not (BUILD / "bin/demo-page").exists(), reason="demo-page is not built"),
              pytest.mark.skipif(os.geteuid() != 0, reason="the story is told as root here")]


def test_where_a_letter_can_be_read(tmp_path):
    (tmp_path / "bin").mkdir()
    for name in ("lab", "dns-sim", "postroad", "demo-page"):
        (tmp_path / "bin" / name).symlink_to(BUILD / "bin" / name)
    done = subprocess.run([ROOT / "conformance/demo/hops-run"], capture_output=True, text=True, timeout=240,
                          env={**os.environ, "BUILD": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TLS is required" in done.stdout
    page = (tmp_path / "demo-hops.html").read_text()
    assert "✓ tom has all three letters" in page
    rows = page.split("<section>")[1:]
    wires = [re.findall(r'<figure class="(\w+)"><figcaption>([^<(]*)', row) for row in rows]
    way = [name.strip() for _, name in wires[0]]
    assert way == ["jerry → his server", "his server → mail1.hehuan.test",
                   "mail1.hehuan.test → mail.hehuan.test", "mail.hehuan.test → tom"]
    assert [c for c, _ in wires[0]] == ["sealed", "clear", "sealed", "sealed"]
    assert [c for c, _ in wires[1]] == ["sealed", "header", "sealed", "sealed"]
    assert [name.strip() for c, name in wires[2]] == [way[0], "his server → mail.hehuan.test", way[3]]
    assert [c for c, _ in wires[2]] == ["sealed"] * 3
    # On the servers' disks all of it lies in clear, unless it is encrypted end to end.
    assert [row.count("on its disk: all of it") for row in rows] == [3, 0, 2]
    assert rows[1].count("on its disk: the header") == 3
    # The trail tells the same (RFC 3848).
    trails = [re.findall(r'<li class="(\w+)">Received: ', row) for row in rows]
    assert trails == [["sealed", "clear", "sealed"]] * 2 + [["sealed", "sealed"]]
    capture = (tmp_path / "demo-hops.pcap").read_bytes()
    assert capture[:4] == b"\xd4\xc3\xb2\xa1" and b"under the third flowerpot" in capture
