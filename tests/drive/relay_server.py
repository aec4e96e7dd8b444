"""A mail server that does as it is told, for tests of what the relay sends and how it takes answers.

    server = MailServer("127.0.0.25", port, {"RCPT TO:<tom@": "450 4.2.0 later"}, keywords=["SIZE"])
    ... server.messages, server.commands, server.connections
    server.close()

`answers` maps the beginning of a command to a reply, to a list of replies (one a time, the last for
ever), or to None (close without a word). "CONNECT" stands for the greeting, "." for the end of the
message. A reply may have several lines; CRLF is added when it is missing.
"""
import socket
import threading


class Message:
    def __init__(self, sender, recipients, data):
        self.sender, self.recipients, self.data = sender, recipients, data


class MailServer:
    def __init__(self, address, port, answers=None, keywords=("PIPELINING", "8BITMIME", "SIZE")):
        self.address, self.port = address, port
        self.answers = dict(answers or {})
        self.keywords = keywords
        self.connections, self.commands, self.messages = 0, [], []
        self.peers, self.raw = [], b""
        self.lock = threading.Lock()
        self.open = []
        self.listener = None
        self.start()

    def start(self):
        """Listens (again)."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((self.address, self.port))
        self.listener.listen(64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self):
        """Nobody listens any more, and open connections end: the host refuses."""
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _accept(self, listener):
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.peers.append(peer[0])
                self.open.append(connection)
            threading.Thread(target=self._session, args=(connection,), daemon=True).start()

    def _answer(self, command, default):
        """The reply to a command; None: close."""
        with self.lock:
            for beginning, reply in self.answers.items():
                if command.upper().startswith(beginning.upper()):
                    if isinstance(reply, list):
                        reply = reply.pop(0) if len(reply) > 1 else reply[0]
                    return reply
        return default

    def _session(self, connection):
        try:
            self._talk(connection, connection.makefile("rb"))
        except OSError:
            pass
        finally:
            with self.lock:
                self.open.remove(connection)
            connection.close()

    def _send(self, connection, reply):
        if reply is None:
            return False
        connection.sendall(reply.encode() if reply.endswith("\n") else reply.encode() + b"\r\n")
        return True

    def _talk(self, connection, lines):
        sender, recipients = None, []
        if not self._send(connection, self._answer("CONNECT", "220 test ESMTP")):
            return
        while True:
            line = lines.readline()
            if not line.endswith(b"\n"):
                return
            command = line.decode("latin-1").rstrip("\r\n")
            verb = command.split(" ")[0].upper()
            with self.lock:
                self.commands.append(command)
            default = {"HELO": "250 test", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok",
                       "DATA": "354 go", "RSET": "250 ok", "QUIT": "221 bye"}.get(verb, "502 what?")
            if verb == "EHLO":
                rest = ["test", *self.keywords]
                default = "\r\n".join(f"250{'-' if i + 1 < len(rest) else ' '}{k}"
                                      for i, k in enumerate(rest))
            if verb == "RCPT" and sender is None or verb == "DATA" and not recipients:
                reply = "503 5.5.1 out of order"
            else:
                reply = self._answer(command, default)
            if not self._send(connection, reply):
                return
            if verb == "QUIT" or reply.startswith("421"):
                return
            if verb in ("MAIL", "RSET"):
                accepted = verb == "MAIL" and reply.startswith("2")
                sender, recipients = command if accepted else None, []
            elif verb == "RCPT" and reply.startswith("2"):
                recipients.append(command.split("<", 1)[1].rsplit(">", 1)[0])
            elif verb == "DATA" and reply.startswith("354"):
                data = self._read_data(lines)
                reply = self._answer(".", "250 2.0.0 taken")
                if data is None:
                    return
                if reply and reply.startswith("2"):
                    with self.lock:
                        self.messages.append(Message(sender, recipients, data))
                sender, recipients = None, []
                if not self._send(connection, reply):
                    return

    def _read_data(self, lines):
        """The message without its dots of transparency, or None when it did not come to its end."""
        data = b""
        while True:
            line = lines.readline()
            self.raw += line
            if not line.endswith(b"\n"):
                return None
            if line == b".\r\n":
                return data
            data += line[1:] if line.startswith(b".") else line
