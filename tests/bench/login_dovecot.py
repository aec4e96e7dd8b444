"""Dovecot's POP3 on loop-back with accounts in one place, for make bench-login: the packages that ci/target unpacks,
laid over /usr in a mount namespace of its own."""
from account_servers import Server, listens
from postroad import BUILD, ROOT, free_ports, wait_for

INSTALLED = BUILD / "targets/dovecot"
CONF = """
base_dir = {dir}/run
state_dir = {dir}/run
protocols = pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
log_path = {dir}/log
mail_location = maildir:{dir}/mail/%n
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 7103
auth_failure_delay = 0
mail_max_userip_connections = 1000
service pop3-login {{
  inet_listener pop3 {{
    port = {port}
  }}
}}
passdb {{
  {passdb}
}}
userdb {{
  driver = static
  args = uid=vmail gid=vmail home={dir}/mail/%n
}}
"""


def users_file(folder, user, secret):
    (folder / "users").write_text(f"{user}:{secret}::::::\n")
    return f"driver = passwd-file\n  args = {folder}/users"


def sql(folder, driver, connect, query):
    (folder / "sql.conf").write_text(f"driver = {driver}\nconnect = {connect}\npassword_query = {query}\n"
                                     "default_pass_scheme = CRYPT\n")
    return f"driver = sql\n  args = {folder}/sql.conf"


def directory(folder, slapd):
    """By bind, over StartTLS, as the reference is told to."""
    (folder / "ldap.conf").write_text(
        f"uris = {slapd.uri}\ntls = yes\ntls_ca_cert_file = {BUILD}/certs/ca.pem\ntls_require_cert = never\n"
        "auth_bind = yes\ndn = cn=reader,dc=corp,dc=test\ndnpass = reader-pw\nbase = dc=corp,dc=test\n"
        "pass_filter = (mail=%u)\n")
    return f"driver = ldap\n  args = {folder}/ldap.conf"


class Dovecot(Server):
    """`passdb` makes the section's text in the folder that it is given."""

    def __init__(self, passdb):
        super().__init__("dovecot")
        [self.pop3_port] = free_ports(1)
        (self.dir / "mail").mkdir(mode=0o777)
        (self.dir / "mail").chmod(0o777)
        (self.dir / "dovecot.conf").write_text(
            CONF.format(dir=self.dir, port=self.pop3_port, passdb=passdb(self.dir)))
        script = self.dir / "start"
        script.write_text(f'. {ROOT}/conformance/world/overlay.sh\nexec dovecot -F -c "$STATE/dovecot.conf"\n')
        self.run("env", f"INSTALLED={INSTALLED}", f"STATE={self.dir}",
                 "NEW_USERS=dovecot:7101 dovenull:7102 vmail:7103", "/bin/sh", "-eu", script)
        wait_for(listens(self.pop3_port), 20, "Dovecot")
