"""Faults on demand; and what a resolver makes of malformed answers."""
import struct
import time

import pytest
from dns_server import DnsSim, ZONES, question, read_tcp

A, MX = 1, 15
NAME = "hehuan.test"


@pytest.fixture
def dns():
    server = DnsSim("--zones", ZONES)
    yield server
    server.close()


def rcode(packet):
    return packet[3] & 15


def counts(packet):
    return struct.unpack("!4H", packet[4:12])


@pytest.mark.parametrize("word", ["servfail", "refused", "formerr", "notimp", "nxdomain"])
def test_rcodes(dns, word):
    dns.ctl("fault", NAME, "MX", word)
    assert dns.status(NAME, "MX") == dns.status(NAME, "MX", "+tcp") == word.upper()
    assert dns.status(NAME, "NS") == "NOERROR"
    assert dns.queries()[0]["fault"] == word and dns.queries()[-1]["fault"] is None


def test_negative_faults_carry_the_soa(dns):
    dns.ctl("fault", NAME, "MX", "nodata")
    text = dns.dig(NAME, "MX")
    assert "status: NOERROR" in text and "ANSWER: 0, AUTHORITY: 1" in text and "SOA" in text


def test_silence_and_close(dns):
    dns.ctl("fault", NAME, "A", "silence")
    assert dns.raw(question(NAME, A), timeout=0.3) is None
    assert dns.queries()[0]["rcode"] is None and dns.queries()[0]["fault"] == "silence"
    dns.ctl("clear", "faults")
    assert rcode(dns.raw(question(NAME, A))) == 0
    dns.ctl("fault", NAME, "A", "close", "over", "tcp")
    packet = question(NAME, A)
    with dns.connect() as s:
        s.sendall(struct.pack("!H", len(packet)) + packet)
        assert s.recv(10) == b""
    assert rcode(dns.raw(packet)) == 0


def test_delay_holds_nobody_else_up_and_joins_another_fault(dns):
    dns.ctl("fault", NAME, "MX", "delay", "500ms")
    dns.ctl("fault", NAME, "MX", "servfail", "times", "1")
    for wanted in ("SERVFAIL", "NOERROR"):
        start = time.monotonic()
        assert dns.status(NAME, "MX") == wanted
        assert 0.5 <= time.monotonic() - start < 1.5
    assert dns.queries()[0]["fault"] == "delay 500ms, servfail"
    import socket
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.connect((dns.address, dns.port))
        s.send(question(NAME, MX, id=1))
        s.send(question(NAME, A, id=2))
        assert [s.recv(512)[:2], s.recv(512)[:2]] == [b"\0\2", b"\0\1"]
    start = time.monotonic()
    assert dns.status(NAME, "MX", "+tcp") == "NOERROR" and time.monotonic() - start >= 0.5


def test_counted_faults_come_in_their_order_and_end(dns):
    dns.ctl("fault", NAME, "MX", "servfail", "times", "2")
    dns.ctl("fault", NAME, "ANY", "refused", "times", "1")
    assert dns.ctl("faults")[0] == f"{NAME} MX servfail times 2 (hits 0)"
    got = [rcode(dns.raw(question(NAME, MX))) for _ in range(5)]
    assert got == [2, 2, 5, 0, 0] and dns.ctl("faults") == []


def test_faults_by_pattern(dns):
    dns.ctl("fault", "*.hehuan.test", "ANY", "servfail")
    assert [rcode(dns.raw(question(n, A))) for n in ("MAIL.hehuan.test", NAME, "mail.magedu.test")] == [2, 0, 0]
    dns.ctl("fault", "*", "AAAA", "refused")
    assert rcode(dns.raw(question("mail.magedu.test", 28))) == 5
    dns.ctl("clear", "faults", "*.hehuan.test")
    assert rcode(dns.raw(question("mail.hehuan.test", A))) == 0
    assert dns.ctl("faults") == ["* AAAA refused (hits 1)"]


def test_truncation_sends_to_tcp(dns):
    dns.ctl("fault", NAME, "MX", "truncate")
    packet = dns.raw(question(NAME, MX))
    assert packet[2] & 2 and counts(packet) == (1, 0, 0, 0)
    assert len(dns.short(NAME, "MX")) == 2
    assert [q["transport"] for q in dns.queries()] == ["udp", "udp", "tcp"]


def test_wrong_id_and_wrong_question_are_real_answers_otherwise(dns):
    real = dns.raw(question(NAME, MX))
    dns.ctl("fault", NAME, "MX", "wrong-id", "times", "1")
    dns.ctl("fault", NAME, "MX", "wrong-question", "times", "1")
    wrong_id, wrong_question = dns.raw(question(NAME, MX)), dns.raw(question(NAME, MX))
    assert wrong_id[:2] != real[:2] and wrong_id[2:] == real[2:]
    assert wrong_question[12:24] != real[12:24] and wrong_question[24:] == real[24:]
    dns.ctl("fault", NAME, "MX", "wrong-id")
    assert dns.status(NAME, "MX") is None               # dig waits for the right one


def test_lame(dns):
    dns.ctl("fault", NAME, "ANY", "lame")
    text = dns.dig(NAME, "MX")
    assert "flags: qr rd;" in text and "ANSWER: 0, AUTHORITY: 1" in text and "root-servers.net" in text


def test_authentic(dns):
    dns.ctl("fault", "*", "ANY", "authentic")
    assert "flags: qr aa rd ad;" in dns.dig(NAME, "MX") and len(dns.short(NAME, "MX")) == 2


@pytest.mark.parametrize("rtype", ["A", "MX", "AAAA", "TXT", "SOA", "CNAME", "PTR", "SRV"])
@pytest.mark.parametrize("word", ["short-rdata", "loop", "garbage", "cut"])
def test_malformed_answers_are_malformed(dns, word, rtype):
    dns.ctl("fault", "mail.hehuan.test", rtype, word)
    for transport in ("+notcp", "+tcp"):
        text = dns.dig("mail.hehuan.test", rtype, transport, "+qr")
        assert not any(line.startswith("mail.hehuan.test.\t") and "\tIN\t" in line for line in text.splitlines()), text
    assert {q["fault"] for q in dns.queries()} == {word}


def test_a_short_answer_is_short_on_the_wire(dns):
    dns.ctl("fault", NAME, "MX", "short-rdata")
    packet = dns.raw(question(NAME, MX))
    assert counts(packet) == (1, 1, 0, 0) and packet.endswith(b"\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\1\x0a")


def test_a_loop_is_a_loop_on_the_wire(dns):
    dns.ctl("fault", NAME, "MX", "loop")
    packet = dns.raw(question(NAME, MX))
    assert struct.unpack("!H", packet[-2:])[0] == 0xc000 | len(packet) - 2


def test_garbage_is_the_same_for_the_same_question(dns):
    dns.ctl("fault", "*", "ANY", "garbage")
    first = dns.raw(question(NAME, MX))
    assert first == dns.raw(question(NAME, MX)) != dns.raw(question(NAME, A))
    assert first[:2] == b"\x12\x34" and first[2] & 0x80


def test_raw_octets(dns):
    dns.ctl("fault", NAME, "A", "raw", "aabb8180ff", "times", "2")
    dns.ctl("fault", NAME, "A", "raw-exact", "aabb8180ff")
    packet = question(NAME, A)
    assert dns.raw(packet) == bytes.fromhex("12348180ff")
    with dns.connect() as s:
        s.sendall(2 * (struct.pack("!H", len(packet)) + packet))
        assert [read_tcp(s), read_tcp(s)] == [bytes.fromhex("12348180ff"), bytes.fromhex("aabb8180ff")]
