"""Holds a lock of a spool as a mail reader does, until the file RELEASE is there.

lock-held.py dot|fcntl SPOOL RELEASE: returns when the lock is held; a process in the background keeps it."""
import fcntl
import os
import sys
import time

kind, spool, release = sys.argv[1:]
LIMIT_S = 25

if kind == "dot":
    os.close(os.open(spool + ".lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
ready, told = os.pipe()
if os.fork():
    os.close(told)
    sys.exit(0 if os.read(ready, 1) else 1)
os.setsid()
for fd in (0, 1, 2):
    os.dup2(os.open(os.devnull, os.O_RDWR), fd)
held = open(spool, "r+b", buffering=0)
if kind == "fcntl":
    fcntl.lockf(held, fcntl.LOCK_EX)
os.write(told, b"y")
end = time.monotonic() + LIMIT_S
while time.monotonic() < end and not os.path.exists(release):
    time.sleep(0.02)
if kind == "dot":
    os.unlink(spool + ".lock")
