"""What a mail server refuses or shows by configuration: a full disk, another's sender, EXPN, VRFY, a
host that takes no mail."""
import base64

import pytest

ENOUGH = 'auth { plain-without-tls = true sender-match = true }'


@pytest.mark.parametrize("what", ["free-space", "free-memory"])
def test_no_room_is_said_at_mail(postroad, what):
    us = postroad(config=f'limits {{ {what} = "100000G" }}')
    with us.smtp() as client:
        client.ehlo()
        code, text = client.docmd("MAIL FROM:<jerry@magedu.test>")
        assert (code, text[:6]) == (452, b"4.3.1 ")
        assert client.docmd("NOOP")[0] == 250


@pytest.mark.parametrize("sender, code", [("tom@hehuan.test", 250), ("tom+x@hehuan.test", 250), ("", 250),
                                          ("ann@hehuan.test", 550), ("tom@elsewhere.test", 550),
                                          ("sales@hehuan.test", 250), ("info@hehuan.test", 550)])
def test_who_logs_in_sends_as_himself(postroad, sender, code):
    us = postroad(config=ENOUGH, aliases="sales: tom, ann\ninfo: ann\n")
    with us.submission() as client:
        client.ehlo()
        client.login("tom", "tom-pw")
        assert client.docmd(f"MAIL FROM:<{sender}>")[0] == code


def test_expn_and_vrfy_are_for_our_own(postroad):
    us = postroad(aliases="staff: jerry, tom, eve@magedu.test, \"|/bin/true\"\n")
    with us.smtp() as client:
        client.ehlo()
        assert client.has_extn("expn")
        code, text = client.docmd("EXPN staff")
        assert code == 250
        assert text.replace(b"2.1.5 ", b"").split() == [
            b"<jerry@hehuan.test>", b"<tom@hehuan.test>", b"<eve@magedu.test>"]
        assert client.docmd("EXPN nobody")[0] == 550
        assert client.docmd("VRFY tom") == (250, b"2.1.5 <tom@hehuan.test>")
        assert client.docmd("VRFY nobody")[0] == 550
    us = postroad(relay_from=(), aliases="staff: jerry, tom\n")
    with us.smtp() as client:
        client.ehlo()
        assert not client.has_extn("expn")
        assert client.docmd("EXPN staff")[0] == 502
        assert client.docmd("VRFY nobody")[0] == 252
