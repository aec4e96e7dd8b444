"""The lab: both ways of making it, states of hosts, independence, and that nothing is left."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from lab_tools import Mode, can_be_rootless, children, inode, processes_in
from postroad import FIXTURES, wait_for

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module", params=["root", "rootless"])
def mode(request):
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("not run by root")
    if request.param == "rootless" and not can_be_rootless():
        pytest.skip("this machine lets no user make namespaces")
    m = Mode(request.param == "rootless")
    yield m
    m.close()


# ---- what a command finds in the lab ------------------------------------------------------------

def test_exit_status_is_forwarded(mode):
    assert mode.run("--", "true").returncode == 0
    assert mode.run("--", "sh", "-c", "exit 7").returncode == 7
    assert mode.run("--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
    missing = mode.run("--", "no-such-program")
    assert missing.returncode == 127 and "no-such-program: No such file" in missing.stderr
    assert mode.run("--", "/etc").returncode == 126


def test_the_user_is_the_same_inside(mode):
    uid = mode.run("--", "id", "-u").stdout
    assert uid.strip() == ("65534" if mode.prefix else str(os.geteuid()))


def test_etc_files(mode):
    done = mode.run("--", "cat", "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf")
    assert done.stdout.startswith("nameserver 127.0.0.1\n")
    assert "127.0.0.1 localhost\n" in done.stdout and "hosts: files dns\n" in done.stdout
    assert "nameserver 127.0.0.1\noptions timeout:1" not in pathlib.Path("/etc/resolv.conf").read_text()


def test_low_ports_and_every_address(mode):
    code = """if True:
        import socket
        for a in "192.0.2.10", "192.0.2.25", "2001:db8::10", "2001:db8::25", "192.0.2.100":
            for port in 25, 110, 993:
                socket.create_server((a, port), family=socket.AF_INET6 if ":" in a else socket.AF_INET)
    """
    done = mode.run("--", "/usr/bin/python3", "-c", code)
    assert done.returncode == 0, done.stderr


def test_names_resolve_through_the_simulated_dns(mode):
    world = mode.file("dns.world", f'zones = {{"{mode.file("hehuan.test.zone", (FIXTURES / "zones/hehuan.test.zone").read_text())}"}}')
    script = """
        dig +short hehuan.test MX; echo --
        getent hosts mail.hehuan.test; echo --
        getent hosts nosuch.hehuan.test || echo none; echo --
        "$0" dns "$LAB_DIR" add later.hehuan.test A 192.0.2.99
        getent hosts later.hehuan.test; echo --
        grep -c dns.query "$LAB_DNS_LOG"; test -S "$LAB_DNS_CONTROL" && echo socket
    """
    done = mode.run("--", "sh", "-c", script, mode.lab, world=world)
    mx, mail, none, later, log = [part.split() for part in done.stdout.split("--\n")]
    assert set(zip(mx[::2], mx[1::2])) == {("5", "mail.hehuan.test."), ("10", "mail1.hehuan.test.")}
    assert mail == ["2001:db8::25", "mail.hehuan.test"]
    assert none == ["none"] and later == ["192.0.2.99", "later.hehuan.test"]
    assert int(log[0]) >= 4 and log[1] == "socket"


# ---- states of hosts ------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def measured(mode):
    script = mode.file("inside.py", (HERE / "lab_inside.py").read_text())
    done = mode.run("--", "/usr/bin/python3", script, mode.lab, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


SOON = 0.15  # seconds; "at once" on a busy machine


@pytest.mark.parametrize("family", ["4", "6"])
class TestStates:
    def test_up_down_up(self, measured, family):
        assert [r["result"] for r in measured["states"]["up"][family]] == ["ok", "ok"]
        for r in measured["states"]["down"][family]:
            assert r["result"] == "ConnectionRefusedError" and r["connect"] < SOON

    def test_unreachable(self, measured, family):
        (r,) = measured["states"]["unreachable"][family]
        assert r["errno"] == 113 and r["connect"] < SOON  # EHOSTUNREACH

    def test_silent(self, measured, family):
        (r,) = measured["states"]["silent"][family]
        assert r["result"] == "TimeoutError" and r["connect"] > 1.4

    def test_slow(self, measured, family):
        (r,) = measured["states"]["slow"][family]
        assert r["result"] == "ok" and 0.2 <= r["connect"] < 0.2 + SOON

    def test_sources(self, measured, family):
        unbound, bound = {"4": ("192.0.2.100", "192.0.2.10"),
                          "6": ("2001:db8::100", "2001:db8::10")}[family]
        states = measured["states"]
        assert {r["source"] for r in states["up"][family] + states["slow"][family]} == {unbound}
        assert measured["bound"][family]["source"] == bound

    def test_connections_made_before(self, measured, family):
        e = measured["established"][family]
        assert e["up"][0] == "ok"
        assert e["slow 200"][0] == "ok" and 0.2 <= e["slow 200"][1] < 0.2 + SOON
        assert e["silent"][0] == e["unreachable"][0] == "TimeoutError"
        assert e["down"][0] in ("ConnectionResetError", "BrokenPipeError") and e["down"][1] < SOON


def test_wrong_requests_are_explained(mode):
    with mode.hold() as folder:
        for words, text in [(["host", folder, "nobody", "down"], "no host nobody in this world; it has: sender mail"),
                            (["host", folder, "mail", "sideways"], "a state is up, down, unreachable, silent or slow MS"),
                            (["host", folder, "mail", "slow"], "slow needs a delay of 0 to 60000 ms"),
                            (["address", folder, "mail", "192.0.2.10"], "is an address of another host"),
                            (["address", folder, "mail", "here"], "address needs a host and an address")]:
            done = mode.call(*words)
            assert done.returncode == 1 and text in done.stderr
        assert mode.call("host", folder).returncode == 64
    done = mode.call("host", folder, "mail", "up")
    assert done.returncode == 1 and folder in done.stderr


# ---- several, running, ending -----------------------------------------------------------------------

def test_labs_side_by_side(mode):
    """Two at once with the same addresses and ports, each with its own server."""
    code = """if True:
        import socket, sys, time
        s = socket.create_server(("192.0.2.25", 25))
        print("listening", flush=True)
        sys.stdin.readline()
        c = socket.create_connection(("192.0.2.25", 25))
        s.accept()[0].sendall(sys.argv[1].encode())
        print(c.recv(99).decode(), flush=True)
    """
    labs = [subprocess.Popen(mode.command("run", "--world", mode.world, "--", "/usr/bin/python3",
                                          "-c", code, name), env=mode.env, text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for name in ("one", "two")]
    assert [lab.stdout.readline() for lab in labs] == ["listening\n"] * 2
    assert [lab.communicate("go\n", timeout=10)[0] for lab in labs] == ["one\n", "two\n"]
    assert [lab.returncode for lab in labs] == [0, 0]


def test_enter_hosts_address(mode):
    with mode.hold() as folder:
        assert mode.call("hosts", folder).stdout.splitlines() == [
            "sender up 192.0.2.10 2001:db8::10", "mail up 192.0.2.25 2001:db8::25"]
        assert mode.call("address", folder, "mail", "192.0.2.77").returncode == 0
        assert mode.call("host", folder, "192.0.2.77", "slow", "30").returncode == 0
        assert mode.call("address", folder, "mail", "2001:db8::77").returncode == 0
        assert "mail slow 30 192.0.2.25 2001:db8::25 192.0.2.77 2001:db8::77\n" in mode.call("hosts", folder).stdout
        code = """if True:
            import socket, time
            for a, family in ("192.0.2.77", socket.AF_INET), ("2001:db8::77", socket.AF_INET6):
                s = socket.create_server((a, 25), family=family)
                start = time.monotonic()
                socket.create_connection((a, 25))
                assert time.monotonic() - start > 0.03
        """
        done = mode.call("enter", folder, "--", "/usr/bin/python3", "-c", code, cwd="/usr")
        assert done.returncode == 0, done.stderr
        done = mode.call("enter", folder, "sh", "-c", "pwd; echo $LAB_DIR; id -u; exit 5", cwd="/usr")
        assert done.returncode == 5
        assert done.stdout.split() == ["/usr", folder, "65534" if mode.prefix else str(os.geteuid())]
        assert mode.call("enter", folder, "no-such-program").returncode == 127


def test_keep_and_stop(mode):
    folder = str(mode.tmp / "kept")
    # With its output in a pipe: whoever reads that must see its end though the lab goes on.
    done = mode.run("--dir", folder, "--keep", "--", "sh", "-c", "echo hello; exit 3")
    assert (done.returncode, done.stdout) == (3, "hello\n")
    assert mode.call("enter", folder, "--", "cat", "/etc/hosts").stdout.startswith("127.0.0.1 ")
    assert mode.call("stop", folder).returncode == 0
    assert mode.call("enter", folder, "--", "true").returncode == 1
    assert pathlib.Path(folder, "dns-sim.log").exists()
    shutil.rmtree(folder)


@pytest.mark.parametrize("how", ["keeper killed", "init killed", "SIGTERM", "SIGINT", "SIGHUP"])
def test_nothing_is_left(mode, how):
    """Whatever ends a lab: no process, no namespace, no mount, no folder."""
    before = pathlib.Path("/proc/self/mounts").read_text()
    script = "trap '' TERM INT HUP; setsid sleep 1000 & echo up; while :; do sleep 1000; done"
    p = subprocess.Popen(mode.command("run", "--world", mode.world, "--", "sh", "-c", script),
                         env=mode.env, text=True, stdout=subprocess.PIPE)
    try:
        assert p.stdout.readline() == "up\n"
        (init,) = wait_for(lambda: children(p.pid), what="the lab's init")
        net = inode(init, "net")
        assert net != inode(os.getpid(), "net") and len(processes_in(net)) >= 4
        assert len(mode.folders()) == 1
        if how == "keeper killed":
            p.kill()
        elif how == "init killed":
            os.kill(init, signal.SIGKILL)
        else:
            p.send_signal(getattr(signal, how))
        p.wait(timeout=10)
        p.stdout.close()
        wait_for(lambda: not processes_in(net), what="the end of every process in the lab")
        wait_for(lambda: not mode.folders(), what="the end of the lab's folder")
    finally:
        p.kill()  # when a check above has failed; else it is gone
    assert pathlib.Path("/proc/self/mounts").read_text() == before


def test_the_creator_closes_its_end(mode):
    with mode.hold() as folder:
        pid = int(pathlib.Path(folder, "pid").read_text())
        net = inode(pid, "net")
        assert pid in processes_in(net)
    assert not pathlib.Path(folder).exists()
    wait_for(lambda: not processes_in(net))


# ---- errors that people can act on -------------------------------------------------------------------

@pytest.mark.parametrize("text, message", [
    ('host mail { addresses = {"192.0.2.300"} }', ':1: "192.0.2.300" is not an address; write it like'),
    ('host mail { addresses = {"unix:/x"} }', ':1: "unix:/x" is not an address'),
    ('\nhost mail { }', ":2: host mail has no address; add: addresses ="),
    ('\n\nhost "ma il" { addresses = {"192.0.2.1"} }', ':3: host "ma il": a name is 1 to 64 letters'),
    ('host a { addresses = {"192.0.2.1"} }\nhost b { addresses = {"192.0.2.1"} }',
     ":2: host b: 192.0.2.1 is an address of host a already"),
    ('zones = {"nowhere.zone"}', "nowhere.zone: No such file or directory; zone files are looked for beside"),
    ('source = {"x"}', ':1: "x" is not an address'),
    ('hosts mail { }', ":1: no such option 'hosts'; did you mean 'host'?"),
    ('host mail { addresses = {"192.0.2.1"', ":1: premature end of file"),
])
def test_bad_world_files(mode, text, message):
    world = mode.file("bad.world", text)
    done = mode.run("--", "true", world=world)
    assert done.returncode == 125
    assert done.stderr.startswith(f"lab: {world}:") and message in done.stderr


def test_bad_zones_name_their_line(mode):
    zone = mode.file("bad.zone", "@ IN SOA ns h 1 2 3 4 5\n@ IN A 999.1.1.1\n")
    done = mode.run("--", "true", world=mode.file("zones.world", f'zones = {{"{zone}"}}'))
    assert done.returncode == 125 and "dns-sim did not start" in done.stderr and zone in done.stderr
    assert not mode.folders()


def test_missing_files(mode):
    done = mode.run("--", "true", world="/nowhere/x.world")
    assert done.returncode == 125 and "/nowhere/x.world" in done.stderr
    done = mode.run("--dir", "/proc/nowhere", "--", "true")
    assert done.returncode == 125 and "name a folder that can be made" in done.stderr


def test_usage(mode):
    for words in ([], ["run"], ["run", "--bogus", "--", "true"], ["hold", "x"], ["enter"], ["walk", "x"]):
        done = mode.call(*words)
        assert done.returncode in (1, 64) and done.stderr


def test_check(mode):
    done = mode.call("check")
    assert done.returncode == 0, done.stdout
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok"}


def test_what_is_missing_is_said():
    """In a user namespace where no more namespaces are allowed, and without capabilities."""
    if not can_be_rootless():
        pytest.skip("this machine lets no user make namespaces")
    m = Mode(rootless=True)
    script = "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all \"$0\" run -- true"
    done = subprocess.run([*m.prefix, "unshare", "-Ur", "sh", "-c", script, m.lab], env=m.env,
                          text=True, capture_output=True, timeout=20)
    m.close()
    assert done.returncode == 125
    assert "lets no namespaces be made" in done.stderr
    assert "sysctl -w user.max_user_namespaces=" in done.stderr


CHROOT = """
set -e     # nothing of this may happen in the folder that it was started in
mount --make-rshared /
mount -t tmpfs none "$1" && mkdir "$1/r" && cd "$1/r" && mkdir proc dev tmp usr etc lab
for d in usr dev; do mount --rbind /$d $d; done
mount --bind "$2" lab
ln -s usr/bin usr/sbin usr/lib usr/lib64 . && cp -a /etc/. etc/ && mount -t proc proc proc
before=$(wc -l </proc/self/mountinfo)
chroot . /lab/lab run --world /lab/test.world --dir /tmp/x --keep -- sh -c 'pwd; head -1 /etc/resolv.conf; ls /'
chroot . /lab/lab enter /tmp/x -- sh -c 'pwd; head -1 /etc/resolv.conf; ls /'
chroot . /lab/lab stop /tmp/x
test "$before" = "$(wc -l </proc/self/mountinfo)" && echo none left
"""


def root_is_a_mount():
    """False in a chroot, where unshare(1) could not make the private mounts of the next test."""
    with open("/proc/self/mountinfo") as mounts:
        return any(line.split()[4] == "/" for line in mounts)


@pytest.mark.skipif(os.geteuid() != 0 or not root_is_a_mount(),
                    reason="makes a chroot: needs root, and not to be in one")
def test_in_a_chroot(tmp_path):
    """Where "/" is no mount, under one that shares what is mounted below it."""
    m = Mode(rootless=False)
    done = subprocess.run(["unshare", "-m", "bash", "-c", CHROOT, "bash", tmp_path, m.home], text=True,
                          capture_output=True, timeout=30, env={**m.env, "TMPDIR": "/tmp"})
    m.close()
    inside = "/\nnameserver 127.0.0.1\nbin\ndev\netc\nlab\nlib\nlib64\nproc\nsbin\ntmp\nusr\n"
    assert done.stdout == inside * 2 + "none left\n", done.stderr


def test_it_is_up_at_once(mode):
    start = time.monotonic()
    assert all(mode.run("--", "true").returncode == 0 for _ in range(5))
    took = (time.monotonic() - start) / 5
    assert took < 1.0, f"a lab took {took:.3f} s"  # 0.02 s where nothing else runs
