"""Access lists in a real MariaDB and a real slapd."""
import subprocess
import time

import pytest

from account_servers import MariaDB, Slapd
from postroad import BUILD, ROOT
from test_policy import codes, strangers

ROWS = """
create table blocked (pattern varchar(300) primary key, reason varchar(300));
insert into blocked values ('127.0.0.0/8', 'loops'), ('@ads.test', 'they shout'), ('o''hara@magedu.test', null);
"""
LDIF = """dn: dc=corp,dc=test
objectClass: dcObject
objectClass: organization
o: corp
dc: corp

dn: cn=reader,dc=corp,dc=test
objectClass: simpleSecurityObject
objectClass: organizationalRole
cn: reader
userPassword: reader-pw

dn: cn=ads,dc=corp,dc=test
objectClass: organizationalRole
cn: ads
description: @ads.test
l: they shout

dn: cn=all,dc=corp,dc=test
objectClass: organizationalRole
cn: all
description: *@magedu.test
"""


@pytest.fixture(scope="module", autouse=True)
def certificates():
    subprocess.run([ROOT / "fixtures/certs/make", BUILD / "certs"], check=True)


def mysql(db):
    return f"""
        list sql {{
            type = "mysql"
            server = "{db.socket}"
            database = "mail"
            user = "postroad"
            password-file = "{db.dir}/password"
            query = "select pattern, reason from blocked where pattern in ($patterns)"
            timeout = "1s"
        }}
        rule sender {{ sender = {{"list:sql"}}  verdict = "reject 550 5.7.1 sender: $reason" }}
        rule client {{ client = {{"list:sql"}}  recipient = {{"ann@hehuan.test"}}
                      verdict = "reject 550 5.7.1 client: $reason" }}"""


def test_mariadb(postroad):
    db = MariaDB(ROWS)
    try:
        server = strangers(postroad, mysql(db))
        assert codes(server)[:2] == ("end", 250)
        assert codes(server, sender="x@ads.test") == ("rcpt", 550, "5.7.1 sender: they shout")
        assert codes(server, recipient="ann@hehuan.test") == ("rcpt", 550, "5.7.1 client: loops")
        assert codes(server, sender="O'Hara@magedu.test")[:2] == ("rcpt", 550)
        assert codes(server, sender="x'or'1'='1@magedu.test")[:2] == ("end", 250)
        assert "list sql @ads.test" in server.events("policy.verdict", rule="sender")[0]["why"]
        db.sql("use mail; delete from blocked where pattern = '@ads.test'")
        assert codes(server, sender="x@ads.test")[:2] == ("end", 250)
        # Away, frozen, back: nobody is refused for that, and nobody waits long.
        db.sql("use mail; insert into blocked values ('@ads.test', 'again')")
        db.freeze()
        begin = time.monotonic()
        assert codes(server, sender="x@ads.test")[:2] == ("end", 250)
        assert codes(server, sender="x@ads.test")[:2] == ("end", 250)
        assert time.monotonic() - begin < 4
        db.thaw()
        assert server.events("policy.unsure", rule="sender") and server.events("policy.list-wrong")
        server.stop()
        server.start()
        assert codes(server, sender="x@ads.test")[2].endswith("again")
        db.stop()
        assert codes(server, sender="x@ads.test")[:2] == ("end", 250)
    finally:
        db.close()


def test_slapd(postroad):
    slapd = Slapd(LDIF, security="")
    try:
        server = strangers(postroad, f"""
            list directory {{
                type = "ldap"
                server = "{slapd.uri}"
                user = "cn=reader,dc=corp,dc=test"
                password-file = "{slapd.dir}/password"
                base = "dc=corp,dc=test"
                filter = "(description=$pattern)"
                reason-attribute = "l"
                timeout = "1s"
            }}
            rule sender {{ sender = {{"list:directory"}}  verdict = "reject 550 5.7.1 $reason" }}""")
        assert codes(server)[:2] == ("end", 250)
        assert codes(server, sender="x@ads.test") == ("rcpt", 550, "5.7.1 they shout")
        # What has a meaning in a filter has none in an address (RFC 4515 3).
        assert codes(server, sender="*@other.test")[:2] == ("end", 250)
        assert codes(server, sender="*@magedu.test")[:2] == ("rcpt", 550)
        slapd.stop()
        assert codes(server, sender="x@ads.test")[:2] == ("end", 250)
        assert server.events("policy.unsure", rule="sender")
    finally:
        slapd.close()


@pytest.mark.parametrize("section, complaint", [
    ('type = "oracle"', "none of this build"),
    ('type = "mysql"  query = "select 1"', "pattern in ($patterns)"),
    ('type = "ldap"  server = "ldap://x"', "filter is missing"),
    ('type = "ldap"  server = "ldap://x"  filter = "(a=$pattern)"', 'there is no list "other"'),
])
def test_mistakes_are_named(postroad, section, complaint):
    server = strangers(postroad, "")
    server.write_config(f'list x {{ {section} }}\nrule r {{ sender = {{"list:other"}}  verdict = "reject" }}')
    assert complaint in server.ctl("check", check=False).stdout
