"""The message parser beside Python's email package, over the messages that Debian packages ship (Python's
own tests, spamassassin's samples), our fixtures, and messages made and broken at random."""
import base64
import email
import email.header
import email.policy
import email.utils
import json
import pathlib
import random
import subprocess

from postroad import BUILD

DUMP = BUILD / "bin" / "message-dump"
CORPORA = ["/usr/lib/python3*/test/test_email/data/*.txt",
           "/usr/share/doc/spamassassin/examples/sample-*.txt"]

# Where the two rightly differ, and why.
EXPECTED = {
    "msg_15.txt": "a multipart inside one with the same boundary is not empty: the innermost ends first",
    "msg_39.txt": "the same",
    "msg_19.txt": "a line without colon in a header is stepped over, and is not the first of the body",
    "msg_35.txt": "the same",
    "msg_38.txt": "the same",
    "msg_37.txt": "between two delimiters there is a part, though it is empty",
}


def dump(files):
    done = subprocess.run([DUMP, *map(str, files)], capture_output=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def corpus():
    top = pathlib.Path(__file__).resolve().parents[2]
    files = []
    for pattern in CORPORA:
        base = pathlib.Path("/") if pattern.startswith("/") else top
        files += sorted(p for p in base.glob(pattern.lstrip("/")) if p.is_file())
    return files


def header_text(value):
    """A value as text: the encoded words decoded. Blanks are left out: Python has its own opinion of
    those between a word that is encoded and one that is not."""
    pieces = []
    for text, charset in email.header.decode_header(str(value)):
        if isinstance(text, bytes):
            text = text.decode(charset if charset and charset != "unknown-8bit" else "latin-1", "replace")
        pieces.append(text)
    return "".join("".join(pieces).split())


def tree_of(part, inside_message=False):
    """As message-dump has it. Python looks into every message/*, we into message/rfc822 alone."""
    kind = part.get_content_type()
    children = part.get_payload() if part.is_multipart() else []
    if part.get_content_maintype() == "message" and kind not in ("message/rfc822", "message/global"):
        children = []
    return [kind, [tree_of(child) for child in children]]


def our_tree(part):
    return [part["type"].lower(), [our_tree(child) for child in part["parts"]]]


def leaves(part):
    if not part.is_multipart():
        return [part]
    if part.get_content_maintype() == "message" and part.get_content_type() != "message/rfc822":
        return [part]
    return [leaf for child in part.get_payload() for leaf in leaves(child)]


def our_leaves(part):
    if not part["parts"]:
        return [part]
    return [leaf for child in part["parts"] for leaf in our_leaves(child)]


def differences(file, ours, theirs):
    """What differs, as text."""
    if our_tree(ours["root"]) != tree_of(theirs):
        yield f"tree {our_tree(ours['root'])} / {tree_of(theirs)}"
        return
    for mine, other in zip(our_leaves(ours["root"]), leaves(theirs)):
        if other.is_multipart() or "body" not in mine:
            continue
        want = other.get_payload(decode=True)
        if other.get("content-transfer-encoding", "").strip().lower() not in ("base64", "quoted-printable"):
            want = other.get_payload().encode("utf-8", "surrogateescape") if isinstance(
                other.get_payload(), str) and not other.get_payload().isascii() else want
        got = base64.b64decode(mine["body"])
        if got.replace(b"\r\n", b"\n") != want.replace(b"\r\n", b"\n"):
            yield f"body {got[:80]} / {want[:80]}"
    if theirs["subject"] is not None:
        mine, other = "".join(ours["subject"].split()), header_text(theirs["subject"])
        if mine != other:
            yield f"subject {mine} / {other}"
    for name in ("from", "to", "cc"):
        want = email.utils.getaddresses(theirs.get_all(name, [])[:1])
        want = [[header_text(n), a] for n, a in want if a]
        mine = [["".join(n.split()), a.removesuffix("@")] for n, a in ours[name] if a != "@"]
        if mine != want:
            yield f"{name} {mine} / {want}"
    if theirs["date"]:
        want = email.utils.parsedate_tz(theirs["date"])
        want = email.utils.mktime_tz(want) if want else None
        if ours["date"] != want:
            yield f"date {theirs['date']}: {ours['date']} / {want}"


def compare(files):
    found = {}
    for file, ours in zip(files, dump(files)):
        theirs = email.message_from_bytes(file.read_bytes())
        different = list(differences(file, ours, theirs))
        if different:
            found[file.name] = different
    return found


def test_corpus():
    files = corpus()
    assert len(files) > 40, "libpython3.11-testsuite is not installed; run make deps"
    found = compare(files)
    assert {name: what for name, what in found.items() if name not in EXPECTED} == {}
    assert set(EXPECTED) <= set(found)


WORDS = ["mail", "Gr\u00fc\u00dfe", "\u65e5\u672c\u8a9e", "\u041f\u0440\u0438", "a=b", "-- ", "From x",
         "caf\u00e9", "\U0001f600"]


def random_text(chance, count):
    return " ".join(chance.choice(WORDS) for _ in range(count))


def random_part(chance, depth):
    """A part as Python makes it: text in a charset that fits, octets, a multipart, a message."""
    part = email.message.EmailMessage(policy=email.policy.SMTP)
    kind = chance.randrange(5 if depth < 4 else 2)
    if kind == 0:
        text = "\n".join(random_text(chance, chance.randrange(12)) for _ in range(chance.randrange(1, 9)))
        part.set_content(text, subtype=chance.choice(["plain", "html"]),
                         cte=chance.choice(["base64", "quoted-printable", "8bit"]))
    elif kind == 1:
        part.set_content(chance.randbytes(chance.randrange(3000)), "application", "octet-stream",
                         filename=random_text(chance, chance.randrange(1, 8)))
    elif kind == 2 and depth > 0:
        inner = random_message(chance, depth + 1)
        part.set_content(inner)
    else:
        part.add_header("Content-Type", "multipart/" + chance.choice(["mixed", "alternative"]))
        for _ in range(chance.randrange(1, 5)):
            part.attach(random_part(chance, depth + 1))
    return part


def random_message(chance, depth=0):
    message = random_part(chance, depth)
    message["Subject"] = random_text(chance, chance.randrange(1, 12))
    message["From"] = email.utils.formataddr((random_text(chance, 2).replace("\n", " "), "a@example.org"))
    message["To"] = ", ".join(f"u{i}@example.org" for i in range(chance.randrange(1, 9)))
    message["Date"] = email.utils.formatdate(chance.randrange(2**31), localtime=False)
    return message


def test_made(tmp_path):
    chance = random.Random(1)
    files = []
    for i in range(300):
        files.append(tmp_path / f"{i}.eml")
        files[-1].write_bytes(random_message(chance).as_bytes())
    assert compare(files) == {}
    # The comparison does find what is wrong.
    files[0].write_bytes(files[0].read_bytes() + b"more")
    ours = dump([files[0]])[0]
    theirs = email.message_from_bytes(b"Subject: other\n\nother")
    assert list(differences(files[0], ours, theirs))
