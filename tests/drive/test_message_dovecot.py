"""ENVELOPE, BODY and BODYSTRUCTURE of real messages beside those of Dovecot: both get the same messages by
APPEND and are asked the same."""
import pathlib
import re

from dovecot_imap import Dovecot
from postroad import ROOT
from test_message import corpus

# Where the two rightly differ, and why.
EXPECTED = {
    "msg_14.txt": "a Content-Type that cannot be read is text/plain (RFC 2045 5.2); Dovecot tells an empty one",
    "msg_18.txt": "an empty body has no line; Dovecot's mbox keeps one",
    "msg_35.txt": "the same",
    "msg_29.txt": "continued values of RFC 2231 are told decoded, in UTF-8; Dovecot puts the pieces together as they are",
    "msg_32.txt": "the same",
    "msg_33.txt": "the same; and a boundary in pieces is found",
}
NAMES = re.compile(rb"[^ ()\r\n]+")
LITERAL = re.compile(rb"\{(\d+)\}\r\n")


def parse(data):
    """The lists, strings and atoms of an answer."""
    out, i = [[]], 0
    while i < len(data):
        c = data[i:i + 1]
        i += 1
        if c == b"(":
            out.append([])
        elif c == b")":
            inner = out.pop()
            out[-1].append(inner)
        elif c == b'"':
            value = re.compile(rb'(?:[^"\\]|\\.)*').match(data, i)[0]
            out[-1].append(re.sub(rb"\\(.)", rb"\1", value))
            i += len(value) + 1
        elif c == b"{":
            match = LITERAL.match(data, i - 1)
            i = match.end() + int(match[1])
            out[-1].append(data[match.end():i])
        elif c not in b" \r\n":
            word = NAMES.match(data, i - 1)[0]
            out[-1].append(None if word == b"NIL" else word)
            i += len(word) - 1
    return out[0]


def plain(x):
    """Without what two servers may say in their own way: case, blanks, a charset that is the default, what
    stands for an address that is none (RFC 9051 7.5.2 has no word for that)."""
    if isinstance(x, bytes):
        x = re.sub(rb"\s+", b" ", x).lower()
        return b"" if x in (b"missing_mailbox", b"missing_domain") else x
    if isinstance(x, list):
        x = [plain(one) for one in x]
        return (x[:-2] if x[-2:] == [b"charset", b"us-ascii"] else x) or None
    return x


def told(client, seq, item):
    data = b""
    for part in client.fetch(str(seq), f"({item})")[1]:
        data += part[0] + b"\r\n" + part[1] if isinstance(part, tuple) else part
    answer = parse(data)[-1]
    return plain(answer[answer.index(item.encode()) + 1])


def test_structures_as_dovecot_tells_them(postroad):
    server = postroad(format="mbox", verbose=False)
    server.mail.chmod(0o777)
    (server.mail / "tom").touch()
    ours, theirs = server.imap(30), Dovecot(server.dir / "dovecot", server.mail / "tom").imap()
    ours.login("tom", "tom-pw")
    files = corpus() + sorted(pathlib.Path(ROOT / "fixtures/messages").glob("*.eml"))
    assert len(files) > 50
    for client in (ours, theirs):
        assert client.create("corpus")[0] == "OK"
        for file in files:
            text = file.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            assert client.append("corpus", None, None, text)[0] == "OK", file
        assert client.select("corpus")[1] == [b"%d" % len(files)]
    different = {}
    for seq, file in enumerate(files, 1):
        for item in ("ENVELOPE", "BODY", "BODYSTRUCTURE"):
            mine, other = told(ours, seq, item), told(theirs, seq, item)
            if mine != other:
                different.setdefault(file.name, []).append((item, mine, other))
    assert {name: what for name, what in different.items() if name not in EXPECTED} == {}
    assert set(different) == set(EXPECTED)
    ours.logout()
    theirs.logout()
