"""What changes while dns-sim runs: the control socket, expiry, DNS UPDATE with the real nsupdate."""
import subprocess
import time

import pytest
from dns_server import DnsSim, ZONES, question, run


@pytest.fixture
def dns():
    server = DnsSim("--zones", ZONES)
    yield server
    server.close()


def serial(dns):
    return int(dns.short("hehuan.test", "SOA")[0].split()[2])


def nsupdate(dns, *lines, status=0):
    """Runs nsupdate on its commands; what it says about the answer (on both outputs)."""
    done = subprocess.run(["nsupdate", "-v"] if "tcp" in lines else ["nsupdate"], text=True, timeout=20,
                          input="\n".join([f"server {dns.address} {dns.port}", "zone hehuan.test",
                                           *(line for line in lines if line != "tcp"), "send", ""]),
                          capture_output=True)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_records_are_added_replaced_and_removed(dns):
    before = serial(dns)
    dns.ctl("add", "new.hehuan.test A 192.0.2.99")
    dns.ctl("add", "new.hehuan.test", "120", "IN", "A", "192.0.2.98")
    assert dns.answer("new.hehuan.test", "A") == [("new.hehuan.test.", "120", "A", "192.0.2.99"),
                                                  ("new.hehuan.test.", "120", "A", "192.0.2.98")]
    dns.ctl("replace", "new.hehuan.test. A 192.0.2.97")
    assert dns.short("new.hehuan.test", "A") == ["192.0.2.97"]
    dns.ctl("add", "new.hehuan.test", "TXT", '"two words"')
    assert dns.short("new.hehuan.test", "TXT") == ['"two words"']
    dns.ctl("remove", "new.hehuan.test A 192.0.2.97")
    assert dns.short("new.hehuan.test", "A") == [] and dns.status("new.hehuan.test") == "NOERROR"
    dns.ctl("remove", "new.hehuan.test", "TXT")
    assert dns.status("new.hehuan.test") == "NXDOMAIN"
    dns.ctl("remove", "mail.hehuan.test")
    assert dns.status("mail.hehuan.test") == "NXDOMAIN"
    assert serial(dns) == before + 7


@pytest.mark.parametrize("command, reason", [
    ("frobnicate", "no command"),
    ("add", "domain name"),
    ("add x.hehuan.test", "a record reads"),
    ("add x.hehuan.test A 300.1.2.3", "IPv4 address"),
    ("add x.example.com A 192.0.2.1", "no zone holds"),
    ("add mail.hehuan.test CNAME www.hehuan.test.", "CNAME cannot stand beside"),
    ("add x.hehuan.test A 192.0.2.1 expire soon", "no duration"),
    ("remove nope.hehuan.test", "no such record"),
    ("fault x BOGUS servfail", "no RR type"),
    ("fault x A explode", "unknown fault"),
    ("fault x A servfail times 0", "not understood"),
    ("fault x A delay", "needs a duration"),
    ("fault x A raw 123", "hex"),
    ("zone /nonexistent.zone", "No such file"),
    ("drop zone nope.test", "no such zone"),
    ("list nope.test", "no such zone"),
    ("queries before 5", "queries"),
])
def test_commands_that_make_no_sense_say_why(dns, command, reason):
    done = run("sh", "-c", 'exec "$@" 2>&1', "sh", *client(dns), *command.split(), status=1)
    assert done.startswith("dns-sim ctl: error ") and reason in done


def client(dns):
    from dns_server import DNS_SIM
    return [DNS_SIM, "ctl", dns.control]


def test_an_entry_expires_at_its_time(dns):
    dns.ctl("load", "bl.test", input="2.0.0.127 A 127.0.0.2\n")
    start = time.monotonic()
    dns.ctl("add", "9.2.0.192.bl.test A 127.0.0.2 expire 700ms")
    dns.ctl("add", "8.2.0.192.bl.test A 127.0.0.2 expire 1h")
    seen_until = gone_at = None
    while gone_at is None:
        if dns.raw(question("9.2.0.192.bl.test", 1))[3] & 15 == 0:
            seen_until = time.monotonic() - start
        else:
            gone_at = time.monotonic() - start
        assert time.monotonic() - start < 5
        time.sleep(0.02)
    assert seen_until > 0.5 and 0.7 <= gone_at < 1.5
    assert dns.short("8.2.0.192.bl.test") == dns.short("2.0.0.127.bl.test") == ["127.0.0.2"]


def test_zones_come_and_go(dns, tmp_path):
    assert dns.load("new.test", "@ MX 5 mail\nmail A 192.0.2.1\n") == []
    assert dns.short("new.test", "MX") == ["5 mail.new.test."]
    assert dns.status("new.test", "SOA") == "NOERROR" and len(dns.short("new.test", "NS")) == 1
    dns.load("new.test", "mail A 192.0.2.2\n")
    assert dns.short("new.test", "MX") == [] and dns.short("mail.new.test") == ["192.0.2.2"]
    run("sh", "-c", 'exec "$@" 2>&1', "sh", *client(dns), "load", "new.test", input="mail A x\n", status=1)
    assert dns.short("mail.new.test") == ["192.0.2.2"]          # a bad text changes nothing
    path = tmp_path / "file.test.zone"
    path.write_text("$TTL 5\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n")
    dns.ctl("zone", path)
    assert dns.short("ns.file.test") == ["192.0.2.1"]
    assert {"new.test.", "file.test.", "hehuan.test."} <= set(dns.ctl("zones"))
    assert "ns.file.test. 5 IN A 192.0.2.1" in dns.ctl("list", "file.test")
    dns.ctl("drop", "zone", "file.test")
    assert dns.status("ns.file.test") == "REFUSED"


def test_the_log_tells_who_asked_what(dns):
    dns.dig("hehuan.test", "MX")
    dns.dig("HEHUAN.test", "MX", "+tcp")
    dns.dig("nope.hehuan.test", "AAAA", address="::1")
    log = dns.queries()
    assert [(q["n"], q["client"], q["name"], q["type"], q["transport"], q["rcode"], q["answer"])
            for q in log] == [
        (1, "127.0.0.1", "hehuan.test", "MX", "udp", "NOERROR", "MX 5 mail.hehuan.test.; MX 10 mail1.hehuan.test."),
        (2, "127.0.0.1", "HEHUAN.test", "MX", "tcp", "NOERROR", "MX 5 mail.hehuan.test.; MX 10 mail1.hehuan.test."),
        (3, "::1", "nope.hehuan.test", "AAAA", "udp", "NXDOMAIN", "")]
    assert abs(log[0]["time"] - time.time()) < 60
    assert dns.ctl("count", "hehuan.test", "MX") == ["2"] and dns.ctl("count", "*") == ["3"]
    assert dns.ctl("count", "hehuan.test", "A") == ["0"] and dns.ctl("last") == ["3"]
    assert [q for q in dns.ctl("queries", "since", "2")][0].startswith('{"n":3,')
    events = open(dns.log_file).read().splitlines()
    assert len(events) == 3 and '"event":"dns.query"' in events[0] and '"name":"hehuan.test"' in events[0]
    dns.ctl("reset", "log")
    assert dns.queries() == [] and dns.ctl("count", "*") == ["0"] and dns.ctl("last") == ["3"]
    dns.dig("hehuan.test", "A")
    assert [q["n"] for q in dns.queries()] == [4]


def test_several_commands_on_one_connection(dns):
    import socket
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(dns.control)
        s.sendall(b"count *\nload a.test\n@ MX 1 m\n.\nnope\nlist a.test\r\n")
        s.shutdown(socket.SHUT_WR)
        text = b""
        while piece := s.recv(65536):
            text += piece
    lines = text.decode().splitlines()
    assert lines[:3] == ["ok 1", "0", "ok 0"] and lines[3].startswith("error ") and lines[4] == "ok 3"


# ---- DNS UPDATE, RFC 2136 ----

def test_nsupdate_adds_and_deletes(dns):
    before = serial(dns)
    nsupdate(dns, "update add a.hehuan.test 60 A 192.0.2.91", "update add a.hehuan.test 60 A 192.0.2.92",
             "update add a.hehuan.test 60 MX 5 mail.hehuan.test.")
    assert sorted(dns.short("a.hehuan.test", "A")) == ["192.0.2.91", "192.0.2.92"]
    assert serial(dns) == before + 1
    nsupdate(dns, "update delete a.hehuan.test A 192.0.2.91", "tcp")
    assert dns.short("a.hehuan.test", "A") == ["192.0.2.92"]
    nsupdate(dns, "update delete a.hehuan.test A")
    assert dns.short("a.hehuan.test", "A") == [] and dns.short("a.hehuan.test", "MX") != []
    nsupdate(dns, "update delete a.hehuan.test")
    assert dns.status("a.hehuan.test") == "NXDOMAIN" and serial(dns) == before + 4
    nsupdate(dns, "update delete a.hehuan.test")
    assert serial(dns) == before + 4            # nothing changed


@pytest.mark.parametrize("prerequisite, rcode", [
    ("nxdomain tree.hehuan.test", None),            # an empty non-terminal is not in use (2.4.4)
    ("yxdomain tree.hehuan.test", "NXDOMAIN"),
    ("nxdomain new.hehuan.test", None), ("nxdomain mail.hehuan.test", "YXDOMAIN"),
    ("yxdomain mail.hehuan.test", None), ("yxdomain new.hehuan.test", "NXDOMAIN"),
    ("nxrrset mail.hehuan.test MX", None), ("nxrrset mail.hehuan.test A", "YXRRSET"),
    ("yxrrset mail.hehuan.test A", None), ("yxrrset mail.hehuan.test MX", "NXRRSET"),
    ("yxrrset mail.hehuan.test A 192.0.2.25", None),
    ("yxrrset mail.hehuan.test A 192.0.2.26", "NXRRSET"),
    ("yxrrset hehuan.test MX 5 MAIL.hehuan.test.", "NXRRSET"),      # one of two
])
def test_prerequisites(dns, prerequisite, rcode):
    dns.ctl("add", "leaf.tree.hehuan.test A 192.0.2.1")
    text = nsupdate(dns, "prereq " + prerequisite, "update add x.hehuan.test 60 TXT hello",
                    status=2 if rcode else 0)
    assert (f"update failed: {rcode}" in text) if rcode else text == ""
    assert dns.short("x.hehuan.test", "TXT") == ([] if rcode else ['"hello"'])


def test_a_whole_set_as_prerequisite(dns):
    nsupdate(dns, "prereq yxrrset hehuan.test MX 5 MAIL.hehuan.test.",
             "prereq yxrrset hehuan.test MX 10 mail1.hehuan.test.", "update delete hehuan.test MX")
    assert dns.short("hehuan.test", "MX") == []


def test_an_update_happens_wholly_or_not_at_all(dns):
    text = nsupdate(dns, "update add x.hehuan.test 60 A 192.0.2.1", "update add x.example.com 60 A 192.0.2.1",
                    status=2)
    assert "NOTZONE" in text and dns.status("x.hehuan.test") == "NXDOMAIN"


def test_the_apex_keeps_soa_and_ns(dns):
    """RFC 2136 3.4.2.3, 3.4.2.4."""
    nsupdate(dns, "update delete hehuan.test")
    assert dns.short("hehuan.test", "MX") == [] and dns.short("hehuan.test", "NS") == ["ns.hehuan.test."]
    nsupdate(dns, "update delete hehuan.test NS ns.hehuan.test.")
    nsupdate(dns, "update delete hehuan.test NS")
    assert dns.short("hehuan.test", "NS") == ["ns.hehuan.test."] and dns.short("hehuan.test", "SOA")


def test_cname_and_other_data_stay_apart(dns):
    """RFC 2136 3.4.2.2: such an addition is silently ignored; a CNAME replaces a CNAME."""
    nsupdate(dns, "update add mail.hehuan.test 60 CNAME www.hehuan.test.")
    assert dns.short("mail.hehuan.test", "A") == ["192.0.2.25"]
    nsupdate(dns, "update add c.hehuan.test 60 CNAME www.hehuan.test.")
    nsupdate(dns, "update add c.hehuan.test 60 A 192.0.2.1")
    nsupdate(dns, "update add c.hehuan.test 60 CNAME mail.hehuan.test.")
    assert dns.short("c.hehuan.test", "A") == ["mail.hehuan.test.", "192.0.2.25"]


def test_the_soa_only_moves_forward(dns):
    before = serial(dns)
    soa = "update add hehuan.test 300 SOA ns.hehuan.test. hostmaster.hehuan.test. {} 1 2 3 4"
    nsupdate(dns, soa.format(before - 1))
    assert serial(dns) == before
    nsupdate(dns, soa.format(before + 10), "update add y.hehuan.test 60 A 192.0.2.1")
    assert serial(dns) == before + 10


def test_updates_for_other_zones_and_with_keys_are_refused(dns):
    done = subprocess.run(["nsupdate"], text=True, capture_output=True, timeout=20, input=(
        f"server {dns.address} {dns.port}\nzone example.com\nupdate add x.example.com 60 A 192.0.2.1\nsend\n"))
    assert "NOTAUTH" in done.stdout + done.stderr
    done = subprocess.run(["nsupdate", "-y", "hmac-sha256:k:c2VjcmV0"], text=True, capture_output=True,
                          timeout=20, input=(f"server {dns.address} {dns.port}\nzone hehuan.test\n"
                                             "update add x.hehuan.test 60 A 192.0.2.1\nsend\n"))
    assert done.returncode != 0 and dns.status("x.hehuan.test") == "NXDOMAIN"


def test_every_type_can_be_added_by_update(dns):
    """The records of the zone of all types, one after the other through nsupdate."""
    from dns_server import TYPE_ZONE
    text = run("named-checkzone", "-k", "ignore", "-i", "none", "-D", "-o", "-", "types.test", TYPE_ZONE)
    lines = []
    for line in text.splitlines():
        fields = line.split(None, 4)
        if len(fields) == 5 and fields[2] == "IN" and fields[3] not in ("SOA", "DNAME", "NS"):
            name = fields[0].replace("types.test.", "hehuan.test.")
            lines.append(f"update add {name} {fields[1]} {fields[3]} {fields[4]}")
    assert len(lines) > 60
    nsupdate(dns, "check-names no", *[l for l in lines if "CNAME" not in l], "tcp")
    for line in lines:
        _, _, name, ttl, rtype, data = line.split(None, 5)
        if rtype != "CNAME":
            assert (ttl, data) in {(r[1], r[3]) for r in dns.answer("-q", name, "-t", rtype)}, line
