"""Real servers that accounts live in, each in a folder of its own on loop-back: MariaDB, slapd; and
programs that want /etc to be another (saslauthd, authdaemond, PAM), in a mount namespace."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

from postroad import BUILD, free_ports, wait_for


class Server:
    """A process in the foreground, in a folder that goes away."""

    def __init__(self, name):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"postroad-{name}-", dir="/tmp"))
        self.dir.chmod(0o755)
        self.process = None
        self.log = self.dir / "log"

    def run(self, *command, **arguments):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True,
                                            **arguments)

    def freeze(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self):
        """The process and those it made: the group is ours."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGCONT)
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)


def listens(port):
    def ask():
        with socket.socket() as s:
            s.settimeout(0.5)
            return s.connect_ex(("127.0.0.1", port)) == 0
    return ask


# ---- MariaDB ---------------------------------------------------------------------------------

class MariaDB(Server):
    """User postroad, password db-pw, database mail."""

    def __init__(self, sql):
        super().__init__("mariadb")
        [self.port] = free_ports(1)
        self.socket = self.dir / "socket"
        subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.dir}/data",
                        "--auth-root-authentication-method=normal", "--skip-test-db",
                        "--user=root", "--force"], check=True, capture_output=True)
        self.start()
        self.sql(f"CREATE DATABASE mail; CREATE USER postroad@'%' IDENTIFIED BY 'db-pw';"
                 f"CREATE USER postroad@localhost IDENTIFIED BY 'db-pw';"
                 f"GRANT SELECT ON mail.* TO postroad@'%'; GRANT SELECT ON mail.* TO "
                 f"postroad@localhost; USE mail; {sql}")
        (self.dir / "password").write_text("db-pw\n")

    def start(self):
        self.run("mariadbd", "--no-defaults", f"--datadir={self.dir}/data",
                 f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1",
                 "--user=root", "--innodb-buffer-pool-size=8M", "--skip-name-resolve",
                 f"--pid-file={self.dir}/pid", "--innodb-flush-log-at-trx-commit=0",
                 f"--ssl-cert={BUILD}/certs/localhost.pem",
                 f"--ssl-key={BUILD}/certs/localhost.key")
        wait_for(listens(self.port), 30, "MariaDB")

    def sql(self, text):
        subprocess.run(["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot"],
                       input=text.encode(), check=True, capture_output=True)


# ---- slapd -----------------------------------------------------------------------------------

SLAPD_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/misc.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {dir}/pid
TLSCertificateFile {certs}/localhost.pem
TLSCertificateKeyFile {certs}/localhost.key
{security}
database mdb
suffix "dc=corp,dc=test"
rootdn "cn=admin,dc=corp,dc=test"
rootpw admin-pw
directory {dir}/data
maxsize 10485760
access to attrs=userPassword by anonymous auth by dn.exact="cn=reader,dc=corp,dc=test" read by * none
access to * by dn.exact="cn=reader,dc=corp,dc=test" read by * none
"""


class Slapd(Server):
    """cn=reader may search, with the password reader-pw. Plain connections may do no more than
    StartTLS."""

    def __init__(self, ldif, security="security simple_bind=128"):
        super().__init__("slapd")
        [self.port] = free_ports(1)
        (self.dir / "data").mkdir()
        self.conf = self.dir / "slapd.conf"
        self.conf.write_text(SLAPD_CONF.format(dir=self.dir, certs=f"{BUILD}/certs",
                                               security=security))
        subprocess.run(["slapadd", "-f", self.conf, "-q"], input=ldif.encode(), check=True,
                       capture_output=True)
        (self.dir / "password").write_text("reader-pw\n")
        self.uri = f"ldap://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self.run("slapd", "-f", self.conf, "-h", f"ldap://127.0.0.1:{self.port}", "-d", "0")
        wait_for(listens(self.port), 20, "slapd")


# ---- another /etc ----------------------------------------------------------------------------

class Etc(Server):
    """Files laid over those of /etc, for the commands run in `prefix`: {"passwd": text}; a dict is a
    folder. `over` has others: {"/run": folder}."""

    def __init__(self, over=None, **files):
        super().__init__("etc")
        mounts = [f"mount --bind {own} {path}" for path, own in (over or {}).items()]
        for name, text in files.items():
            path = f"/etc/{name}"
            own = self.dir / name
            if isinstance(text, dict):
                own.mkdir()
                for inner, words in text.items():
                    (own / inner).write_text(words)
            else:
                own.write_text(text)
                own.chmod(0o644)
            mounts.append(f"mount --bind {own} {path}")
        script = "mount --make-rprivate / && " + " && ".join(mounts)
        self.prefix = ["unshare", "-m", "sh", "-c", script + ' && exec "$@"', "sh"]

    def inside(self, *command):
        return [*self.prefix, *[str(c) for c in command]]


def etc_with(name, hashed, more_passwd="", **files):
    """The host's users, and one more."""
    passwd = pathlib.Path("/etc/passwd").read_text()
    shadow = pathlib.Path("/etc/shadow").read_text()
    return Etc(passwd=f"{passwd}{name}:x:4242:4242::/home/{name}:/bin/sh\n{more_passwd}",
               shadow=f"{shadow}{name}:{hashed}:19000::::::\n", **files)


def hash_of(password):
    return subprocess.run(["openssl", "passwd", "-6", password], check=True, capture_output=True,
                          text=True).stdout.strip()
