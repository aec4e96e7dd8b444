"""The real Dovecot on a mailbox file, without network: its imap program, logged in already, on a pipe. The
packages are unpacked (ci/target dovecot) and lie over /usr in a mount namespace of its own."""
import imaplib
import os
import shlex
import shutil
import subprocess

import pytest

from postroad import ROOT

INSTALLED = ROOT / "build/targets/dovecot"


class Dovecot:
    """`spool`: tom's inbox, an mbox; `home`: a folder for the rest, which the user mail can reach, as it can write
    where the spool is. Needs root."""

    def __init__(self, home, spool):
        if not (INSTALLED / "usr").is_dir() and subprocess.run([ROOT / "ci/target", "dovecot"],
                                                               timeout=300).returncode != 0:
            pytest.skip("Dovecot's packages cannot be had; ci/target dovecot says why")
        lay = ["unshare", "--mount", "--propagation", "private", "mount", "-t", "overlay", "overlay", "-o",
               f"lowerdir={INSTALLED}/usr:/usr,ro", "/usr"]
        if os.geteuid() != 0 or subprocess.run(lay, capture_output=True).returncode != 0:
            pytest.skip("laying Dovecot over /usr needs root, and overlay mounts")
        (home / "folders").mkdir(parents=True)
        conf = home / "dovecot.conf"
        conf.write_text(f"""
base_dir = {home}/run
log_path = {home}/log
ssl = no
first_valid_uid = 1
mail_uid = mail
mail_gid = mail
default_internal_user = root
default_login_user = nobody
default_internal_group = root
mail_privileged_group =
mail_location = mbox:{home}/folders:INBOX={spool}:INDEX={home}/index
mbox_read_locks = fcntl
mbox_write_locks = fcntl dotlock
namespace inbox {{
  inbox = yes
}}
""")
        for path in (home, home / "folders", spool):     # Dovecot does nothing as root
            shutil.chown(path, "mail", "mail")
        self.log = home / "log"
        script = home / "imap.sh"
        script.write_text(f'. {ROOT}/conformance/world/overlay.sh\nexport HOME={home} USER=tom\n'
                          f'exec /usr/lib/dovecot/imap -c {conf}\n')
        self.command = shlex.join(["env", f"INSTALLED={INSTALLED}", f"STATE={home}", "NEW_USERS=",
                                   "/bin/sh", "-eu", str(script)])

    def imap(self):
        """A session, authenticated."""
        try:
            return imaplib.IMAP4_stream(self.command)
        except imaplib.IMAP4.error as problem:
            log = self.log.read_text() if self.log.exists() else ""
            raise AssertionError(f"Dovecot does not start: {problem}\n{log}") from problem
