"""A small IMAP client for tests: says exactly what it is told to and gives answers as Python values.
Atoms and numbers are bytes, strings are Str (bytes too), lists are lists, NIL is None."""
import base64
import re
import socket


class Str(bytes):
    """A quoted string or a literal, as different from an atom."""


class No(Exception):
    """A tagged NO or BAD; args: status, text."""


TOKEN = re.compile(rb'\s*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|~?\{(\d+)\}\r\n|((?:[^\s()"\[]|\[[^\]]*\])+))')


def parse(data):
    """The values of one response, which may have literals in it."""
    stack, at = [[]], 0
    while at < len(data):
        m = TOKEN.match(data, at)
        if not m:
            assert not data[at:].strip(), data[at:]
            break
        at = m.end()
        if m.group(1):
            stack.append([])
        elif m.group(2):
            done = stack.pop()
            stack[-1].append(done)
        elif m.group(3) is not None:
            stack[-1].append(Str(re.sub(rb"\\(.)", rb"\1", m.group(3))))
        elif m.group(4):
            size = int(m.group(4))
            stack[-1].append(Str(data[at:at + size]))
            at += size
        else:
            stack[-1].append(None if m.group(5).upper() == b"NIL" else m.group(5))
    assert len(stack) == 1, data
    return stack[0]


class Imap:
    def __init__(self, port, user=None, timeout=20, tls=None, host="127.0.0.1"):
        self.sock = socket.create_connection((host, port), timeout)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname="mail.hehuan.test")
        self.file = self.sock.makefile("rb")
        self.count = 0
        self.greeting = self.read_response()
        if user:
            self.ok(f"LOGIN {user} {user}-pw")

    def close(self):
        self.file.close()
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def read_response(self):
        """One response with its literals, without its last CRLF."""
        whole = b""
        while True:
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise EOFError(whole + line)
            whole += line
            m = re.search(rb"\{(\d+)\}\r\n$", line)
            if not m or not whole.startswith(b"*"):
                return whole[:-2]
            whole += self.file.read(int(m.group(1)))

    def start(self, command, *literals):
        """Sends a command; literals take the places of {} in it and are sent without waiting."""
        self.count += 1
        tag = b"t%d" % self.count
        pieces = (command if isinstance(command, bytes) else command.encode()).split(b"{}")
        data = tag + b" " + pieces[0]
        for literal, piece in zip(literals, pieces[1:]):
            data += b"{%d+}\r\n%s" % (len(literal), literal) + piece
        self.send(data + b"\r\n")
        return tag

    def finish(self, tag):
        """(status, text, untagged responses as bytes)"""
        untagged = []
        while True:
            line = self.read_response()
            if line.startswith(tag + b" "):
                _, status, text = line.split(b" ", 2)
                return status.decode(), text.decode(errors="replace"), untagged
            untagged.append(line)

    def command(self, command, *literals):
        return self.finish(self.start(command, *literals))

    def ok(self, command, *literals):
        """The untagged responses; No when it was not OK."""
        status, text, untagged = self.command(command, *literals)
        if status != "OK":
            raise No(status, text)
        self.text = text
        return untagged

    def fetch(self, what):
        """{sequence number: {item: value}} of a FETCH, UID FETCH or STORE."""
        return fetched(self.ok(what))

    def starttls(self, context):
        self.ok("STARTTLS")
        self.sock = context.wrap_socket(self.sock, server_hostname="mail.hehuan.test")
        self.file = self.sock.makefile("rb")


def fetched(untagged):
    result = {}
    for line in untagged:
        m = re.match(rb"\* (\d+) FETCH ", line)
        if m:
            items = parse(line[m.end():])[0]
            result.setdefault(int(m.group(1)), {}).update(zip(map(bytes, items[::2]), items[1::2]))
    return result


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()
