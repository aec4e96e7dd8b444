"""Run inside a lab by test_lab.py: what a client meets in each state of a host, as JSON."""
import json
import os
import socket
import subprocess
import sys
import threading
import time

LAB, DIR = sys.argv[1], os.environ["LAB_DIR"]
HOST = {"4": ("192.0.2.25", socket.AF_INET), "6": ("2001:db8::25", socket.AF_INET6)}
PATIENCE = 1.5
SLOW_MS = 200


def serve(address, family):
    """An echo server; it is never told about the states of its host."""
    listener = socket.create_server((address, 25), family=family, backlog=50)

    def echo(connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def accept():
        while True:
            threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def talk(sock, n):
    sock.sendall(b"x" * n)
    got = 0
    while got < n:
        got += len(sock.recv(65536))


def connect(address, family, source=None):
    """One connection and an echo over it: {result, connect: seconds, source}."""
    with socket.socket(family) as s:
        s.settimeout(PATIENCE)
        if source:
            s.bind((source, 0))
        start = time.monotonic()
        try:
            s.connect((address, 25))
        except OSError as e:
            return {"result": type(e).__name__, "errno": e.errno,
                    "connect": time.monotonic() - start}
        took = time.monotonic() - start
        talk(s, 300_000)
        return {"result": "ok", "connect": took, "source": s.getsockname()[0]}


def established(states, address, family):
    """An echo over a connection made before, in each of the states."""
    results = {}
    with socket.create_connection((address, 25), PATIENCE) as s:
        talk(s, 10)
        for state in states:
            host(*state.split())
            start = time.monotonic()
            try:
                talk(s, 5)
                results[state] = ["ok", time.monotonic() - start]
            except OSError as e:
                results[state] = [type(e).__name__, time.monotonic() - start]
            if results[state][0] == "TimeoutError":  # what was lost will be sent again
                host("up")
                s.settimeout(5)
                while s.recv(5, socket.MSG_PEEK) and len(s.recv(5)) < 5:
                    pass
                s.settimeout(PATIENCE)
    host("up")
    return results


def host(*state):
    subprocess.run([LAB, "host", DIR, "mail", *state], check=True)


for a, f in HOST.values():
    serve(a, f)
out = {"states": {}, "established": {}, "bound": {}}
for state in ("up", "down", "unreachable", "silent", f"slow {SLOW_MS}", "down", "up"):
    host(*state.split())
    for name, (a, f) in HOST.items():
        out["states"].setdefault(state.split()[0], {}).setdefault(name, []).append(connect(a, f))
for name, (a, f) in HOST.items():
    source = {"4": "192.0.2.10", "6": "2001:db8::10"}[name]
    out["bound"][name] = connect(a, f, source)
    out["established"][name] = established(
        ["up", f"slow {SLOW_MS}", "up", "silent", "up", "unreachable", "up", "down"], a, f)
print(json.dumps(out))
