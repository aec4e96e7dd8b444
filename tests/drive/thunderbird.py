"""Thunderbird without a screen, with a profile that was written beforehand: one IMAP account whose password
Thunderbird's own store of secrets (NSS) has."""
import base64
import ctypes
import json
import os
import shutil
import subprocess
import sys

import pytest

PREFERENCES = {
    "mail.accountmanager.accounts": "account1,account2", "mail.accountmanager.defaultaccount": "account1",
    "mail.accountmanager.localfoldersserver": "server2", "mail.account.account1.identities": "id1",
    "mail.account.account1.server": "server1", "mail.account.account2.server": "server2",
    "mail.identity.id1.fullName": "Tom", "mail.identity.id1.useremail": "tom@hehuan.test",
    "mail.identity.id1.valid": True, "mail.server.server1.type": "imap", "mail.server.server1.name": "tom",
    "mail.server.server1.userName": "tom", "mail.server.server1.socketType": 3,      # TLS from the first octet
    "mail.server.server1.authMethod": 3, "mail.server.server1.login_at_startup": True,
    "mail.server.server1.autosync_offline_stores": True, "mail.server.server1.offline_download": True,
    "mail.server.server2.type": "none", "mail.server.server2.hostname": "Local Folders",
    "mail.server.server2.userName": "nobody", "mail.server.server2.name": "Local Folders",
    "mail.provider.suppress_dialog_on_startup": True, "mail.spotlight.firstRunDone": True,
    "mail.shell.checkDefaultClient": False, "mail.rights.version": 1, "mailnews.start_page.enabled": False,
    "mailnews.start_page_override.mstone": "ignore", "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False, "network.dns.forceResolve": "127.0.0.1",
}


class Item(ctypes.Structure):
    """NSS's SECItem."""
    _fields_ = [("type", ctypes.c_uint), ("data", ctypes.c_void_p), ("length", ctypes.c_uint)]


def encrypted(profile, texts):
    """Each text as logins.json wants it, by the key of the profile, which has no password."""
    nss = ctypes.CDLL("libnss3.so")
    nss.PK11_GetInternalKeySlot.restype = ctypes.c_void_p
    assert nss.NSS_InitReadWrite(f"sql:{profile}".encode()) == 0
    slot = ctypes.c_void_p(nss.PK11_GetInternalKeySlot())
    assert nss.PK11_CheckUserPassword(slot, b"") == 0
    result = []
    for text in texts:
        plain, out = ctypes.create_string_buffer(text.encode()), Item()
        given = Item(0, ctypes.addressof(plain), len(text.encode()))
        assert nss.PK11SDR_Encrypt(ctypes.byref(Item()), ctypes.byref(given), ctypes.byref(out), None) == 0
        result.append(base64.b64encode(ctypes.string_at(out.data, out.length)).decode())
    return result


class Thunderbird:
    """Its profile is in `home`; `mail` is the folder where it keeps what it downloaded."""

    def __init__(self, home, host, port, ca, password):
        for program in ("thunderbird", "certutil"):
            if not shutil.which(program):
                pytest.skip(f"{program} is not installed; make clients does it")
        profile = home / "profile"
        profile.mkdir()
        preferences = {**PREFERENCES, "mail.server.server1.hostname": host, "mail.server.server1.port": port}
        (profile / "user.js").write_text("".join(
            f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in preferences.items()))
        for command in (["-N", "--empty-password"], ["-A", "-n", "lab", "-t", "C,,", "-i", str(ca)]):
            subprocess.run(["certutil", "-d", f"sql:{profile}", *command], check=True, timeout=60)
        # In a process of its own: NSS is there once in a process.
        user, secret = subprocess.run([sys.executable, __file__, profile, "tom", password], check=True, timeout=60,
                                      stdout=subprocess.PIPE, text=True).stdout.split()
        place = f"imap://{host}"
        (profile / "logins.json").write_text(json.dumps({"nextId": 2, "version": 3, "logins": [{
            "id": 1, "hostname": place, "httpRealm": place, "formSubmitURL": None, "usernameField": "",
            "passwordField": "", "encryptedUsername": user, "encryptedPassword": secret, "encType": 1,
            "guid": "{11111111-2222-3333-4444-555555555555}"}]}))
        self.mail = profile / "ImapMail" / host
        with open(home / "said", "wb") as said:
            self.process = subprocess.Popen(
                ["thunderbird", "--headless", "--no-remote", "--profile", str(profile)], stdout=said, stderr=said,
                env={**os.environ, "HOME": str(home)})

    def inbox(self):
        """The messages that it has downloaded, as it keeps them."""
        return b"".join(p.read_bytes() for p in self.mail.glob("INBOX*") if p.suffix != ".msf")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


if __name__ == "__main__":
    print(*encrypted(sys.argv[1], sys.argv[2:]))
