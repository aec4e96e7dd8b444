"""A small mail server that can be made to break one rule: known_bad.py FAULT STATE [ADDRESS SMTP SUBMISSION POP3].

The scenarios are tried on it (test_known_bad.py): with the fault "none" they pass, with any other one
of them says so. Without ADDRESS and ports it is in a lab: 192.0.2.1, 25, 587, 110, mail to others by MX."""
import os
import queue
import random
import re
import socket
import struct
import sys
import threading
import time

# Each with the scenarios that must find it.
FAULTS = {
    "keeps-dot": "smtp/dot-transparency", "bare-lf-ends-data": "attack/smuggling#lf-dot-lf",
    "forgets-dele": "pop3/basics", "open-relay": "smtp/relay-refused#plain", "any-user": "smtp/unknown-user",
    "any-order": "smtp/sequence", "highest-preference": "mx/lowest-preference",
    "no-second-exchanger": "mx/fallback#greets-421", "goes-on-after-5xx": "mx/permanent-refusal",
    "ignores-5xx": "mx/permanent-refusal", "gives-up-at-4xx": "mx/retry", "no-implicit-mx": "mx/implicit",
    "any-password": "pop3/login", "wrong-size": "pop3/basics", "drops-last-line": "smtp/dot-transparency",
    "stays-open": "smtp/greeting", "delivers-twice": "pop3/basics", "loses-mail": "smtp/dot-transparency",
    "no-received": "smtp/received-for", "rset-keeps": "smtp/rset", "bounces-to-from": "relay/null-sender",
    "no-bounce": "relay/bounce#at-rcpt", "relay-no-stuffing": "relay/clean-output#dots.eml",
    "second-session": "pop3/locked-out", "loops": "relay/loop", "long-lines-cut": "smtp/long-lines#body"}
USERS = {"jerry", "tom", "ann", "bob"}
DOMAINS = {"magedu.test", "second.test"}
HOST = "mx.magedu.test"


class Server:
    def __init__(self, fault, state):
        self.fault, self.state = fault, state
        self.outgoing = queue.Queue()

    def folder(self, user):
        path = os.path.join(self.state, "mail", user)
        for part in ("tmp", "new", "cur"):
            os.makedirs(os.path.join(path, part), exist_ok=True)
        return path

    def deliver(self, user, message):
        if self.fault == "loses-mail":
            return
        for _ in range(2 if self.fault == "delivers-twice" else 1):
            folder, name = self.folder(user), f"{time.time_ns()}.{random.getrandbits(32)}.{HOST}"
            content = message.replace(b"\r\n", b"\n")
            if self.fault == "long-lines-cut":
                content = re.sub(rb"(?m)^(.{512}).*", rb"\1", content)
            if self.fault == "drops-last-line":
                content = content[:content.rstrip(b"\n").rfind(b"\n") + 1]
            with open(os.path.join(folder, "tmp", name), "wb") as f:
                f.write(content)
            os.rename(os.path.join(folder, "tmp", name), os.path.join(folder, "new", name))

    # ---- SMTP, receiving ----------------------------------------------------------------------

    def may(self, path, trusted):
        """The reply to a recipient, and who it is here."""
        local, at, domain = path.rpartition("@")
        if at and domain.lower() in DOMAINS:
            local = local.strip('"')
            if re.search(r"[@%!:]", local):
                return "550 5.7.1 no relaying", None
            if local.lower() in USERS or self.fault == "any-user":
                return "250 2.1.5 ok", local.lower()
            return "550 5.1.1 no such user", None
        if trusted or self.fault == "open-relay":
            return "250 2.1.5 ok", None
        return "550 5.7.1 no relaying", None

    def content(self, f):
        """Up to CRLF.CRLF; None when the other side goes away."""
        out, begins = b"", True
        while True:
            line = f.readline()
            if not line:
                return None
            whole = line.endswith(b"\r\n")
            if begins and line == b".\r\n" or self.fault == "bare-lf-ends-data" and line == b".\n":
                return out
            if begins and line.startswith(b".") and self.fault != "keeps-dot":
                line = line[1:]
            out += line
            begins = whole

    def smtp(self, s, peer):
        f = s.makefile("rb")
        trusted = peer.startswith("203.0.113.")
        sender, to = None, []

        def say(line):
            s.sendall(line.encode() + b"\r\n")

        say(f"220 {HOST} ESMTP")
        for raw in f:
            verb, _, argument = raw.decode("latin-1").rstrip("\r\n").partition(" ")
            verb, path = verb.upper(), re.match(r"(?i)(?:FROM|TO):\s*<(.*)>", argument)
            if verb in ("EHLO", "HELO"):
                sender, to = None, []
                say(f"250-{HOST}\r\n250-PIPELINING\r\n250 SIZE 10000000" if verb == "EHLO" else f"250 {HOST}")
            elif verb == "MAIL" and path:
                sender, to = path[1], []
                say("250 2.1.0 ok")
            elif verb == "RCPT" and path and (sender is not None or self.fault == "any-order"):
                reply, user = self.may(path[1], trusted)
                if reply[0] == "2":
                    to.append((path[1], user))
                say(reply)
            elif verb == "DATA" and (to or self.fault == "any-order"):
                say("354 go ahead")
                content = self.content(f)
                if content is None:
                    return
                if content.count(b"Received:") > 100 and self.fault != "loops":
                    say("554 5.4.6 going in a circle")
                    sender, to = None, []
                    continue
                stamp = f"Received: from [{peer}] by {HOST}; Tue, 24 Nov 2026 10:00:00 +0000\r\n".encode()
                if self.fault == "no-received":
                    stamp = b""
                for address, user in to:
                    if user is None:
                        self.outgoing.put((sender, address, stamp + content, 0))
                    else:
                        self.deliver(user, b"Return-Path: <%s>\r\n" % sender.encode() + stamp + content)
                sender, to = None, []
                say("250 2.0.0 taken")
            elif verb in ("NOOP", "RSET"):
                say("250 2.0.0 ok")
                sender, to = (None, []) if verb == "RSET" and self.fault != "rset-keeps" else (sender, to)
            elif verb == "QUIT":
                say("221 2.0.0 bye")
                if self.fault != "stays-open":
                    return
            elif verb in ("RCPT", "DATA"):
                say("503 5.5.1 not now")
            else:
                say("500 5.5.2 what?")

    # ---- POP3 ---------------------------------------------------------------------------------

    def pop3(self, s, _peer):
        f = s.makefile("rb")
        user, mails, deleted = None, None, set()

        def say(line):
            s.sendall(line.encode("latin-1") + b"\r\n")

        say("+OK ready")
        for raw in f:
            verb, _, argument = raw.decode("latin-1").rstrip("\r\n").partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                for n in deleted:
                    if os.path.exists(mails[n][0]):
                        os.unlink(mails[n][0])
                say("+OK bye")
                return
            if mails is None:
                if verb == "USER":
                    user = argument
                    say("+OK")
                elif verb == "PASS" and user in USERS and (argument == user + "-pw" or self.fault == "any-password"):
                    folder = os.path.join(self.folder(user), "new")
                    mails = {}
                    for n, name in enumerate(sorted(os.listdir(folder)), 1):
                        with open(os.path.join(folder, name), "rb") as g:
                            mails[n] = os.path.join(folder, name), g.read().replace(b"\n", b"\r\n")
                    say("+OK")
                else:
                    say("-ERR")
                continue
            here = {n: m for n, m in mails.items() if n not in deleted}
            n = int(argument.split()[0]) if argument[:1].isdigit() else 0
            size = (lambda m: len(m[1]) + (self.fault == "wrong-size"))
            if verb == "STAT":
                say(f"+OK {len(here)} {sum(len(m[1]) for m in here.values())}")
            elif verb == "LIST" and not argument:
                say("\r\n".join(["+OK"] + [f"{k} {size(m)}" for k, m in here.items()] + ["."]))
            elif verb in ("LIST", "RETR", "DELE") and n not in here:
                say("-ERR no such message")
            elif verb == "LIST":
                say(f"+OK {n} {size(here[n])}")
            elif verb == "RETR":
                if self.fault == "second-session" and not os.path.exists(here[n][0]):
                    say("-ERR it is gone")
                    continue
                lines = here[n][1].decode("latin-1").split("\r\n")[:-1]
                say("\r\n".join(["+OK"] + ["." + x if x.startswith(".") else x for x in lines] + ["."]))
            elif verb == "DELE":
                if self.fault != "forgets-dele":
                    deleted.add(n)
                say("+OK")
            elif verb in ("NOOP", "RSET"):
                deleted -= deleted if verb == "RSET" else set()
                say("+OK")
            else:
                say("-ERR")

    # ---- sending on ---------------------------------------------------------------------------

    def relay(self):
        while True:
            sender, address, message, tries = self.outgoing.get()
            result = self.attempt(sender, address, message)
            if result == "later" and tries < 20 and self.fault != "gives-up-at-4xx":
                threading.Timer(0.4, self.outgoing.put, [(sender, address, message, tries + 1)]).start()
            elif result == "never" and self.fault != "no-bounce":
                user = sender.partition("@")[0]
                if not sender and self.fault == "bounces-to-from":
                    user = re.search(rb"(?m)^From:.*<(.*)@", message)[1].decode()
                if user in USERS:
                    self.deliver(user, b"Return-Path: <>\r\nSubject: returned\r\n\r\nNo: %s\r\n" % address.encode())

    def attempt(self, sender, address, message):
        domain = address.rpartition("@")[2]
        names = sorted(look_up(domain, 15), reverse=self.fault == "highest-preference")
        if not names and self.fault != "no-implicit-mx":
            names = [(0, domain)]
        result = "later" if names else "never"
        for _, name in names:
            for host in look_up(name, 1):
                try:
                    result = self.talk(host, sender, address, message)
                except OSError:
                    result = "later"
                if result in ("done", "never") or self.fault == "no-second-exchanger":
                    return result
        return result

    def talk(self, host, sender, address, message):
        with socket.create_connection((host, 25), timeout=2, source_address=("192.0.2.1", 0)) as s:
            f = s.makefile("rb")
            stuffed = (message if self.fault == "relay-no-stuffing" else re.sub(rb"(?m)^\.", b"..", message)) + b".\r\n"
            lines = [b"", b"EHLO " + HOST.encode(), b"MAIL FROM:<%s>" % sender.encode(),
                     b"RCPT TO:<%s>" % address.encode(), b"DATA", stuffed]
            for line in lines:
                if line:
                    s.sendall(line if line is stuffed else line + b"\r\n")
                code = self.reply(f)
                if code[:1] == b"4":
                    return "later"
                if code[:1] == b"5":
                    if self.fault == "goes-on-after-5xx":
                        return "later"
                    return "done" if self.fault == "ignores-5xx" else "never"
            s.sendall(b"QUIT\r\n")
            self.reply(f)
            return "done"

    @staticmethod
    def reply(f):
        while True:
            line = f.readline()
            if not line:
                raise ConnectionError
            if line[3:4] != b"-":
                return line

    def serve(self, address, port, session):
        listening = socket.create_server((address, port))
        while True:
            s, peer = listening.accept()
            threading.Thread(target=self.session, args=(s, peer[0], session), daemon=True).start()

    @staticmethod
    def session(s, peer, run):
        try:
            with s:
                run(s, peer)
        except OSError:
            pass


def look_up(name, kind):
    """MX: (preference, name); A: addresses."""
    with open("/etc/resolv.conf") as f:
        at = re.search(r"nameserver\s+(\S+)", f.read())[1]
    question = b"".join(bytes([len(p)]) + p.encode() for p in name.rstrip(".").split(".")) + b"\0"
    question += struct.pack(">HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.sendto(struct.pack(">HHHHHH", random.getrandbits(16), 0x100, 1, 0, 0, 0) + question, (at, 53))
        try:
            answer = s.recv(4096)
        except OSError:
            return []
    found, offset = [], 12 + len(question)
    for _ in range(struct.unpack(">H", answer[6:8])[0]):
        _, offset = name_at(answer, offset)
        rtype, _, _, size = struct.unpack(">HHIH", answer[offset:offset + 10])
        offset += 10
        if rtype == kind == 1:
            found.append(socket.inet_ntoa(answer[offset:offset + 4]))
        if rtype == kind == 15:
            found.append((struct.unpack(">H", answer[offset:offset + 2])[0], name_at(answer, offset + 2)[0]))
        offset += size
    return found


def name_at(packet, offset):
    labels, end = [], None
    while packet[offset]:
        if packet[offset] >= 192:
            end = end or offset + 2
            offset = struct.unpack(">H", packet[offset:offset + 2])[0] & 0x3fff
            continue
        labels.append(packet[offset + 1:offset + 1 + packet[offset]].decode())
        offset += 1 + packet[offset]
    return ".".join(labels), end or offset + 1


def main():
    server = Server(sys.argv[1], sys.argv[2])
    for user in USERS:
        server.folder(user)
    threading.Thread(target=server.relay, daemon=True).start()
    address, smtp, submission, pop3 = sys.argv[3:] or ["192.0.2.1", 25, 587, 110]
    for port in (smtp, submission):
        threading.Thread(target=server.serve, args=(address, int(port), server.smtp), daemon=True).start()
    server.serve(address, int(pop3), server.pop3)


if __name__ == "__main__":
    main()
