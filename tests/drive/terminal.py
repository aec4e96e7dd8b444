"""Full-screen programs in a terminal of their own: what a person at the keys would do and see."""
import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time

import pytest

# What moves the cursor and colours the text.
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>78DEM]")


class Terminal:
    """A program on a pty. The test is skipped when it is not installed."""

    def __init__(self, command, env):
        if not shutil.which(command[0]):
            pytest.skip(f"{command[0]} is not installed")
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.process = subprocess.Popen([str(word) for word in command], stdin=theirs, stdout=theirs,
                                        stderr=theirs, close_fds=True, env={**env, "TERM": "xterm"},
                                        start_new_session=True)
        os.close(theirs)
        self.screen = b""      # all that was written, without control sequences
        self.seen = 0          # of it, by expect
        self.pending = b""

    def read(self, seconds):
        """Takes what comes within so long; False at the end of the program."""
        if not select.select([self.ours], [], [], seconds)[0]:
            return True
        try:
            self.pending += os.read(self.ours, 65536)
        except OSError:        # the program has closed the terminal
            return False
        cut = self.pending.rfind(b"\x1b", max(0, len(self.pending) - 16))
        whole = self.pending if cut < 0 else self.pending[:cut]
        rest = self.pending[len(whole):]
        if CONTROL.match(rest):
            whole, rest = self.pending, b""
        self.screen += CONTROL.sub(b" ", whole)
        self.pending = rest
        return True

    def expect(self, *patterns, timeout=30):
        """Waits until one of the patterns is written after what was expected last; which of them."""
        end = time.monotonic() + timeout
        alive = True
        while True:
            found = [(m.end(), i) for i, p in enumerate(patterns)
                     if (m := re.search(p, self.screen[self.seen:]))]
            if found:
                self.seen += min(found)[0]
                return min(found)[1]
            if not alive or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"{patterns} did not come; the end of the screen:\n"
                                     + self.screen[-3000:].decode(errors="replace"))
            alive = self.read(0.1)

    def send(self, keys):
        os.write(self.ours, keys.encode())

    def say(self, prompt, keys, timeout=30):
        """Waits for the prompt and types the keys."""
        self.expect(prompt, timeout=timeout)
        self.send(keys)

    def insist(self, keys, prompt):
        """Types the keys until the prompt comes: a program may throw away what is typed while it draws."""
        for _ in range(10):
            self.send(keys)
            end = time.monotonic() + 3
            while time.monotonic() < end and not re.search(prompt, self.screen[self.seen:]):
                self.read(0.1)
            if re.search(prompt, self.screen[self.seen:]):
                break
        self.expect(prompt)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def finish(self, timeout=30):
        """To the end of the program, which must be a good one; all that it wrote."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.read(0.1):
            if self.process.poll() is not None and not select.select([self.ours], [], [], 0)[0]:
                break
        else:
            if time.monotonic() >= end:
                self.process.kill()
        os.close(self.ours)
        assert self.process.wait(5) == 0, self.screen[-2000:].decode(errors="replace")
        return self.screen


def run_in_terminal(command, env, timeout=30):
    """Runs a full-screen program to its end; what it wrote to its terminal."""
    return Terminal(command, env).finish(timeout)
