"""The conformance harness: its own verdicts on scripted parties, and every scenario on the reference."""
import json
import os
import re
import subprocess
import xml.dom.minidom
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFORM = Path(os.environ.get("BUILD", ROOT / "build")).resolve() / "bin" / "conform"
OWN = Path(__file__).resolve().parent / "conform_root"


def conform(*arguments):
    return subprocess.run([CONFORM, *map(str, arguments)], capture_output=True, text=True, timeout=600)


def results(*arguments):
    """The results of a run by scenario, and the process."""
    done = conform("run", "--format", "json", "--quiet", *arguments)
    assert done.stdout, done.stderr
    return {r["id"]: r for r in json.loads(done.stdout)["results"]}, done


def scenarios():
    if not CONFORM.exists():
        return []
    listed = conform("list", "--json")
    return [s["id"] for s in json.loads(listed.stdout)] if listed.returncode == 0 else []


@pytest.fixture(scope="session")
def own():
    return results("--root", OWN, "--target", "none")[0]


def own_scenarios():
    names = sorted(p.relative_to(OWN / "scenarios").with_suffix("") for p in OWN.glob("scenarios/*/*.scn"))
    return [str(n) for n in names]


@pytest.mark.parametrize("name", own_scenarios())
def test_verdict_of_the_language(own, name):
    """The folder says what must come of it."""
    verdict = name.split("/")[0].upper()
    found = [r for i, r in own.items() if i == name or i.startswith(name + "#")]
    assert found
    for r in found:
        assert r["verdict"] == verdict, json.dumps(r, indent=1)


def test_exit_status():
    own = ["--root", OWN, "--target", "none", "--quiet"]
    assert conform("run", *own, "pass", "warn").returncode == 0
    assert conform("run", *own, "--fail-on", "should", "warn").returncode == 1
    assert conform("run", *own, "fail/must").returncode == 1
    assert conform("run", *own, "error/rule").returncode == 2
    assert conform("run", *own, "no/such").returncode == 2
    assert conform("run", *own, "--min", "2", "pass/send").returncode == 2
    assert conform("run", "--target", "no-such-target").returncode == 2


def test_lint_of_the_projects_own_scenarios():
    done = conform("lint")
    assert done.returncode == 0, done.stdout


def test_mistakes_have_places(tmp_path):
    bad = tmp_path / "bad.scn"
    bad.write_text("title x\ncovers D05\nlevel MUST\nclient c to smtp\n  S: 25O\n")
    done = conform("lint", bad)
    assert done.returncode == 2
    assert f"{bad}:5:9: error:" in done.stdout


def test_failure_shows_all(own):
    done = conform("run", "--root", OWN, "--target", "none", "fail/must")
    for part in ["rfc1/1/must (MUST)", "Something that must be.", "expected  500", "came      250",
                 "c            -> NOOP", "must.scn:", "conform run --target none 'fail/must'"]:
        assert part in done.stdout, done.stdout


def test_reports(tmp_path):
    own = ["--root", OWN, "--target", "none", "--quiet", "pass", "fail", "skip"]
    reports = {f: tmp_path / f for f in ["json", "junit", "tap", "markdown", "html"]}
    conform("run", *own, *[f"--report={f}:{p}" for f, p in reports.items()])
    suite = xml.dom.minidom.parse(str(reports["junit"])).getElementsByTagName("testsuite")[0]
    counts = json.loads(reports["json"].read_text())["counts"]
    assert int(suite.getAttribute("failures")) == counts["FAIL"] > 0
    assert int(suite.getAttribute("skipped")) == counts["SKIP"] > 0
    lines = reports["tap"].read_text().splitlines()
    assert sum(l.startswith("not ok") for l in lines) == counts["FAIL"]
    assert "| fail/must | FAIL |" in reports["markdown"].read_text()
    page = reports["html"].read_text()
    data = page.split('type="application/json">')[1].split("</script>")[0]
    assert len(json.loads(data)["runs"][0]["results"]) == sum(counts.values())
    assert "http://" not in page and "https://" not in page


def test_rerun_takes_up_what_failed():
    own = ["--root", OWN, "--target", "none"]
    conform("run", *own, "fail/must", "pass/send")
    again, _ = results(*own, "--rerun")
    assert list(again) == ["fail/must"]


def test_artefacts(tmp_path):
    conform("run", "--root", OWN, "--target", "none", "--artefacts", tmp_path, "fail/must", "pass/send")
    folder = tmp_path / "none" / "fail" / "must"
    assert "NOOP" in (folder / "transcript.txt").read_text()
    assert json.loads((folder / "result.json").read_text())["verdict"] == "FAIL"
    assert not (tmp_path / "none" / "pass").exists()


@pytest.fixture(scope="session")
def reference():
    return results("--target", "reference")[0]


@pytest.mark.parametrize("scenario", scenarios())
def test_scenario(reference, scenario):
    r = reference[scenario]
    if r["verdict"] in ("SKIP", "UNSUPPORTED"):
        pytest.skip(r["reason"])
    if r["verdict"] in ("FAIL", "ERROR"):
        pytest.fail(f"{r['verdict']} {r['title']}\n{json.dumps(r['findings'][-1:], indent=1)}\n"
                    f"{r['transcript']}", pytrace=False)


def test_spec_is_up_to_date(tmp_path):
    """SPEC.md says of each behaviour and clause which scenarios prove it: as the tree is now."""
    made = tmp_path / "SPEC.md"
    assert conform("coverage", "--spec", "--out", made).returncode == 0
    kept = ROOT / "SPEC.md"
    if not kept.exists() or kept.read_text() != made.read_text():
        pytest.fail("SPEC.md is not that of this tree; run: build/bin/conform coverage --spec --out SPEC.md", pytrace=False)


def test_spec_has_every_behaviour(tmp_path):
    text = conform("coverage", "--spec").stdout
    rows = [l for l in text.splitlines() if re.match(r"\| D\d\d \| ", l)]
    assert [r[2:5] for r in rows] == [f"D{n:02}" for n in range(1, 33)]
    assert all(re.search(r"\| (not yet|proved by \[.*\)) \|$", r) for r in rows)


def test_coverage_as_json():
    counts = json.loads(conform("coverage", "--json").stdout)
    assert set(counts["rfc5321"]["MUST"]) == {"rows", "proved", "unproved", "unobservable"}
    for levels in counts.values():
        for c in levels.values():
            assert c["rows"] == c["proved"] + c["unproved"] + c["unobservable"]
