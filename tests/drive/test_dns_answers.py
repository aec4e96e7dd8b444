"""dns-sim answers as RFC 1034 4.3.2 wants it, seen through dig, drill and named-checkzone."""
import re
import struct
from ipaddress import ip_address

import pytest
from dns_server import DnsSim, TYPE_ZONE, ZONES, question, read_tcp, run

WORLD = """
$TTL 300
@        SOA ns hostmaster 7 3600 600 86400 120
@        NS ns
ns       A 192.0.2.1
mail     A 192.0.2.25
alias    CNAME mail
chain    CNAME alias
away     CNAME www.elsewhere.test.
lost     CNAME nowhere
out      CNAME www.example.com.
loop1    CNAME loop2
loop2    CNAME loop1
*.wild   TXT any
deep.er  A 192.0.2.3
sub      NS ns.sub
sub      NS ns.elsewhere.test.
ns.sub   A 192.0.2.53
old      DNAME new
a.new    A 192.0.2.4
_x._tcp  SRV 0 0 25 mail
"""
ELSEWHERE = "www A 192.0.2.80\nns A 192.0.2.99\n"


@pytest.fixture(scope="module")
def dns():
    server = DnsSim("--zones", ZONES, "--zone", TYPE_ZONE)
    server.load("w.test", WORLD)
    server.load("elsewhere.test", ELSEWHERE)
    server.load("big.test", "".join(f"@ MX 10 a-rather-long-host-name-{i}\n" for i in range(100)))
    yield server
    server.close()


def test_every_record_of_a_zone_is_served_as_bind_reads_it(dns):
    """named-checkzone reads and prints the zones; each of its record sets must be our answer."""
    for path in (TYPE_ZONE, *sorted(ZONES.glob("*.zone"))):
        origin = path.name[:-len(".zone")]
        text = run("named-checkzone", "-k", "ignore", "-i", "none", "-D", "-o", "-", origin, path)
        wanted = {}
        for line in text.splitlines():
            fields = line.split(None, 4)
            if len(fields) == 5 and fields[2] == "IN":
                name, ttl, _, rtype, data = fields
                wanted.setdefault((name.lower(), rtype), set()).add((ttl, data))
        assert len(wanted) >= 5
        for (name, rtype), records in wanted.items():
            cut = rtype == "NS" and name != origin + "."
            got = {(ttl, data) for _, ttl, _, data in
                   dns.answer("-q", name, "-t", rtype, section="authority" if cut else "answer")}
            assert got == records, (name, rtype)


def test_a_transfer_has_all_records(dns):
    text = run("named-checkzone", "-k", "ignore", "-i", "none", "-D", "-o", "-", "types.test", TYPE_ZONE)
    wanted = sorted(line.split(None, 4) for line in text.splitlines() if " IN " in line.replace("\t", " "))
    got = [list(r[:2]) + ["IN"] + list(r[2:]) for r in dns.answer("types.test", "axfr")]
    assert got[0] == got[-1] and got[0][3] == "SOA"
    assert sorted(got[1:]) == wanted


def test_answers_are_authoritative_and_echo_the_case_of_the_question(dns):
    text = dns.dig("MaIl.HEHUAN.test", "A")
    assert re.search(r"flags: qr aa rd;", text)
    assert "MaIl.HEHUAN.test.\t300\tIN\tA\t192.0.2.25" in text
    assert dns.raw(question("MAIL.hehuan.TEST", 1))[12:12 + 18] == b"\4MAIL\6hehuan\4TEST\0"


def test_mx_brings_addresses_along(dns):
    text = dns.dig("hehuan.test", "MX", "+noall", "+additional")
    assert sorted(line.split()[4] for line in text.splitlines()) == [
        "192.0.2.25", "192.0.2.26", "2001:db8::25", "2001:db8::26"]
    assert "192.0.2.25" in dns.dig("_x._tcp.w.test", "SRV", "+noall", "+additional")


def test_both_reverse_trees(dns):
    assert dns.short("-x", "192.0.2.25") == ["mail.hehuan.test."]
    assert dns.short("-x", "2001:db8::25") == ["mail.hehuan.test."]
    for line in dns.ctl("list", "2.0.192.in-addr.arpa") + dns.ctl("list", "8.b.d.0.1.0.0.2.ip6.arpa"):
        if " PTR " in line:
            owner, host = line.split()[0], line.split()[-1]
            forward = dns.short(host, "A") + dns.short(host, "AAAA")
            assert owner in [ip_address(address).reverse_pointer + "." for address in forward]


@pytest.mark.parametrize("name, rtype, rcode, ttl", [
    ("nope.w.test", "A", "NXDOMAIN", "120"),
    ("mail.w.test", "MX", "NOERROR", "120"),
    ("er.w.test", "A", "NOERROR", "120"),          # an empty non-terminal exists (RFC 8020)
    ("a.b.mail.w.test", "A", "NXDOMAIN", "120"),
    ("hehuan.test", "TXT", "NOERROR", "60"),
])
def test_negative_answers_carry_the_soa(dns, name, rtype, rcode, ttl):
    """RFC 2308 3: the TTL is the lesser of the SOA's own and its MINIMUM."""
    text = dns.dig(name, rtype)
    assert f"status: {rcode}" in text and "ANSWER: 0, AUTHORITY: 1" in text
    assert re.search(rf"^\S+\s+{ttl}\s+IN\s+SOA\s", text, re.M)


def test_cname_chains(dns):
    assert [r[2:] for r in dns.answer("chain.w.test", "A")] == [
        ("CNAME", "alias.w.test."), ("CNAME", "mail.w.test."), ("A", "192.0.2.25")]
    assert dns.short("away.w.test", "A") == ["www.elsewhere.test.", "192.0.2.80"]
    assert dns.short("chain.w.test", "CNAME") == ["alias.w.test."]
    assert dns.status("lost.w.test", "A") == "NXDOMAIN"      # RFC 6604 3
    assert dns.status("out.w.test", "A") == "NOERROR"
    assert dns.short("loop1.w.test", "A") == ["loop2.w.test.", "loop1.w.test."]


def test_wildcards(dns):
    assert dns.answer("x.y.wild.w.test", "TXT") == [("x.y.wild.w.test.", "300", "TXT", '"any"')]
    assert dns.status("x.wild.w.test", "A") == "NOERROR"
    assert dns.short("x.wild.w.test", "A") == []
    assert dns.status("wild.w.test", "TXT") == "NOERROR"
    assert dns.short("wild.w.test", "TXT") == []             # the wildcard is not its own parent
    assert dns.short("*.wild.w.test", "TXT") == ['"any"']


def test_an_existing_name_stops_the_wildcard_above_it(dns):
    """RFC 4592 2.2.1: below the closest encloser only."""
    dns.load("stop.test", "* A 192.0.2.1\nhost A 192.0.2.2\nb.ent A 192.0.2.3\n")
    assert dns.short("x.stop.test", "A") == ["192.0.2.1"]
    assert dns.status("x.host.stop.test", "A") == "NXDOMAIN"
    assert dns.status("x.ent.stop.test", "A") == "NXDOMAIN"
    assert dns.short("ent.stop.test", "A") == []


def test_delegation(dns):
    for name in ("sub.w.test", "x.y.sub.w.test", "ns.sub.w.test"):
        text = dns.dig(name, "A")
        assert "flags: qr rd;" in text and "ANSWER: 0, AUTHORITY: 2" in text
        assert "ns.sub.w.test.\t\t300\tIN\tA\t192.0.2.53" in text      # glue
        assert "ns.elsewhere.test.\t60\tIN\tA\t192.0.2.99" in text
    assert "flags: qr aa rd;" in dns.dig("sub.w.test", "DS")           # RFC 4035 3.1.4.1


def test_dname(dns):
    assert [r[:1] + r[2:] for r in dns.answer("a.old.w.test", "A")] == [
        ("old.w.test.", "DNAME", "new.w.test."), ("a.old.w.test.", "CNAME", "a.new.w.test."),
        ("a.new.w.test.", "A", "192.0.2.4")]
    label = "x" * 63
    dns.load("d.test", f"old DNAME {label}.{label}.{label}\n")
    assert dns.status(f"{label}.old.d.test", "A") == "YXDOMAIN"


def test_names_of_no_zone(dns):
    assert dns.status("www.example.com", "A") == "REFUSED"
    assert dns.status("hehuan.test", "A", "-c", "CH") == "REFUSED"
    server = DnsSim("--zones", ZONES, "--root-nxdomain", "--recursion-available")
    try:
        text = server.dig("www.example.com", "A")
        assert "status: NXDOMAIN" in text and "flags: qr aa rd ra;" in text and "IN\tSOA" in text
        assert server.status("hehuan.test", "A") == "NOERROR"
        assert server.status(".", "NS") == "NOERROR"
    finally:
        server.close()


def test_edns(dns):
    assert "EDNS: version: 0, flags: do; udp: 1232" in dns.dig("+dnssec", "hehuan.test")
    assert "EDNS" not in dns.dig("+noedns", "hehuan.test")
    text = dns.dig("+edns=5", "+noednsneg", "hehuan.test")
    assert "status: BADVERS" in text and "version: 0" in text
    opt = b"\0\0\x29\x10\0\0\0\0\0\0\0"
    for packet in (question("hehuan.test", 1, tail=opt + opt, counts=(1, 0, 0, 2)),
                   question("hehuan.test", 1, tail=b"\1x" + opt, counts=(1, 0, 0, 1))):
        assert dns.raw(packet)[3] & 15 == 1        # RFC 6891 6.1.1: FORMERR


def test_signatures_come_when_asked_for(dns):
    assert [r[2] for r in dns.answer("+dnssec", "rrsig.types.test", "A")] == ["A", "RRSIG"]
    assert [r[2] for r in dns.answer("rrsig.types.test", "A")] == ["A"]


def test_truncation_and_tcp(dns):
    packet = dns.raw(question("big.test", 15))
    assert len(packet) <= 512 and packet[2] & 2
    text = dns.dig("+ignore", "+bufsize=4096", "big.test", "MX")
    assert " tc " in text.split("flags:")[1].split(";")[0] + " "
    assert len(dns.answer("big.test", "MX")) == 100             # dig came again over TCP
    assert {q["transport"] for q in dns.queries() if q["name"] == "big.test"} == {"udp", "tcp"}


def test_tcp_answers_pipelined_queries_and_split_ones(dns):
    names = ["mail.hehuan.test", "mail1.hehuan.test", "nope.hehuan.test"] * 20
    with dns.connect() as s:
        data = b""
        for i, name in enumerate(names):
            packet = question(name, 1, id=i)
            data += struct.pack("!H", len(packet)) + packet
        s.sendall(data[:1])
        s.sendall(data[1:40])
        s.sendall(data[40:])
        for i, name in enumerate(names):
            reply = read_tcp(s)
            assert struct.unpack("!H", reply[:2])[0] == i
            assert reply[3] & 15 == (3 if name.startswith("nope") else 0)


def test_ipv6_and_drill(dns):
    assert "192.0.2.25" in dns.dig("+short", "mail.hehuan.test", address="::1")
    text = run("drill", "-p", dns.port, "hehuan.test", f"@{dns.address}", "MX")
    assert "5 mail.hehuan.test." in text and "rcode: NOERROR" in text and "aa" in text
    text = run("drill", "-D", "-p", dns.port, "_25._tcp.types.test", f"@{dns.address}", "TLSA")
    assert re.search(r"TLSA\s+3 1 1 d2abde", text)


def test_any(dns):
    assert {r[2] for r in dns.answer("hehuan.test", "ANY")} == {"SOA", "NS", "MX"}


@pytest.mark.parametrize("packet, rcode", [
    (b"", None),
    (b"\x12\x34\1\0\0\1\0\0\0\0\0", None),                       # a cut header
    (question("hehuan.test", 1, flags=0x8100), None),            # a response
    (question("hehuan.test", 1, counts=(0, 0, 0, 0)), 1),
    (question("hehuan.test", 1, counts=(2, 0, 0, 0)), 1),
    (question("hehuan.test", 1, tail=b"x"), 1),
    (question("hehuan.test", 1)[:-1], 1),
    (question("hehuan.test", 1, counts=(1, 0, 0, 9)), 1),
    (b"\x12\x34\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", 1),        # a name that leads to itself
    (b"\x12\x34\1\0\0\1\0\0\0\0\0\0\x80a\0\0\1\0\1", 1),         # a reserved label type
    (question("hehuan.test", 1, flags=0x1000), 4),               # opcode 2
    (question("hehuan.test", 1, flags=0x2000), 4),               # NOTIFY
    (question("hehuan.test", 254), 4),
    (question("hehuan.test", 41), 1),
    (question("hehuan.test", 252), 5),                           # AXFR over UDP
])
def test_malformed_and_foreign_messages(dns, packet, rcode):
    reply = dns.raw(packet, timeout=0.3 if rcode is None else 2)
    if rcode is None:
        assert reply is None
    else:
        assert reply[:2] == b"\x12\x34" and reply[2] & 0x80 and reply[3] & 15 == rcode
    assert dns.status("hehuan.test", "MX") == "NOERROR"
