"""Client names (FCrDNS), HELO names and DNS lists, against dns-sim as the world's DNS."""
import smtplib
import time

import pytest

from dns_server import DnsSim
from test_policy import MESSAGE, strangers

CLIENT = "127.0.0.9"
GOOD_LIST = "2.0.0.127 A 127.0.0.2\ntest A 127.0.0.2\n"


@pytest.fixture
def dns():
    sim = DnsSim("--root-nxdomain")
    yield sim
    sim.close()


def zone(dns, name, text):
    dns.ctl("load", name, input=text + ".\n")


def names(dns, back, forward):
    """PTR records of the client, and the zone example.test."""
    zone(dns, "127.in-addr.arpa", "".join(f"9.0.0 {line}\n" for line in back))
    zone(dns, "example.test", "".join(f"{line}\n" for line in forward) or "x A 127.0.0.99\n")


def serve(postroad, dns, config):
    return strangers(postroad, config, nameserver=f"127.0.0.1:{dns.port}")


def talk(server, sender="jerry@magedu.test", helo="client.magedu.test", source=CLIENT):
    """(code, text) of the first refusal or of the end, from an address that lists can have."""
    with smtplib.SMTP(timeout=20, source_address=(source, 0)) as s:
        code, text = s.connect("127.0.0.1", server.smtp_port)
        for step in (lambda: s.ehlo(helo), lambda: s.mail(sender), lambda: s.rcpt("tom@hehuan.test"),
                     lambda: s.data(MESSAGE)):
            if code // 100 == 2:
                try:
                    code, text = step()
                except smtplib.SMTPDataError as e:
                    code, text = e.smtp_code, e.smtp_error
        return code, text.decode()


@pytest.mark.parametrize("back, forward, word, result", [
    (["PTR mail.example.test."], ["mail A 127.0.0.9"], "pass", "pass"),
    (["PTR a.example.test.", "PTR b.example.test."], ["a A 127.0.0.1", "b A 127.0.0.9"], "pass", "pass"),
    ([f"PTR n{i}.example.test." for i in range(10)], ["n9 A 127.0.0.9"], "pass", "pass"),
    ([], [], "none", "permerror"),
    (["TXT nothing"], [], "none", "permerror"),
    (["PTR mail.example.test."], ["mail A 127.0.0.1"], "mismatch", "fail"),
    (["PTR mail.example.test."], [], "mismatch", "fail"),
    (["PTR bad.example.test."], ["bad CNAME bad"], "temporary", "temperror"),
    # RFC 2317: the reverse zone of a part of a network
    (["CNAME 9.0-15.0.0.127.in-addr.arpa."], ["mail A 127.0.0.9"], "pass", "pass"),
])
def test_reverse(postroad, dns, back, forward, word, result):
    names(dns, back, forward)
    if back and back[0].startswith("CNAME"):
        zone(dns, "127.in-addr.arpa", "9.0.0 CNAME 9.0-15.0.0\n9.0-15.0.0 PTR mail.example.test.\n")
    if word == "temporary":
        dns.ctl("fault", "bad.example.test", "ANY", "servfail")
    others = [w for w in ("pass", "none", "mismatch", "temporary") if w != word]
    quoted = ", ".join(f'"{w}"' for w in others)
    server = serve(postroad, dns, f"""
        rule wrong {{ reverse = {{{quoted}}}  verdict = "reject" }}
        rule right {{ reverse = {{"{word}"}}  verdict = "tag X-Reverse: $name" }}""")
    assert talk(server)[0] == 250
    server.wait_event("mda.delivered", user="tom")
    mail = server.mailbox("tom").decode()
    assert f"iprev={result} policy.iprev={CLIENT}" in mail and "X-Reverse: " in mail
    shown = "client.magedu.test (b.example.test [127.0.0.9])" if len(back) == 2 else None
    assert shown is None or shown in mail
    if word != "pass":
        assert "client.magedu.test ([127.0.0.9])" in mail


def test_temporary_failure_is_never_a_5yz(postroad, dns):
    names(dns, ["PTR mail.example.test."], ["mail A 127.0.0.9"])
    config = 'rule name { reverse = {"none", "mismatch", "temporary"}  verdict = "reject 554 5.7.25 who" }'
    for fault in ("9.0.0.127.in-addr.arpa PTR servfail", "mail.example.test A silence",
                  "mail.example.test A garbage"):
        dns.ctl("fault", *fault.split())
        code, text = talk(serve(postroad, dns, config))
        assert (code, text[:6]) == (450, "4.7.25"), fault
        dns.ctl("clear", "faults")
    assert talk(serve(postroad, dns, config))[0] == 250
    # A rule that does not speak of temporary failures lets them pass, and says so.
    dns.ctl("fault", "*", "ANY", "servfail")
    server = serve(postroad, dns, 'rule name { reverse = {"none", "mismatch"}  verdict = "reject" }')
    assert talk(server)[0] == 250
    assert server.events("policy.unsure", rule="name")


def test_names_of_clients_and_forged_results(postroad, dns):
    names(dns, ["PTR mail.example.test."], ["mail A 127.0.0.9", "dyn A 127.0.0.9"])
    server = serve(postroad, dns, """
        policy { reverse-names = true }
        rule dsl { client-name = {".example.test"}  sender = {"dsl@"}  verdict = "reject" }
        rule other { client-name = {"dyn.example.test"}  verdict = "reject" }""")
    assert talk(server, sender="dsl@magedu.test")[0] == 550
    with smtplib.SMTP(timeout=10, source_address=(CLIENT, 0)) as s:
        s.connect("127.0.0.1", server.smtp_port)
        s.sendmail("a@magedu.test", ["tom@hehuan.test"],
                   b"Authentication-Results: mail.hehuan.test; spf=pass\r\n\tsmtp.mailfrom=x\r\n"
                   b"Authentication-Results: other.test; spf=fail\r\n folded\r\n"
                   b"authentication-results:\r\n mail.hehuan.test; dkim=pass\r\n"
                   b"Subject: kept\r\n\r\nAuthentication-Results: mail.hehuan.test; text\r\n")
    server.wait_event("mda.delivered", user="tom")
    mail = server.mailbox("tom").decode()
    assert "(mail.example.test [127.0.0.9])" in mail and "iprev=pass" in mail
    assert "spf=pass" not in mail and "smtp.mailfrom" not in mail and "dkim" not in mail
    assert "other.test; spf=fail\n folded\n" in mail and "mail.hehuan.test; text" in mail


@pytest.mark.parametrize("helo, word", [("none.example.test", "unknown"), ("mail.example.test", "differs"),
                                        ("mine.example.test", None), ("mx.example.test", "differs")])
def test_helo_names(postroad, dns, helo, word):
    names(dns, [], ["mail A 127.0.0.1", "mine A 127.0.0.9", "mx MX 5 mail"])
    for check in ("unknown", "differs"):
        server = serve(postroad, dns, f'rule helo {{ helo-check = {{"{check}"}}  verdict = "reject" }}')
        holds = word == check or (word == "unknown" and check == "differs")
        assert talk(server, helo=helo)[0] == (550 if holds else 250), check
    dns.ctl("fault", helo, "ANY", "servfail")
    server = serve(postroad, dns, 'rule helo { helo-check = {"unknown", "differs"}  verdict = "reject" }')
    assert talk(server, helo=helo)[0] == 250


@pytest.mark.parametrize("codes, answers, listed", [
    ("", ["127.0.0.2"], True),
    ("", ["192.0.2.1"], True),                       # RFC 5782 6: any A record
    ('"127.0.0.0/8"', ["192.0.2.1"], False),
    ('"127.0.0.4"', ["127.0.0.2"], False),
    ('"127.0.0.4"', ["127.0.0.2", "127.0.0.4"], True),
    ('"127.0.0.4-127.0.0.8"', ["127.0.0.8"], True),
    ('"127.0.0.4-127.0.0.8"', ["127.0.0.9"], False),
    ('"mask:6"', ["127.0.0.10"], True),
    ('"mask:6"', ["127.0.0.9"], False),
    ('"mask:6"', ["10.0.0.10"], False),
])
def test_codes(postroad, dns, codes, answers, listed):
    zone(dns, "bl.test", GOOD_LIST + "".join(f"9.0.0.127 A {a}\n" for a in answers) +
         '9.0.0.127 TXT "sent spam, " "see http://bl.test"\n')
    server = serve(postroad, dns, f"""
        dnsbl "bl.test" {{ codes = {{{codes}}} }}
        rule list {{ dnsbl = {{"bl.test"}}  verdict = "reject" }}""")
    code, text = talk(server)
    assert code == (550 if listed else 250), text
    if listed:
        assert text.endswith("127.0.0.9: listed by bl.test, sent spam, see http://bl.test")


def test_names_scores_and_allow_lists(postroad, dns):
    names(dns, ["PTR mail.example.test."], ["mail A 127.0.0.9"])
    zone(dns, "bl.test", GOOD_LIST + "9.0.0.127 A 127.0.0.2\n")
    zone(dns, "wl.test", GOOD_LIST + "8.0.0.127 A 127.0.0.2\n")
    zone(dns, "dbl.test", GOOD_LIST + "mail.example.test A 127.0.0.2\nhelo.test A 127.0.0.3\n"
                                      "bad.test A 127.0.0.4\n")
    lists = """
        dnsbl ip     { zone = "bl.test"   score = 2 }
        dnsbl names  { zone = "dbl.test"  of = {"name", "helo", "sender"}  score = 3 }
        dnsbl good   { zone = "wl.test"   score = -5 }
        rule score { dnsbl-score = 5  verdict = "reject 550 5.7.1 $why" }"""
    server = serve(postroad, dns, lists)
    code, text = talk(server)
    assert code == 550 and "listed by ip: 127.0.0.2" in text and "score 5, at least 5" in text
    dns.ctl("add", "9.0.0.127.wl.test A 127.0.0.2")
    assert talk(serve(postroad, dns, lists))[0] == 250
    # Each subject alone.
    dns.ctl("remove", "9.0.0.127.bl.test")
    dns.ctl("remove", "9.0.0.127.in-addr.arpa")
    server = serve(postroad, dns, lists.replace("= 5 ", "= 3 ").replace("-5", "-1"))
    dns.ctl("remove", "9.0.0.127.wl.test")
    assert talk(server)[0] == 250
    assert talk(server, helo="helo.test")[0] == 550
    assert talk(server, sender="x@bad.test")[0] == 550
    assert talk(server, sender="")[0] == 250


@pytest.mark.parametrize("trouble", ["down", "slow", "everything", "nothing", "garbage", "lame"])
def test_a_broken_list_loses_no_mail(postroad, dns, trouble):
    zone(dns, "bl.test", {"everything": "* A 127.0.0.2\n", "nothing": "9.0.0.127 A 127.0.0.2\n"}
         .get(trouble, GOOD_LIST))
    zone(dns, "ok.test", GOOD_LIST)
    fault = {"down": "servfail", "slow": "delay 3s", "garbage": "garbage", "lame": "lame"}.get(trouble)
    if fault:
        dns.ctl("fault", "*.bl.test", "ANY", fault)
    server = serve(postroad, dns, """
        policy { dns-deadline = "700ms" }
        dnsbl "bl.test" { }
        dnsbl "ok.test" { }
        rule list { dnsbl = {"bl.test", "ok.test"}  verdict = "reject" }""")
    begin = time.monotonic()
    assert talk(server)[0] == 250
    assert time.monotonic() - begin < 2.5
    assert server.events("policy.dnsbl-trouble", list="bl.test")
    # The other list is believed all the same, and a list that never answers is left alone.
    dns.ctl("add", "9.0.0.127.ok.test A 127.0.0.2")
    server = serve(postroad, dns, server.conf.read_text().split("\n\n")[-1])
    for _ in range(4):
        assert talk(server)[0] == 550
    if trouble == "down":
        asked = dns.ctl("count", "9.0.0.127.bl.test", "A")
        assert talk(server)[0] == 550
        assert dns.ctl("count", "9.0.0.127.bl.test", "A") == asked


def test_explain_says_what_would_happen(postroad, dns):
    names(dns, ["PTR mail.example.test."], ["mail A 127.0.0.9"])
    zone(dns, "bl.test", GOOD_LIST + '9.0.0.127 A 127.0.0.4\n9.0.0.127 TXT "sent spam"\n')
    zone(dns, "dead.test", "* A 127.0.0.2\n")
    server = serve(postroad, dns, """
        dnsbl "bl.test" { }
        dnsbl "dead.test" { of = {"client", "name"} }
        rule list { dnsbl = {"bl.test"}  verdict = "reject" }
        rule name { reverse = {"none"}  verdict = "reject" }""")
    said = server.ctl("explain", CLIENT).stdout
    assert "name: pass: 127.0.0.9 is mail.example.test, and back" in said
    assert "address of dnsbl bl.test: listed, 127.0.0.4 sent spam" in said
    assert "address of dnsbl dead.test: no answer that can be used" in said
    assert "name of dnsbl dead.test: no answer that can be used" in said
    assert "rule list, at rcpt: reject (listed by bl.test: 127.0.0.4 sent spam)" in said
    assert "rule name" not in said
    assert "rule name, at rcpt: reject (127.0.0.10 has no name in the DNS)" in server.ctl("explain", "127.0.0.10").stdout


def test_answers_are_kept_for_their_ttl(postroad, dns):
    zone(dns, "bl.test", GOOD_LIST + "9.0.0.127 2 A 127.0.0.2\n")
    server = serve(postroad, dns, """
        dnsbl "bl.test" { }
        rule list { dnsbl = {"bl.test"}  verdict = "reject" }""")
    for _ in range(3):
        assert talk(server)[0] == 550
    assert dns.ctl("count", "9.0.0.127.bl.test", "A") == ["1"]
    dns.ctl("remove", "9.0.0.127.bl.test")
    time.sleep(2.1)
    assert talk(server)[0] == 250
    # "Not listed" is kept as long as the SOA says; a new entry counts afterwards.
    assert talk(server, source="127.0.0.10")[0] == 250
    dns.ctl("add", "11.0.0.127.bl.test A 127.0.0.2 expire 1s")
    assert talk(server, source="127.0.0.11")[0] == 550
