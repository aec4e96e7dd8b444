"""Runs dns-sim for tests: on an address of its own in 127.0.0.0/8, and on ::1 at the same port."""
import json
import os
import pathlib
import socket
import struct
import subprocess
import tempfile

from postroad import free_ports

TOP = pathlib.Path(__file__).resolve().parents[2]
DNS_SIM = TOP / os.environ.get("BUILD", "build") / "bin" / "dns-sim"
ZONES = TOP / "fixtures" / "zones"
TYPE_ZONE = pathlib.Path(__file__).with_name("dns_zones") / "types.test.zone"


def free_port():
    return free_ports(1)[0]


def run(*command, input=None, timeout=20, status=0):
    """Runs a client and gives its standard output; fails on another exit status."""
    done = subprocess.run([str(word) for word in command], input=input, text=True, timeout=timeout,
                          capture_output=True)
    if status is not None:
        assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def question(name, rtype, id=0x1234, flags=0x0100, tail=b"", counts=(1, 0, 0, 0)):
    """The octets of a query."""
    wire = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    return struct.pack("!6H", id, flags, *counts) + wire + b"\0" + struct.pack("!HH", rtype, 1) + tail


class DnsSim:
    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory()
        self.address, self.port = "127.0.0.1", free_port()
        self.control = os.path.join(self.folder.name, "control")
        self.log_file = os.path.join(self.folder.name, "log")
        self.process = subprocess.Popen(
            [DNS_SIM, "--listen", self.address, "--listen", "::1", "--port", str(self.port),
             "--control", self.control, "--log", self.log_file, *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise RuntimeError(f"dns-sim did not start: {line}{self.process.stderr.read()}")

    def close(self):
        """Stops the server and looks at how it ended (a sanitizer's complaint is a failure)."""
        alive = self.process.poll() is None
        self.process.terminate()
        try:
            _, errors = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self.folder.cleanup()
        assert alive and self.process.returncode == 0, f"{self.process.returncode}: {errors}"
        assert "ERROR" not in errors and "runtime error" not in errors, errors

    # -- asking

    def dig(self, *words, address=None):
        """dig's output with the options that make it comparable."""
        return run("dig", "+tries=1", "+time=2", f"@{address or self.address}", "-p", self.port, *words,
                   status=None)

    def answer(self, *words, section="answer"):
        """One section of the reply: a list of (name, ttl, type, data)."""
        lines = self.dig("+noall", f"+{section}", *words).splitlines()
        records = [line.split(None, 4) for line in lines if line and not line.startswith(";")]
        return [(name, ttl, rtype, data) for name, ttl, _, rtype, data in records]

    def short(self, *words):
        return self.dig("+short", *words).split("\n")[:-1]

    def status(self, *words):
        """The rcode's name as dig says it, None when there was no reply."""
        text = self.dig(*words)
        return text.split("status: ")[1].split(",")[0] if "status: " in text else None

    def raw(self, packet, timeout=1.0):
        """Sends octets over UDP; the octets of the reply, or None."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(timeout)
            s.sendto(packet, (self.address, self.port))
            try:
                return s.recv(65535)
            except socket.timeout:
                return None

    def connect(self):
        return socket.create_connection((self.address, self.port), timeout=5)

    # -- control

    def ctl(self, *words, input=None, status=0):
        """A control command; the lines of its reply."""
        return run(DNS_SIM, "ctl", self.control, *words, input=input, status=status).splitlines()

    def load(self, origin, text):
        return self.ctl("load", origin, input=text)

    def queries(self):
        return [json.loads(line) for line in self.ctl("queries")]


def read_tcp(connection):
    """The next message on a TCP connection."""
    def exactly(n):
        data = b""
        while len(data) < n:
            piece = connection.recv(n - len(data))
            if not piece:
                raise EOFError(f"{len(data)} of {n} octets")
            data += piece
        return data
    return exactly(struct.unpack("!H", exactly(2))[0])
