#!/usr/bin/python3
"""A POP3 client that logs in and leaves, for tests/bench/login. As a program: the shell of `conform lab`;
appends the rate for $BENCH_MECHANISM to $BENCH_OUT."""
import base64
import hashlib
import hmac
import multiprocessing
import os
import socket
import time


def b64(octets):
    return base64.b64encode(octets)


def cram_md5(say, user, password):
    challenge = base64.b64decode(say(b"AUTH CRAM-MD5")[2:])
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    return say(b64(f"{user} {digest}".encode()))


def scram_sha_256(say, user, password):
    """RFC 5802 3, without a look at the server's proof: the server is what is measured."""
    nonce = base64.b64encode(os.urandom(18)).decode()
    bare = f"n={user},r={nonce}"
    first = base64.b64decode(say(b"AUTH SCRAM-SHA-256 " + b64(("n,," + bare).encode()))[2:]).decode()
    fields = dict(f.split("=", 1) for f in first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    last = f"c=biws,r={fields['r']}"
    message = f"{bare},{first},{last}".encode()
    signature = hmac.new(hashlib.sha256(client).digest(), message, "sha256").digest()
    proof = bytes(a ^ b for a, b in zip(client, signature))
    answer = say(b64(f"{last},p={base64.b64encode(proof).decode()}".encode()))
    return say(b"") if answer.startswith(b"+ ") else answer


def user_pass(say, user, password):
    say(f"USER {user}".encode())
    return say(f"PASS {password}".encode())


WAYS = {"USER": user_pass, "CRAM-MD5": cram_md5, "SCRAM-SHA-256": scram_sha_256}


def login(address, port, mechanism, user, password, must=True):
    """The seconds of a whole session."""
    begun = time.perf_counter()
    with socket.create_connection((address, port), 40) as s:
        file = s.makefile("rb")

        def say(line):
            s.sendall(line + b"\r\n")
            return file.readline()
        file.readline()
        answer = WAYS[mechanism](say, user, password)
        assert answer.startswith(b"+OK") or not must, answer
        say(b"QUIT")
    return time.perf_counter() - begun


def one_client(address, port, mechanism, user, password, seconds, counts):
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        try:
            login(address, port, mechanism, user, password)
            n += 1
        except AssertionError as refused:
            if b"IN-USE" not in str(refused).encode():
                raise
            n += 1                     # the mailbox is another client's; the log-in was good
    counts.put(n)


def rate(address, port, mechanism, user, password, seconds, clients):
    counts = multiprocessing.Queue()
    all_clients = [multiprocessing.Process(target=one_client, args=(address, port, mechanism, user, password,
                                                                    seconds, counts)) for _ in range(clients)]
    for c in all_clients:
        c.start()
    total = sum(counts.get(timeout=seconds + 30) for _ in all_clients)
    for c in all_clients:
        c.join()
    return total / seconds


if __name__ == "__main__":
    found = rate(os.environ["ADDRESS"], 110, os.environ["BENCH_MECHANISM"], "tom", "tom-pw",
                 float(os.environ["BENCH_SECONDS"]), int(os.environ["BENCH_CLIENTS"]))
    with open(os.environ["BENCH_OUT"], "a") as out:
        out.write(str(found))
