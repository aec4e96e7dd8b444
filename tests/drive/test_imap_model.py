"""Random legal operations of several clients on one mailbox, and a model of what must be true of every
answer, number and UID (RFC 9051 2.3.1, 7.5.1, RFC 2180). IMAP_SEED and IMAP_STEPS choose others."""
import os
import random
import re
import threading

import pytest

from imap_client import Imap, fetched
from store_mail import deliver

FLAGS = [rb"\Seen", rb"\Flagged", rb"\Answered", rb"\Draft", b"$Label1", b"work"]
SEED = int(os.environ.get("IMAP_SEED", random.randrange(10**6)))
STEPS = int(os.environ.get("IMAP_STEPS", 600))


class World:
    """What is in the mailbox, as far as the answers of the server told."""

    def __init__(self):
        self.messages = {}       # uid: set of flags, in the order of the UIDs
        self.texts = {}          # uid: text, also of those that are gone
        self.largest = 0

    def add(self, uid, flags, text):
        assert uid > self.largest, "a UID is never used twice and only grows"
        self.largest = uid
        self.messages[uid] = set(flags)
        self.texts[uid] = text


class Client:
    """A session with INBOX selected and what its server has told it."""

    def __init__(self, server, world, random_, qresync):
        self.server, self.world, self.random, self.qresync = server, world, random_, qresync
        self.imap = Imap(server.imap_port, "tom")
        if qresync:
            self.imap.ok("ENABLE QRESYNC")
        self.select()

    def select(self):
        self.view = []           # UIDs by sequence number; None: not asked for yet
        self.flags = {}          # uid: flags as last told
        self.take(self.imap.ok("SELECT INBOX"), True)
        self.learn()
        self.check_all()

    # ---- answers -----------------------------------------------------------------------------------

    def take(self, untagged, numbers_may_change):
        """Untagged answers in their order change the picture."""
        for line in untagged:
            if m := re.match(rb"\* (\d+) EXISTS", line):
                assert int(m[1]) >= len(self.view), (line, len(self.view))
                self.view += [None] * (int(m[1]) - len(self.view))
            elif m := re.match(rb"\* (\d+) EXPUNGE", line):
                assert numbers_may_change and not self.qresync, line
                self.gone(int(m[1]) - 1)
            elif m := re.match(rb"\* VANISHED ([\d:,]+)", line):
                assert numbers_may_change and self.qresync, line
                for part in m[1].split(b","):
                    first, _, last = part.partition(b":")
                    for uid in range(int(first), int(last or first) + 1):
                        if uid in self.view:
                            self.gone(self.view.index(uid))
            elif m := re.match(rb"\* (\d+) FETCH ", line):
                assert 1 <= int(m[1]) <= len(self.view), line
                for n, items in fetched([line]).items():
                    self.told(n, items)
            else:
                assert not line.startswith(b"* BYE"), line

    def gone(self, index):
        uid = self.view.pop(index)
        assert uid is None or uid not in self.world.messages, f"{uid} is still there"
        self.flags.pop(uid, None)

    def told(self, n, items):
        if b"UID" in items:
            uid = int(items[b"UID"])
            assert self.view[n - 1] in (None, uid), f"message {n} was {self.view[n - 1]}, is {uid}"
            self.view[n - 1] = uid
        if b"FLAGS" in items and self.view[n - 1]:
            self.flags[self.view[n - 1]] = {f for f in items[b"FLAGS"] if f != rb"\Recent"}

    def learn(self):
        """UID and flags of what is new to the client."""
        if None in self.view:
            first = self.view.index(None) + 1
            self.take(self.imap.ok(f"FETCH {first}:* (UID FLAGS)"), False)
        known = [uid for uid in self.view if uid]
        assert known == sorted(set(known)), known

    def check_all(self):
        """After NOOP the client knows all that is."""
        assert self.view == list(self.world.messages), (self.view, list(self.world.messages))
        for uid, flags in self.world.messages.items():
            assert self.flags[uid] == flags, (uid, self.flags[uid], flags)

    # ---- operations --------------------------------------------------------------------------------

    def some(self):
        """Some messages of the client's picture: the text of the set, the UIDs, and "UID " or nothing."""
        count = len(self.view)
        first = self.random.randint(1, count)
        last = min(count, first + self.random.choice([0, 0, 1, 3, count]))
        uids = self.view[first - 1:last]
        if self.random.random() < 0.5:
            return f"{first}:{last}", uids, ""
        return ",".join(map(str, uids)), uids, "UID "

    def noop(self):
        self.take(self.imap.ok(self.random.choice(["NOOP", "CHECK"])), True)
        self.learn()
        self.check_all()

    def append(self):
        text = b"Subject: %d\r\n\r\n%s\r\n" % (self.random.randrange(10**9), b"x" * self.random.randrange(300))
        flags = self.random.sample(FLAGS, self.random.randint(0, 3))
        untagged = self.imap.ok(b"APPEND INBOX (%s) {}" % b" ".join(flags), text)
        uid = int(re.match(r"\[APPENDUID \d+ (\d+)\]", self.imap.text)[1])
        self.world.add(uid, flags, text)
        self.take(untagged, True)
        self.learn()

    def store(self):
        which, uids, uid = self.some()
        how = self.random.choice(["+", "-", ""])
        flags = self.random.sample(FLAGS + [rb"\Deleted"] * 3, self.random.randint(1, 2))
        silent = self.random.choice(["", ".SILENT"])
        status, text, untagged = self.imap.command(
            f"{uid}STORE {which} {how}FLAGS{silent} ({b' '.join(flags).decode()})")
        there = [u for u in uids if u in self.world.messages]
        assert status == "OK" or len(there) < len(uids), text
        for u in there:
            old = self.world.messages[u]
            new = old | set(flags) if how == "+" else old - set(flags) if how == "-" else set(flags)
            self.world.messages[u] = new
        self.take(untagged, False)
        if silent:
            # the client knows what it did to what it knew
            for u in there:
                old = self.flags[u]
                self.flags[u] = (old | set(flags) if how == "+" else old - set(flags) if how == "-"
                                 else set(flags))
        self.learn()

    def expunge(self):
        doomed = [u for u, f in self.world.messages.items() if rb"\Deleted" in f and u in self.view]
        if self.random.random() < 0.5 and self.view:
            which, uids, _ = self.some()
            doomed = [u for u in doomed if u in uids]
            command = "UID EXPUNGE " + ",".join(map(str, uids))
        else:
            command = "EXPUNGE"
        for u in doomed:
            del self.world.messages[u]
        self.take(self.imap.ok(command), True)
        assert not set(doomed) & set(self.view)
        self.learn()

    def fetch(self):
        which, uids, uid = self.some()
        status, text, untagged = self.imap.command(
            f"{uid}FETCH {which} (UID FLAGS RFC822.SIZE BODY.PEEK[])")
        self.take(untagged, False)
        got = {int(m[b"UID"]): m for m in fetched(untagged).values() if b"BODY[]" in m}
        for u in uids:
            if u in self.world.messages:
                assert got[u][b"BODY[]"] == self.world.texts[u]
                assert int(got[u][b"RFC822.SIZE"]) == len(self.world.texts[u])
        assert status == "OK" or any(u not in self.world.messages for u in uids), text
        self.learn()

    def see(self):
        which, uids, uid = self.some()
        untagged = self.imap.command(f"{uid}FETCH {which} (UID BODY[TEXT])")[2]
        for m in fetched(untagged).values():
            if b"BODY[TEXT]" in m and int(m[b"UID"]) in self.world.messages:
                self.world.messages[int(m[b"UID"])].add(rb"\Seen")
        self.take(untagged, False)
        self.learn()

    def copy(self):
        which, uids, uid = self.some()
        untagged = self.imap.ok(f"{uid}COPY {which} INBOX")
        there = [u for u in uids if u in self.world.messages]
        m = re.match(r"\[COPYUID \d+ ([\d:,]+) ([\d:,]+)\]", self.imap.text)
        assert bool(m) == bool(there), self.imap.text
        if m:
            source, target = numbers(m[1]), numbers(m[2])
            assert source == there and len(target) == len(source)
            for old, new in zip(source, target):
                self.world.add(new, self.world.messages[old], self.world.texts[old])
        self.take(untagged, True)
        self.learn()

    def move(self):
        which, uids, uid = self.some()
        there = [u for u in uids if u in self.world.messages]
        untagged = self.imap.ok(f"{uid}MOVE {which} Elsewhere")
        for u in there:
            del self.world.messages[u]
        self.take(untagged, True)
        assert not set(there) & set(self.view)
        self.learn()

    def status(self):
        line = self.imap.ok("STATUS INBOX (MESSAGES UIDNEXT UNSEEN)")
        items = dict(re.findall(rb"(MESSAGES|UIDNEXT|UNSEEN) (\d+)", b"".join(line)))
        assert int(items[b"MESSAGES"]) == len(self.world.messages)
        assert int(items[b"UIDNEXT"]) > self.world.largest
        unseen = sum(rb"\Seen" not in f for f in self.world.messages.values())
        assert int(items[b"UNSEEN"]) == unseen
        self.take([li for li in line if b"STATUS" not in li], True)
        self.learn()

    def idle(self):
        tag = self.imap.start("IDLE")
        said = []
        while not (line := self.imap.read_response()).startswith(b"+"):
            said.append(line)
        self.imap.send(b"DONE\r\n")
        self.take(said + self.imap.finish(tag)[2], True)
        self.learn()
        self.check_all()

    def search(self):
        """The same question by UID and by number; those that are gone may match or not (RFC 2180 4.3)."""
        flag, key = self.random.choice([(rb"\Seen", "SEEN"), (rb"\Flagged", "FLAGGED"),
                                        (rb"work", "KEYWORD work"), (rb"\Deleted", "DELETED")])
        untagged = self.imap.ok(f"UID SEARCH {key}")
        found = {int(n) for line in untagged if line.startswith(b"* SEARCH") for n in line.split()[2:]}
        expected = {u for u in self.view if flag in self.world.messages.get(u, ())}
        assert {u for u in found if u in self.world.messages} == expected
        assert found <= set(self.view)
        self.take([li for li in untagged if not li.startswith(b"* SEARCH")], True)
        self.learn()

    def again(self):
        self.imap.ok("UNSELECT")
        self.select()

    def step(self):
        needs = [self.store, self.store, self.store, self.expunge, self.fetch, self.see, self.copy,
                 self.move, self.search]
        always = [self.noop, self.append, self.append, self.append, self.status, self.idle, self.again]
        self.random.choice(always + (needs if self.view else []))()


def numbers(text):
    result = []
    for part in text.split(","):
        first, _, last = part.partition(":")
        result += range(int(first), int(last or first) + 1)
    return result


@pytest.mark.parametrize("format", ["maildir", "mbox"])
def test_every_answer_is_true(postroad, format):
    chance = random.Random(SEED)
    print(f"IMAP_SEED={SEED}")
    server = postroad(format=format, verbose=False)
    Imap(server.imap_port, "tom").ok("CREATE Elsewhere")
    world = World()
    clients = [Client(server, world, chance, qresync) for qresync in (False, False, True, False)]
    for _ in range(STEPS):
        chance.choice(clients).step()
    for client in clients:
        client.noop()
        client.imap.close()
    # and nothing was true in memory only
    server.stop()
    server.start()
    last = Client(server, world, chance, False)
    for uid in world.messages:
        assert last.imap.fetch(f"UID FETCH {uid} BODY.PEEK[]")[last.view.index(uid) + 1][b"BODY[]"] == \
            world.texts[uid]
    last.imap.close()


def test_at_the_same_time(postroad):
    """Threads at once: no model can say what comes, but numbers, UIDs and texts must agree."""
    server = postroad(format="maildir", verbose=False)
    errors, counts = [], []

    def work(number):
        try:
            chance = random.Random(SEED + number)
            client = Imap(server.imap_port, "tom")
            client.ok("SELECT INBOX")
            added = 0
            for step in range(40):
                what = chance.randrange(6)
                if what < 2:
                    client.ok("APPEND INBOX {}", b"Subject: %d.%d\r\n\r\n" % (number, step))
                    added += 1
                elif what == 2:
                    uids = [int(m[b"UID"]) for m in client.fetch("UID FETCH 1:* FLAGS").values()]
                    assert uids == sorted(set(uids))
                elif what == 3:
                    client.command(r"STORE 1:* +FLAGS (\Flagged)")
                elif what == 4:
                    client.ok("NOOP")
                else:
                    client.command("FETCH 1:* (UID ENVELOPE BODY.PEEK[])")
            counts.append(added)
            client.close()
        except Exception as error:
            errors.append(repr(error))
    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors, errors
    deliver(server, b"Subject: last\r\n\r\n")
    client = Imap(server.imap_port, "tom")
    client.ok("SELECT INBOX")
    subjects = [m[b"ENVELOPE"][1] for m in client.fetch("FETCH 1:* ENVELOPE").values()]
    assert len(subjects) == len(set(subjects)) == sum(counts) + 1
    client.close()
