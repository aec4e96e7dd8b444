"""The HTML report in a real browser: a cell opens to its transcript, the filters filter, and hostile bytes
stay text. And the other formats with the same bytes."""
import html
import json
import os
import re
import shutil
import subprocess
import xml.dom.minidom
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFORM = Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "bin" / "conform"
OWN = Path(__file__).resolve().parent / "conform_root"
CHROMIUM = shutil.which("chromium")

# Does what a reader would do, and leaves what he would see as JSON in the page.
READER = r"""
<script>
function choose(label, value) {
  for (const l of document.querySelectorAll("#filters label"))
    if (l.firstChild.textContent === label) {
      const field = l.querySelector("select, input");
      field.value = value;
      field.dispatchEvent(new Event("input"));
    }
}
const rows = () => [...document.querySelectorAll("#rows tr")].map(r => r.querySelector("code").textContent);
const cell = () => document.querySelector("#rows button.cell");
const seen = { title: document.title, scripts: document.scripts.length, first: rows() };
cell().click();
seen.verdict = cell().textContent;
seen.details = [...document.querySelectorAll(".detail")].map(d => d.textContent);
seen.transcripts = document.querySelectorAll(".detail pre").length;
cell().click();
seen.closed = document.querySelectorAll(".detail").length;
choose("scenarios", "");
seen.all = rows().length;
seen.count = document.getElementById("count").textContent;
choose("level", "SHOULD");
seen.should = rows();
choose("level", "");
choose("verdict", "FAIL");
seen.failed = rows();
choose("verdict", "PASS");
seen.passed = rows();
choose("verdict", "");
choose("text", "no such words");
seen.nothing = rows();
const out = document.createElement("pre");
out.id = "seen";
out.textContent = JSON.stringify(seen);
document.body.append(out);
</script>
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    formats = ["html", "json", "junit", "tap", "markdown"]
    subprocess.run([CONFORM, "run", "--root", OWN, "--target", "none", "--quiet", "pass", "fail", "warn",
                    *[f"--report={f}:{folder / f}" for f in formats]], capture_output=True, timeout=120)
    return {f: (folder / f) for f in formats}


@pytest.fixture(scope="module")
def seen(reports, tmp_path_factory):
    if not CHROMIUM:
        pytest.skip("no chromium")
    folder = tmp_path_factory.mktemp("browser")
    page = folder / "page.html"
    page.write_text(reports["html"].read_text().replace("</body>", READER + "</body>"))
    dom = subprocess.run([CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                          f"--user-data-dir={folder / 'profile'}", "--dump-dom", page.as_uri()],
                         capture_output=True, text=True, timeout=120).stdout
    return json.loads(html.unescape(re.search(r'<pre id="seen">(.*?)</pre>', dom, re.S)[1]))


def test_a_cell_opens_to_the_transcript(seen):
    assert seen["verdict"] == "FAIL"
    assert seen["transcripts"] > 5 and seen["closed"] == 0
    assert any("fail/must" in d and "expected" in d and "NOOP" in d for d in seen["details"])
    assert any("conform run --target none 'fail/hostile'" in d for d in seen["details"])


def test_filters(seen):
    assert seen["count"] == f"{seen['all']} of {seen['all']} requirements"
    assert "rfc1/1/must" in seen["first"] and "rfc1/1/must" not in seen["should"] and seen["should"]
    assert "rfc1/1/must" in seen["failed"] and "rfc1/1/must" not in seen["passed"]
    assert seen["nothing"] == []


def test_hostile_bytes_stay_text(seen):
    assert seen["title"] == "Mail conformance"
    assert seen["scripts"] == 3            # data, the page's own, the reader's
    assert any("<script>document.title" in d and r"\0\x1B[31m" in d for d in seen["details"])


def test_hostile_bytes_in_the_other_formats(reports):
    case = [c for c in xml.dom.minidom.parse(str(reports["junit"])).getElementsByTagName("testcase")
            if c.getAttribute("name").endswith("hostile")]
    assert len(case) == 1 and case[0].getElementsByTagName("failure")
    result = [r for r in json.loads(reports["json"].read_text())["results"] if r["id"] == "fail/hostile"][0]
    assert r"\0\x1B[31m" in result["findings"][-1]["came"]
    for f in ("tap", "markdown", "html", "junit"):
        data = reports[f].read_bytes()
        data.decode("utf-8")
        assert not any(c < 32 and c not in b"\n\t" for c in data), f
    results = [l for l in reports["tap"].read_text().splitlines() if l.startswith(("ok", "not ok"))]
    plan = [l for l in reports["tap"].read_text().splitlines() if re.fullmatch(r"1\.\.\d+", l)]
    assert plan == [f"1..{len(results)}"]
