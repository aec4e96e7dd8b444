"""Accounts where they really live: MariaDB, a directory, the system's files, PAM, saslauthd,
authdaemond; each with the right and the wrong password, mail, and its absence."""
import poplib
import smtplib
import subprocess
import time

import pytest

from account_servers import Etc, MariaDB, Server, Slapd, etc_with, hash_of
from postroad import BUILD, ROOT, wait_for

MESSAGE = "Subject: hello\r\n\r\nhello\r\n"
AUTH = ('auth { mechanisms = {"PLAIN", "CRAM-MD5", "SCRAM-SHA-256"} plain-without-tls = true '
        'free-guesses = 1000 }\n')


@pytest.fixture(scope="module", autouse=True)
def certificates():
    subprocess.run([ROOT / "fixtures/certs/make", BUILD / "certs"], check=True)


def log_in(s, user, password):
    """"ok", or the code of POP3's answer."""
    c = s.pop3()
    try:
        c.user(user)
        c.pass_(password)
        c.quit()
        return "ok"
    except poplib.error_proto as e:
        c.close()
        return str(e.args[0]).split("]")[0].split("[")[-1]


def send(s, *to):
    with s.smtp() as c:
        return c.sendmail("a@elsewhere.test", list(to), MESSAGE)


def code(s, to):
    with s.smtp() as c:
        c.ehlo()
        c.mail("a@elsewhere.test")
        return c.rcpt(to)[0]


def login_works(s, user, password):
    return lambda: log_in(s, user, password) == "ok"


INJECTIONS = ("' OR '1'='1", "x' UNION SELECT 1,2 -- ", "*", "*)(uid=*))(|(uid=*", "a\\2a", "%", '"',
              "jerry'/*", "\\")


def refuses_injections(s, domain, password):
    for name in INJECTIONS:
        for user in (name, f"{name}@{domain}"):
            assert log_in(s, user, password) in ("AUTH", "line is too long"), user


def outage(s, server, user, password):
    """Gone: try later, for log-ins and mail. Back: by itself."""
    server.stop()
    assert log_in(s, user, password) == "SYS/TEMP"
    assert log_in(s, user, "wrong") == "SYS/TEMP"
    assert log_in(s, "tom", "tom-pw") == "ok"
    server.start()
    wait_for(login_works(s, user, password), 15, "the log-in after the server came back")


# ---- MariaDB ---------------------------------------------------------------------------------

SQL = """
CREATE TABLE users (email VARCHAR(128) PRIMARY KEY, pw VARCHAR(255), quota BIGINT, active INT,
                    until BIGINT);
CREATE TABLE aliases (email VARCHAR(128), target VARCHAR(128));
CREATE TABLE domains (name VARCHAR(128) PRIMARY KEY);
INSERT INTO domains VALUES ('sql.test');
INSERT INTO users VALUES ('jerry@sql.test', '%s', 1048576, 1, 0),
    ('ann@sql.test', '{PLAIN}ann-pw', 0, 1, 0), ('off@sql.test', '{PLAIN}off-pw', 0, 0, 0),
    ('old@sql.test', '{PLAIN}old-pw', 0, 1, 1000000000), ('none@sql.test', NULL, 0, 1, 0);
INSERT INTO aliases VALUES ('staff@sql.test', 'jerry@sql.test'), ('staff@sql.test', 'tom@hehuan.test'),
    ('evil@sql.test', '|/bin/sh'), ('@sql.test', 'ann@sql.test');
"""
MYSQL = """
accounts system {{ type = "file" }}
accounts sql {{
    type = "mysql" server = "{server}" port = {port} user = "postroad" database = "mail"
    password-file = "{dir}/password" timeout = "2s" workers = 2 {tls}
    user-query = "SELECT email AS user, pw AS secret, quota, 1 - active AS disabled, until AS expires FROM users WHERE email = %u"
    alias-query = "SELECT target FROM aliases WHERE email = %u"
    domain-query = "SELECT 1 FROM domains WHERE name = %d"
}}
"""


@pytest.fixture(scope="module")
def mariadb():
    db = MariaDB(SQL % hash_of("jerry-pw"))
    yield db
    db.close()


def mysql_config(mariadb, server=None, tls="tls = false"):
    return AUTH + MYSQL.format(server=server or mariadb.socket, port=0 if server is None else mariadb.port,
                               dir=mariadb.dir, tls=tls)


def test_mysql_over_tls(postroad, mariadb):
    """The server's certificate is looked at: another authority is nobody we ask."""
    for ca, answer in (("ca", "ok"), ("stranger", "SYS/TEMP")):
        s = postroad(config=mysql_config(mariadb, "127.0.0.1", f'ca-file = "{BUILD}/certs/{ca}.pem"'),
                     start=False)
        # The client's library keeps the certificate of a server that it refused.
        (s.dir / "known").write_text("leak:libmariadb\n")
        s.start(env={"ASAN_OPTIONS": "fast_unwind_on_malloc=0",
                     "LSAN_OPTIONS": f"suppressions={s.dir}/known:print_suppressions=0"})
        assert log_in(s, "jerry@sql.test", "jerry-pw") == answer
    assert "tls" in s.wait_event("auth.backend-down")["why"].lower()


def test_mysql(postroad, mariadb):
    s = postroad(config=mysql_config(mariadb))
    assert log_in(s, "jerry@sql.test", "jerry-pw") == "ok"
    assert log_in(s, "JERRY@sql.test", "jerry-pw") == "ok"
    for user, password in (("jerry@sql.test", "wrong"), ("nobody@sql.test", "x"), ("off@sql.test", "off-pw"),
                           ("old@sql.test", "old-pw"), ("none@sql.test", "x"), ("eve", "jerry-pw")):
        assert log_in(s, user, password) == "AUTH", user
    assert {e["why"] for e in s.events("auth.refused")} >= {
        "the account is disabled", "the account has expired", "the account is locked"}
    with s.submission() as c:
        c.ehlo()
        c.user, c.password = "ann@sql.test", "ann-pw"
        c.auth("CRAM-MD5", c.auth_cram_md5)
    send(s, "staff@sql.test", "whoever@sql.test")
    s.wait_event("mda.delivered", user="jerry@sql.test")
    s.wait_event("mda.delivered", user="tom")
    s.wait_event("mda.delivered", user="ann@sql.test")
    assert code(s, "x@other.test") == 250 and code(s, "nobody@hehuan.test") == 550
    refuses_injections(s, "sql.test", "jerry-pw")
    assert "ok       account back ends answer" in s.ctl("check", check=False).stdout
    outage(s, mariadb, "jerry@sql.test", "jerry-pw")


def test_a_frozen_mysql_delays_nobody_else(postroad, mariadb):
    s = postroad(config=mysql_config(mariadb))
    assert log_in(s, "jerry@sql.test", "jerry-pw") == "ok"
    mariadb.freeze()
    try:
        before = time.monotonic()
        assert log_in(s, "jerry@sql.test", "jerry-pw") == "SYS/TEMP"
        assert time.monotonic() - before < 4
        assert code(s, "jerry@sql.test") == 451
        before = time.monotonic()
        assert log_in(s, "tom", "tom-pw") == "ok"
        assert time.monotonic() - before < 1
    finally:
        mariadb.thaw()
    wait_for(login_works(s, "jerry@sql.test", "jerry-pw"), 15, "the log-in after the thaw")


# ---- LDAP ------------------------------------------------------------------------------------

LDIF = """
dn: dc=corp,dc=test
objectClass: organization
objectClass: dcObject
o: Corp
dc: corp

dn: cn=reader,dc=corp,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader-pw

dn: uid=jerry,dc=corp,dc=test
objectClass: inetOrgPerson
uid: jerry
cn: Jerry
sn: Jerry
mail: jerry@corp.test
employeeNumber: 2048
userPassword: {SSHA}mUiTSDbJkqSPuKYSL4Fi5vPj9tl2JzaJ

dn: uid=ann,dc=corp,dc=test
objectClass: inetOrgPerson
uid: ann
cn: Ann
sn: Ann
mail: Ann@corp.test
userPassword: ann-pw

dn: cn=staff,dc=corp,dc=test
objectClass: nisMailAlias
cn: staff@corp.test
rfc822MailMember: ann@corp.test
rfc822MailMember: tom@hehuan.test

dn: dc=domain,dc=corp,dc=test
objectClass: domainRelatedObject
objectClass: organization
objectClass: dcObject
o: x
dc: domain
associatedDomain: corp.test
"""
LDAP = """
accounts system {{ type = "file" }}
accounts company {{
    type = "ldap" server = "{uri}" base = "dc=corp,dc=test" user = "cn=reader,dc=corp,dc=test"
    password-file = "{dir}/password" ca-file = "{ca}" timeout = "2s" tls = {tls}
    user-query = "(&(objectClass=inetOrgPerson)(mail=%u))"
    alias-query = "(&(objectClass=nisMailAlias)(cn=%u))" target-attribute = "rfc822MailMember"
    domain-query = "(associatedDomain=%d)" quota-attribute = "employeeNumber" {more}
}}
"""


@pytest.fixture(scope="module")
def slapd():
    server = Slapd(LDIF.replace("{SSHA}mUiTSDbJkqSPuKYSL4Fi5vPj9tl2JzaJ", subprocess.run(
        ["slappasswd", "-s", "jerry-pw"], check=True, capture_output=True, text=True).stdout.strip()))
    yield server
    server.close()


def ldap_config(slapd, tls="true", more="", uri=None):
    return AUTH + LDAP.format(uri=uri or slapd.uri, dir=slapd.dir, ca=f"{BUILD}/certs/ca.pem", tls=tls,
                              more=more)


def test_ldap(postroad, slapd):
    s = postroad(config=ldap_config(slapd))
    for user, password in (("jerry@corp.test", "jerry-pw"), ("ann@corp.test", "ann-pw")):
        assert log_in(s, user, password) == "ok"
        assert log_in(s, user, "wrong") == "AUTH"
        assert log_in(s, user, "") != "ok"
    assert log_in(s, "nobody@corp.test", "x") == "AUTH"
    send(s, "staff@corp.test")
    s.wait_event("mda.delivered", user="ann@corp.test")
    s.wait_event("mda.delivered", user="tom")
    assert code(s, "nobody@corp.test") == 550
    refuses_injections(s, "corp.test", "jerry-pw")
    assert "ok       account back ends answer" in s.ctl("check", check=False).stdout
    outage(s, slapd, "jerry@corp.test", "jerry-pw")


def test_ldap_insists_on_tls(postroad, slapd):
    """The directory refuses passwords in plain; a certificate of another authority is refused by us."""
    s = postroad(config=ldap_config(slapd, tls="false"))
    assert log_in(s, "jerry@corp.test", "jerry-pw") == "SYS/TEMP"
    s = postroad(config=ldap_config(slapd).replace("/ca.pem", "/stranger.pem"))
    assert log_in(s, "jerry@corp.test", "jerry-pw") == "SYS/TEMP"


def test_ldap_that_shows_the_secret(postroad, slapd):
    """Then mechanisms that need the password itself work too."""
    s = postroad(config=ldap_config(slapd, more='secret-attribute = "userPassword"'))
    subprocess.run(["ldapmodify", "-ZZ", "-x", "-H", slapd.uri, "-D", "cn=admin,dc=corp,dc=test", "-w",
                    "admin-pw"], check=True, capture_output=True,
                   env={"LDAPTLS_CACERT": f"{BUILD}/certs/ca.pem"},
                   input=b"dn: uid=ann,dc=corp,dc=test\nchangetype: modify\nreplace: userPassword\n"
                         b"userPassword: {PLAIN}ann-pw\n")
    with s.submission() as c:
        c.ehlo()
        c.user, c.password = "ann@corp.test", "ann-pw"
        c.auth("CRAM-MD5", c.auth_cram_md5)
    assert log_in(s, "jerry@corp.test", "jerry-pw") == "ok"
    assert log_in(s, "jerry@corp.test", "wrong") == "AUTH"


# ---- the system's files, PAM, saslauthd, authdaemond -----------------------------------------

def system_accounts(s, user="winnie", password="winnie-pw"):
    assert log_in(s, user, password) == "ok"
    assert log_in(s, f"{user}@hehuan.test", password) == "ok"
    assert log_in(s, user, "wrong") == "AUTH"
    assert log_in(s, "nobody-here", password) == "AUTH"
    assert log_in(s, "root", "") != "ok"
    assert code(s, f"{user}@hehuan.test") == 250
    assert code(s, "nobody-here@hehuan.test") == 550


def test_passwd_and_shadow(postroad, tmp_path):
    (tmp_path / "passwd").write_text("root:x:0:0::/root:/bin/sh\nwinnie:x:4242:4243::/home/winnie:/bin/sh\n"
                                     "gone:x:4244:4244::/:/bin/sh\nempty:x:4245:4245::/:/bin/sh\n"
                                     f"ancient:{hash_of('ancient-pw')}:4246:4246::/:/bin/sh\n")
    (tmp_path / "shadow").write_text(f"root:*:1::::::\nwinnie:{hash_of('winnie-pw')}:1::::::\n"
                                     f"gone:{hash_of('gone-pw')}:1:::::100:\nempty::1::::::\n")
    s = postroad(config=AUTH + f'accounts system {{ type = "passwd" path = "{tmp_path}/passwd" '
                               f'shadow = "{tmp_path}/shadow" }}')
    system_accounts(s)
    assert log_in(s, "ancient", "ancient-pw") == "ok"
    assert log_in(s, "gone", "gone-pw") == "AUTH" and log_in(s, "empty", "") != "ok"
    assert s.events("auth.refused", user="gone")[-1]["why"] == "the account has expired"
    (tmp_path / "shadow").rename(tmp_path / "away")
    assert log_in(s, "winnie", "winnie-pw") == "SYS/TEMP"
    assert code(s, "winnie@hehuan.test") in (250, 451)
    (tmp_path / "away").rename(tmp_path / "shadow")
    wait_for(login_works(s, "winnie", "winnie-pw"), 5, "the log-in after the file came back")


def in_etc(postroad, config, **files):
    etc = etc_with("winnie", hash_of("winnie-pw"), **files)
    s = postroad(config=AUTH + config, start=False)
    s.prefix = etc.prefix
    return s, etc


def test_pam(postroad, tmp_path):
    """pam_unix over a private shadow file, with the account rules of pam_succeed_if."""
    (tmp_path / "postroad").write_text("auth required pam_unix.so\naccount required pam_unix.so\n"
                                       "account required pam_succeed_if.so quiet uid >= 1000\n")
    (tmp_path / "broken").write_text("auth required pam_unix.so\naccount required pam_nonexistent.so\n")
    s, etc = in_etc(postroad, f'accounts system {{ type = "pam" directory = "{tmp_path}" }}')
    try:
        s.start()
        system_accounts(s)
        s.write_config(AUTH + f'accounts system {{ type = "pam" directory = "{tmp_path}" service = "broken" }}')
        s.reload()
        wait_for(lambda: log_in(s, "winnie", "winnie-pw") == "SYS/TEMP", 5, "the broken service")
    finally:
        s.stop()
        etc.close()


def test_saslauthd(postroad):
    s, etc = in_etc(postroad, "")
    daemon = Server("saslauthd")
    daemon.start = lambda: (daemon.run(*etc.inside("saslauthd", "-d", "-a", "shadow", "-n", "2", "-m", daemon.dir)),
                            wait_for((daemon.dir / "mux").exists, 10, "saslauthd"))
    try:
        daemon.start()
        s.write_config(AUTH + f'accounts first {{ type = "file" }}\naccounts system '
                              f'{{ type = "saslauthd" path = "{daemon.dir}/mux" }}')
        s.start()
        system_accounts(s)
        assert log_in(s, "winnie", "x" * 300) != "ok"
        outage(s, daemon, "winnie", "winnie-pw")
    finally:
        daemon.close()
        s.stop()
        etc.close()


def test_authdaemond(postroad):
    """Courier's own user database: one account of the system's kind, one virtual."""
    run = Server("authdaemond")
    (run.dir / "courier/authdaemon").mkdir(parents=True)
    rc = (f'authmodulelist="authuserdb"\nauthmodulelistorig="authuserdb"\ndaemons=2\n'
          f'authdaemonvar=/run/courier/authdaemon\nDEBUG_LOGIN=0\nDEFAULTOPTIONS=""\nLOGGEROPTS=""\n')
    users = (f"winnie\tuid=4242|gid=4242|home=/home/winnie|systempw={hash_of('winnie-pw')}\n"
             f"eve@courier.test\tuid=4243|gid=4243|home=/srv/eve|quota=1000000S,100C|"
             f"systempw={hash_of('eve-pw')}\n")
    etc = Etc(over={"/run": run.dir}, courier={"authdaemonrc": rc, "userdb": users})
    for path in (etc.dir / "courier").iterdir():
        path.chmod(0o600)

    def start():
        run.run(*etc.inside("sh", "-c", "makeuserdb && set -a && . /etc/courier/authdaemonrc && exec /usr/lib/courier/courier-authlib/authdaemond"))
        wait_for((run.dir / "courier/authdaemon/socket").exists, 10, "authdaemond")
    run.start = start
    s = postroad(start=False)
    try:
        start()
        s.write_config(AUTH + f'accounts first {{ type = "file" }}\naccounts courier {{ type = "authdaemon" '
                              f'path = "{run.dir}/courier/authdaemon/socket" }}\n'
                              f'accounts virtual {{ type = "authdaemon" domains = {{"courier.test"}} '
                              f'path = "{run.dir}/courier/authdaemon/socket" }}')
        s.start()
        system_accounts(s)
        assert log_in(s, "eve@courier.test", "eve-pw") == "ok"
        assert log_in(s, "eve@courier.test", "wrong") == "AUTH"
        assert code(s, "eve@courier.test") == 250 and code(s, "nobody@courier.test") == 550
        outage(s, run, "winnie", "winnie-pw")
    finally:
        run.close()
        s.stop()
        etc.close()
