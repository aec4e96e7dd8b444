"""A bare SMTP client: sends the bytes it is given and reads replies, nothing else."""
import socket
import time


class Wire:
    def __init__(self, port, timeout=15):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.input.close()
        self.socket.close()

    def send(self, data, one_by_one=False):
        data = data.encode() if isinstance(data, str) else data
        if not one_by_one:
            self.socket.sendall(data)
            return
        for octet in data:
            self.socket.sendall(bytes([octet]))
            time.sleep(0.0005)

    def reply(self):
        """One reply as a text, its lines joined by newlines; "" when the server has closed."""
        lines = []
        while True:
            line = self.input.readline()
            if not line:
                return ""
            assert line.endswith(b"\r\n"), line
            lines.append(line[:-2].decode("ascii"))
            if line[3:4] == b" ":
                return "\n".join(lines)

    def expect(self, *beginnings):
        """Reads as many replies; each must begin so. The last one is returned."""
        got = ""
        for want in beginnings:
            got = self.reply()
            assert got.startswith(want), f"got {got!r}, wanted {want!r}"
        return got

    def ask(self, data, *beginnings):
        self.send(data)
        return self.expect(*beginnings)

    def open(self, sender="jerry@magedu.test", recipient="tom@hehuan.test"):
        """Greeting, EHLO, MAIL and RCPT."""
        self.expect("220")
        self.ask("EHLO client.magedu.test\r\n", "250")
        self.ask(f"MAIL FROM:<{sender}>\r\n", "250")
        self.ask(f"RCPT TO:<{recipient}>\r\n", "250")
