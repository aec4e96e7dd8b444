"""The master: start, ready, one process a role, restart, reload, stop, lock."""
import fcntl
import os
import pathlib
import pwd
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import time

import pytest

from postroad import BUILD, POSTROAD, ROOT, ended, free_ports, wait_for

CERTS = BUILD / "certs"

ROLES = {"auth", "queue", "mda", "smtpd", "pop3d", "imapd"}


def greeting(port):
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        return s.recv(200)


def pid_file(server):
    return server.spool / "run" / "master.pid"


def test_one_process_a_role_and_a_clean_end(postroad):
    server = postroad()
    wait_for(lambda: set(server.role_pids()) == ROLES, what="the names of all roles")
    pids = server.role_pids()
    assert greeting(server.smtp_port).startswith(b"220 ")
    assert greeting(server.submission_port).startswith(b"220 ")
    assert greeting(server.pop3_port).startswith(b"+OK")
    assert pid_file(server).read_text() == f"{server.process.pid}\n"
    for pid in pids.values():
        status = pathlib.Path(f"/proc/{pid}/status")
        wait_for(lambda: "NoNewPrivs:\t1" in status.read_text(), what="no new privileges")
    sockets = {s.name for s in (server.spool / "run").iterdir()}
    assert {"auth", "queue", "lmtp"} <= sockets
    assert server.stop() == 0
    stopped = [e["role"] for e in server.events("master.role-stopped")]
    assert set(stopped) == ROLES
    # Who takes mail in stops first, who is asked by all stops last.
    assert stopped[-1] == "auth" and set(stopped[:3]) == {"smtpd", "pop3d", "imapd"}
    assert server.events("master.stopped")
    assert "master.pid" in {f.name for f in (server.spool / "run").iterdir()}
    assert not {"auth", "queue", "lmtp"} & {f.name for f in (server.spool / "run").iterdir()}


def test_ready_fd_and_background(postroad):
    server = postroad(start=False)
    read, write = os.pipe()
    done = subprocess.run([str(POSTROAD), "serve", "-c", str(server.conf), "--ready-fd", str(write)],
                          pass_fds=[write], capture_output=True, timeout=20)
    os.close(write)
    try:
        assert done.returncode == 0, done.stderr
        assert os.read(read, 100) == b"ready\n"
        assert greeting(server.smtp_port).startswith(b"220 ")
        pid = int(pid_file(server).read_text())
        assert os.getsid(pid) == pid
    finally:
        stopped = server.ctl("stop", check=False)
    assert stopped.returncode == 0, stopped.stderr
    wait_for(lambda: ended(pid), what="the end of the master")
    again = server.ctl("stop", check=False)
    assert again.returncode == 69 and "no server runs" in again.stderr


def test_background_start_reports_failure(postroad):
    server = postroad(start=False, config="nonsense = 1")
    done = server.ctl("serve", check=False)
    assert done.returncode == 78
    assert "no such option 'nonsense'" in done.stderr and f"{server.conf}:" in done.stderr


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_that_dies_is_restarted(postroad, role):
    server = postroad(check_deaths=False)
    pid = server.role_pids()[role]
    os.kill(pid, signal.SIGKILL)
    died = server.wait_event("master.role-died", role=role, pid=pid)
    assert "signal 9" in died["status"]
    new = wait_for(lambda: server.role_pids().get(role), 5, f"a new {role}")
    assert new != pid
    assert set(wait_for(lambda: set(server.role_pids()) == ROLES and server.role_pids(), 5)) == ROLES
    assert greeting(server.smtp_port).startswith(b"220 ")
    assert greeting(server.pop3_port).startswith(b"+OK")


def test_restarts_back_off(postroad):
    server = postroad(check_deaths=False)
    waits = []
    for n in range(4):
        pid = wait_for(lambda: server.role_pids().get("pop3d"), 10, "pop3d")
        os.kill(pid, signal.SIGKILL)
        waits.append(server.wait_event("master.role-died", count=n + 1)["restart-ms"])
    assert waits == [100, 200, 400, 800]


def test_roles_die_with_their_master(postroad):
    server = postroad()
    server.kill()            # waits until all roles are gone
    server.start()           # and nothing of the old one is in the way
    wait_for(lambda: set(server.role_pids()) == ROLES, 10, "all roles")


def test_second_master_on_the_same_spool_is_refused(postroad):
    server = postroad()
    second = server.ctl("serve", "--foreground", check=False)
    assert second.returncode == 75
    assert f"another postroad (process {server.process.pid}) serves this spool" in second.stderr
    assert "postroad stop" in second.stderr
    assert greeting(server.smtp_port).startswith(b"220 ")   # the first has kept its sockets


def test_port_in_use(postroad):
    server = postroad(start=False)
    with socket.create_server(("127.0.0.1", server.pop3_port)):
        done = server.ctl("serve", "--foreground", check=False)
    assert done.returncode == 71
    assert f"cannot listen on 127.0.0.1:{server.pop3_port} for pop3: Address already in use" in done.stderr
    assert "choose another port" in done.stderr


def test_reload_takes_new_configuration(postroad):
    server = postroad()
    old = server.role_pids()
    session = server.smtp()
    assert session.docmd("EHLO client.magedu.test")[0] == 250
    [new_port] = free_ports(1)
    server.base_config = server.base_config.replace(
        f"port = {server.pop3_port}", f"port = {new_port}").replace("mail.hehuan.test", "mx.hehuan.test")
    server.write_config()
    assert server.reload()["event"] == "master.reloaded"
    # The session that was open ends in good order (RFC 5321 3.8); new ones meet the new process.
    assert session.docmd("NOOP")[0] in (250, 421)
    assert greeting(new_port).startswith(b"+OK")
    assert b"mx.hehuan.test" in greeting(server.smtp_port)
    with pytest.raises(OSError):
        # Nobody accepts on the old port once the old process has gone.
        wait_for(lambda: not pathlib.Path(f"/proc/{old['pop3d']}").exists(), 15, "the old pop3d's end")
        greeting(server.pop3_port)
    session.close()
    wait_for(lambda: not any(pathlib.Path(f"/proc/{p}").exists() for p in old.values()), 15,
             "the end of the old roles")
    assert set(server.role_pids()) == ROLES
    assert not server.events("master.role-died")


def test_reload_with_errors_keeps_the_old(postroad):
    server = postroad()
    before = server.role_pids()
    server.write_config('limits { recipients = 5 }')
    refused = server.reload()
    assert refused["event"] == "master.reload-refused"
    assert "recipients = 5: must be at least 100" in refused["why"] and ".conf:" in refused["why"]
    assert server.role_pids() == before
    server.base_config = server.base_config.replace(f'spool = "{server.spool}"', 'spool = "/tmp/other"')
    server.write_config()
    assert "spool cannot change while the server runs" in server.reload()["why"]
    # The command refuses a broken file before it signals anybody.
    server.write_config("broken {")
    done = server.ctl("reload", check=False)
    assert done.returncode == 78 and str(server.conf) in done.stderr


def test_two_queues_never_run_at_once(postroad):
    server = postroad()
    for _ in range(3):
        server.reload()
    wait_for(lambda: len(server.events("master.role-started", role="queue")) >= 2 and
             set(server.role_pids()) == ROLES, 15, "the new queue")
    time.sleep(0.3)
    running = set()
    for e in server.events():
        if e["role"] == "queue" and e["event"] == "master.role-started":
            assert not running, "a queue was started beside another"
            running.add(e["pid"])
        if e["role"] == "queue" and e["event"] == "master.role-stopped":
            running.discard(e["pid"])


def test_stop_is_bounded(postroad):
    server = postroad(config='timeouts { stop = "500ms" }', check_deaths=False)
    os.kill(server.role_pids()["mda"], signal.SIGSTOP)
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 8
    assert server.events("master.role-killed", role="mda")


def test_idle_connections_between_roles_do_not_hold_up_a_stop(postroad):
    """Whoever holds a connection to the delivery agent or to auth for its next message is told to go."""
    server = postroad(config='timeouts { stop = "60s" }')     # three quarters of it for what is under way
    idle = []
    for name in ("lmtp", "auth"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(server.spool / "run" / name))
        idle.append(s)
    assert idle[0].recv(100).startswith(b"220 ")
    idle[1].sendall(b'{"op":"lookup","address":"tom@hehuan.test"}\n')
    assert b'"ok"' in idle[1].recv(500)
    began = time.monotonic()
    assert server.stop(timeout=100) == 0
    assert time.monotonic() - began < 40
    assert idle[0].recv(100).startswith(b"421 4.3.2 ")
    assert idle[1].recv(100) == b""


def test_idle_clients_do_not_hold_up_a_stop(postroad):
    """Whoever waits before its next command is told so, where the protocol has words for it, and left."""
    subprocess.run([ROOT / "fixtures/certs/make", CERTS], check=True)
    server = postroad(config=f"""
timeouts {{ stop = "60s" }}     # three quarters of it for what is under way
tls {{ certificate = "{CERTS}/mail.hehuan.test.pem" key = "{CERTS}/mail.hehuan.test.key" }}""")
    smtp, inside_tls, pop3, logged_in, half = (
        socket.create_connection(("127.0.0.1", port), 10)
        for port in (server.smtp_port, server.smtp_port, server.pop3_port, server.pop3_port, server.pop3_port))
    assert smtp.recv(100).startswith(b"220 ")
    assert inside_tls.recv(100).startswith(b"220 ")
    for line, code in ((b"EHLO a.test\r\n", b"250"), (b"STARTTLS\r\n", b"220")):
        inside_tls.sendall(line)
        assert inside_tls.recv(4000).startswith(code)
    inside_tls = ssl.create_default_context(cafile=CERTS / "ca.pem").wrap_socket(
        inside_tls, server_hostname="mail.hehuan.test")
    inside_tls.sendall(b"NOOP\r\n")
    assert inside_tls.recv(100).startswith(b"250 ")
    for s, lines in ((pop3, ()), (half, ()), (logged_in, (b"USER tom\r\n", b"PASS tom-pw\r\n"))):
        assert s.recv(100).startswith(b"+OK ")
        for line in lines:
            s.sendall(line)
            assert s.recv(100).startswith(b"+OK ")
    half.sendall(b"CA")
    began = time.monotonic()
    assert server.stop(timeout=100) == 0
    assert time.monotonic() - began < 40
    for s in (smtp, inside_tls):
        assert s.recv(100).startswith(b"421 4.3.2 ")
    # RFC 1939 3: a client would take what is said for the answer to its next command
    for s in (pop3, half, logged_in):
        assert s.recv(100) == b""
    assert [e["end"] for e in server.events("pop3d.close")] == ["shutdown"] * 3


def test_mailboxes_are_spread_over_the_disk(postroad):
    """ext4's hint (chattr +T) on the folder of all mailboxes."""
    server = postroad()
    fd = os.open(server.mail, os.O_RDONLY)
    get_flags, top_folder = 0x80086601, 0x00020000
    try:
        flags = struct.unpack("i", fcntl.ioctl(fd, get_flags, b"\0" * 8)[:4])[0]
    except OSError:
        pytest.skip("this file system has no such flags")
    finally:
        os.close(fd)
    if not flags & 0x00080000:   # extents: as ext4 has them
        pytest.skip("no ext4")
    assert flags & top_folder


def test_another_delivery_agent(postroad):
    server = postroad(config='mda-socket = "127.0.0.1:2424"')
    assert set(server.role_pids()) == ROLES - {"mda"}
    assert not server.lmtp_socket.exists()


def test_event_log_is_opened_again(postroad):
    server = postroad()
    server.events_path.rename(server.dir / "events.old")
    server.process.send_signal(signal.SIGHUP)
    server.wait_event("master.reloaded")
    assert "master.started" in (server.dir / "events.old").read_text()
    server.smtp().quit()
    server.wait_event("smtpd.connect")


# ---- as root, with users of its own ----------------------------------------------------------

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def user_of(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    return {"uid": int(fields["Uid"].split()[0]), "caps": int(fields["CapEff"], 16),
            "permitted": int(fields["CapPrm"], 16), "groups": set(map(int, fields["Groups"].split()))}


def attempt(pid, path, how):
    """Tries open(2) with the user, groups and capabilities (none but CAP_CHOWN) of a process."""
    who = user_of(pid)
    code = f"import os; os.close(os.open({str(path)!r}, os.{how}, 0o600))"
    return subprocess.run(["setpriv", f"--reuid={who['uid']}", f"--regid={pwd.getpwuid(who['uid']).pw_gid}",
                           "--groups=" + ",".join(map(str, who["groups"] or {65534})), "--inh-caps=-all",
                           "--bounding-set=-all", "--no-new-privs", shutil.which("python3", path="/usr/bin"),
                           "-c", code], capture_output=True).returncode == 0


@needs_root
def test_privileges_of_each_role(postroad):
    # Two users that every Debian has; any two will do.
    server = postroad(user="daemon", mda_user="games")
    server.mail.chmod(0o2775)
    shutil.chown(server.mail, "root", "mail")
    pids = server.role_pids()
    daemon, games = pwd.getpwnam("daemon").pw_uid, pwd.getpwnam("games").pw_uid
    chown = 1
    for role in "smtpd", "queue", "mda", "pop3d", "imapd":     # ready is said before all have dropped it
        wait_for(lambda: user_of(pids[role])["uid"] != 0, what=f"{role} without root")
    assert user_of(pids["smtpd"])["uid"] == daemon and user_of(pids["smtpd"])["permitted"] == 0
    assert user_of(pids["queue"])["uid"] == daemon and user_of(pids["queue"])["permitted"] == 0
    assert user_of(pids["mda"])["uid"] == games and user_of(pids["mda"])["permitted"] == chown
    assert user_of(pids["pop3d"])["uid"] == games and user_of(pids["pop3d"])["permitted"] == 0
    assert user_of(pids["auth"])["uid"] == 0 and user_of(pids["auth"])["permitted"] == 0

    flags = "O_RDWR | os.O_CREAT"
    # smtpd writes the queue and cannot write mailboxes; mda and pop3d the other way round.
    assert attempt(pids["smtpd"], server.spool / "incoming/x", flags)
    assert not attempt(pids["smtpd"], server.mail / "x", flags)
    assert attempt(pids["mda"], server.mail / "y", flags)
    for role in "mda", "pop3d", "imapd":
        assert not attempt(pids[role], server.spool / "incoming/y", flags)
        assert not attempt(pids[role], server.spool / "active", "O_RDONLY")
    # Nobody but auth reads the users file.
    for role in ROLES - {"auth"}:
        assert not attempt(pids[role], server.dir / "users", "O_RDONLY")
    (server.spool / "incoming/x").unlink()
    (server.mail / "y").unlink()

    modes = {name: stat.S_IMODE((server.spool / "run" / name).stat().st_mode)
             for name in ("auth", "queue", "lmtp")}
    assert modes == {"auth": 0o660, "queue": 0o600, "lmtp": 0o600}


@needs_root
def test_mail_flows_between_separated_roles(postroad):
    server = postroad(user="daemon", mda_user="games")
    server.mail.chmod(0o2775)
    shutil.chown(server.mail, "root", "mail")
    server.ctl("send", "-f", "jerry@hehuan.test", "tom", input=b"Subject: hello\n\nbody\n")
    server.wait_event("mda.delivered", user="tom")
    pop = server.pop3()
    pop.user("tom")
    pop.pass_("tom-pw")
    assert b"Subject: hello" in pop.retr(1)[1]
    pop.dele(1)
    pop.quit()
    assert server.mailbox("tom") == b""


@needs_root
def test_unknown_system_user(postroad):
    server = postroad(start=False, user="no-such-user")
    done = server.ctl("serve", "--foreground", check=False)
    assert done.returncode == 78 and "useradd --system" in done.stderr


def test_a_reload_drops_no_session(postroad):
    server = postroad()
    with server.smtp() as client:
        client.ehlo()
        assert client.docmd("MAIL FROM:<jerry@magedu.test>")[0] == 250
        old = server.role_pids()["smtpd"]
        assert server.reload()["event"] == "master.reloaded"
        for i in range(20):      # the successor serves, and nobody is sent away
            with server.smtp() as other:
                assert other.noop()[0] == 250
        assert client.docmd("RCPT TO:<tom@hehuan.test>")[0] == 250
        assert client.docmd("DATA")[0] == 354
        client.send(b"Subject: kept\r\n\r\n.\r\n")
        assert client.getreply()[0] == 250
    wait_for(lambda: old not in server.role_pids().values(), what="the end of the old process")
    wait_for(lambda: b"kept" in server.mailbox("tom"), what="the message")
