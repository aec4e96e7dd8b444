"""SEARCH, SORT and THREAD beside a model: random mailboxes, random programs, and Python's own reading of
the messages."""
import base64
import email.message
import email.policy
import email.utils
import quopri
import random
import re
import time
import unicodedata

import pytest

from imap_client import Imap

WORDS = ["apple", "B\u00e4ume", "plum", "K\u00c4SE", "list", "re", "Fwd", "caf\u00e9", "x" * 70, "end"]
PEOPLE = [("Anna", "anna@x.test"), ("J\u00f6rg B", "joerg@y.test"), ("", "tom@hehuan.test")]
FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "\\Deleted", "$Work", "Label1"]
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DAY = 86400
BASE = 1600000000


def imap_date(seconds):
    t = time.gmtime(seconds)
    return f"{t.tm_mday}-{MONTHS[t.tm_mon - 1]}-{t.tm_year}"


def fold(text):
    return unicodedata.normalize("NFKD", text.upper())


class Message:
    def __init__(self, chance, number):
        self.flags = {f for f in FLAGS if chance.random() < 0.3}
        self.arrived = BASE + chance.randrange(20) * DAY + chance.randrange(DAY)
        self.sent = BASE + chance.randrange(20) * DAY + chance.randrange(DAY)
        self.body = " ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 30)))
        self.subject = " ".join(chance.choice(WORDS[:8]) for _ in range(chance.randrange(1, 4)))
        self.sender, self.to = chance.choice(PEOPLE), chance.choice(PEOPLE)
        m = email.message.EmailMessage(policy=email.policy.SMTP)
        m["From"] = email.utils.formataddr(self.sender)
        m["To"] = email.utils.formataddr(self.to)
        m["Subject"] = self.subject
        m["Date"] = email.utils.formatdate(self.sent)
        m["Message-ID"] = f"<{number}@x.test>"
        m["X-Number"] = f"number {number}"
        m.set_content(self.body, cte=chance.choice(["base64", "quoted-printable", "8bit"]),
                      charset=chance.choice(["utf-8", "iso-8859-1"]))
        if chance.random() < 0.3:
            m.add_attachment(b"apple plum", "application", "octet-stream", filename="a.bin")
        self.octets = m.as_bytes()
        self.size = len(self.octets)


class Programs:
    """Makes (text, function of a message and its number) pairs."""

    def __init__(self, chance, count):
        self.chance, self.count = chance, count

    def string(self, text):
        octets = text.encode()
        return b"{%d+}\r\n%s" % (len(octets), octets)

    def leaf(self):
        c = self.chance
        kind = c.randrange(11)
        if kind == 0:
            flag, no = c.choice(FLAGS), c.random() < 0.5
            key = ("UN" if no else "") + flag[1:].upper() if flag[0] == "\\" else \
                ("UN" if no else "") + "KEYWORD " + flag
            return key.encode(), lambda m, n: (flag in m.flags) != no
        if kind in (1, 2):
            day = BASE // DAY + c.randrange(22)
            name, test = c.choice([("BEFORE", lambda d: d < day), ("ON", lambda d: d == day),
                                   ("SINCE", lambda d: d >= day)])
            if kind == 1:
                return f"{name} {imap_date(day * DAY)}".encode(), lambda m, n: test(m.arrived // DAY)
            return f"SENT{name} {imap_date(day * DAY)}".encode(), lambda m, n: test(m.sent // DAY)
        if kind == 3:
            size = c.randrange(300, 2000)
            return (f"LARGER {size}".encode(), lambda m, n: m.size > size) if c.random() < 0.5 else \
                (f"SMALLER {size}".encode(), lambda m, n: m.size < size)
        if kind == 4:
            a, b = c.randrange(1, self.count + 1), c.randrange(1, self.count + 1)
            return f"{a}:{b}".encode(), lambda m, n: min(a, b) <= n <= max(a, b)
        if kind == 5:
            a = c.randrange(1, self.count + 1)
            return f"UID {a},1:2,*".encode(), lambda m, n: n in (a, 1, 2, self.count)
        if kind == 6:
            a = c.randrange(1, self.count + 1)
            return b"HEADER x-number " + self.string(f"R {a}"), lambda m, n: str(n).startswith(str(a))
        word = c.choice(WORDS)[:c.randrange(1, 6)]
        word = word.lower() if c.random() < 0.5 else word.upper()
        folded = fold(word)
        if kind == 7:
            return b"SUBJECT " + self.string(word), lambda m, n: folded in fold(m.subject)
        if kind == 8:
            return b"FROM " + self.string(word), \
                lambda m, n: folded in fold(m.sender[0]) or folded in fold(m.sender[1])
        if kind == 9:
            return b"TO " + self.string(word), \
                lambda m, n: folded in fold(m.to[0]) or folded in fold(m.to[1])
        return b"BODY " + self.string(word), lambda m, n: folded in fold(m.body)

    def make(self, depth=0):
        c = self.chance
        kind = c.randrange(8) if depth < 4 else 7
        if kind == 0:
            a, x = self.make(depth + 1)
            return b"NOT " + a, lambda m, n: not x(m, n)
        if kind == 1:
            (a, x), (b, y) = self.make(depth + 1), self.make(depth + 1)
            return b"OR " + a + b" " + b, lambda m, n: x(m, n) or y(m, n)
        if kind == 2:
            (a, x), (b, y) = self.make(depth + 1), self.make(depth + 1)
            return b"(" + a + b" " + b + b")", lambda m, n: x(m, n) and y(m, n)
        return self.leaf()


@pytest.fixture
def mailbox(postroad):
    chance = random.Random(7)
    server = postroad(format="maildir")
    client = Imap(server.imap_port, "tom")
    messages = [Message(chance, n + 1) for n in range(60)]
    for m in messages:
        date = email.utils.formatdate(m.arrived)[5:].split()
        when = f"{date[0]}-{date[1]}-{date[2]} {date[3]} +0000"
        client.send(b'a APPEND INBOX (%s) "%s" {%d+}\r\n%s\r\n' %
                    (" ".join(m.flags).encode(), when.encode(), len(m.octets), m.octets))
        while not client.read_response().startswith(b"a OK"):
            pass
    client.ok("SELECT INBOX")
    yield chance, client, messages
    client.close()


def ask(client, command, word):
    client.send(b"q " + command + b"\r\n")
    found = None
    while True:
        line = client.read_response()
        if line.startswith(b"* " + word):
            found = [int(n) for n in line.split()[2:]]
        if line.startswith(b"q "):
            assert line.startswith(b"q OK"), (command, line)
            return found


def test_random_programs(mailbox):
    chance, client, messages = mailbox
    programs = Programs(chance, len(messages))
    hits = 0
    for _ in range(250):
        text, test = programs.make()
        want = [n + 1 for n, m in enumerate(messages) if test(m, n + 1)]
        got = ask(client, b"SEARCH CHARSET UTF-8 " + text, b"SEARCH")
        assert got == want, text
        hits += len(want)
    assert 1000 < hits < 250 * 59        # the programs do tell messages apart


BASE_SUBJECT = re.compile(r"^(?:re|fwd)\s*:\s*", re.I)


def sort_value(key, m):
    return {"ARRIVAL": m.arrived, "DATE": m.sent, "SIZE": m.size,
            "FROM": fold(m.sender[1].split("@")[0]).encode(),
            "TO": fold(m.to[1].split("@")[0]).encode(),
            "SUBJECT": fold(m.subject).encode(),
            "DISPLAYFROM": fold(m.sender[0] or m.sender[1]).encode()}[key]


def test_random_sorts(mailbox):
    chance, client, messages = mailbox
    keys = ["ARRIVAL", "DATE", "SIZE", "FROM", "TO", "SUBJECT", "DISPLAYFROM"]
    for _ in range(60):
        chosen = [(chance.choice(keys), chance.random() < 0.4) for _ in range(chance.randrange(1, 4))]
        order = list(range(1, len(messages) + 1))
        for key, reverse in reversed(chosen):
            # stable, also backwards
            order.sort(key=lambda n: sort_value(key, messages[n - 1]), reverse=reverse)
        text = " ".join(("REVERSE " if r else "") + k for k, r in chosen)
        assert ask(client, f"SORT ({text}) UTF-8 ALL".encode(), b"SORT") == order, text


def test_threads_hold_every_message(mailbox):
    chance, client, messages = mailbox
    for algorithm in ("REFERENCES", "ORDEREDSUBJECT"):
        client.send(f"q THREAD {algorithm} UTF-8 ALL\r\n".encode())
        line = client.read_response()
        while not client.read_response().startswith(b"q OK"):
            pass
        numbers = [int(n) for n in re.findall(rb"\d+", line)]
        assert sorted(numbers) == list(range(1, len(messages) + 1))


@pytest.mark.parametrize("encoding", ["8bit", "base64", "quoted-printable"])
def test_large_message(postroad, encoding):
    """Read in portions: a text that two of them share, and one at the very end, are found; what only
    seems to be there is not, nor what lies in another part."""
    server = postroad(format="maildir", verbose=False)
    client = Imap(server.imap_port, "tom")
    filler = "\r\n".join(["f\u00fcller line that says nothing at all, over and over"] * 24)
    pieces = [f"N{n:05}\u00c4dle {filler}" for n in range(1600)]
    octets = ("\r\n".join(pieces) + "\r\nlast words").encode()
    assert len(octets) > 1500000
    if encoding == "base64":
        octets = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    text = (b"Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: " +
            encoding.encode() + b"\r\n\r\n" + octets + b"\r\n--b\r\n"
            b"Content-Type: application/pdf\r\n\r\nhidden\r\n--b--\r\n")
    client.send(b"a APPEND INBOX {%d+}\r\n%s\r\n" % (len(text), text))
    while not client.read_response().startswith(b"a OK"):
        pass
    client.ok("SELECT INBOX")
    keys = b" BODY {10+}\r\nlast words"
    for n in range(0, 1600, 27):
        word = f"n{n:05}\u00e4DLE".encode()
        keys += b" BODY {%d+}\r\n%s" % (len(word), word)
    assert ask(client, b"SEARCH" + keys, b"SEARCH") == [1]
    for word in (b"overx", b"hidden"):
        assert ask(client, b"SEARCH BODY " + word, b"SEARCH") == []
    client.close()
