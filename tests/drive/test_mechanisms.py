"""Mechanisms that need somebody else: GSSAPI with a real KDC, bearer tokens with a server that knows
them; DIGEST-MD5. The clients that people have are in test_sasl_clients.py."""
import base64
import http.server
import json
import os
import subprocess
import threading
import time
import urllib.parse

import pytest

from account_servers import Server
from postroad import BUILD, ROOT, free_ports, wait_for

USERS = "plain:{PLAIN}plain-pw\ntom:{PLAIN}tom-pw\n"
ALL = '"PLAIN", "DIGEST-MD5", "GSSAPI", "OAUTHBEARER", "XOAUTH2"'


@pytest.fixture(scope="module", autouse=True)
def certificates():
    subprocess.run([ROOT / "fixtures/certs/make", BUILD / "certs"], check=True)


def config(more="", auth="", mechanisms=ALL):
    return f"auth {{ mechanisms = {{{mechanisms}}} plain-without-tls = true free-guesses = 1000 {auth} }}\n{more}"


def gsasl(s, mechanism, user, *more, protocol="smtp", port=None, env=None):
    done = subprocess.run(
        ["gsasl", "--client", f"--{protocol}", "--connect", f"127.0.0.1:{port or s.submission_port}",
         "--mechanism", mechanism, "--no-starttls", "-a", user, f"--service={protocol}",
         "--hostname=mail.hehuan.test", "--no-cb", *more],
        capture_output=True, timeout=20, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})})
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


# ---- DIGEST-MD5 (RFC 2831) -------------------------------------------------------------------

def test_digest_md5(postroad):
    s = postroad(users=USERS, config=config())
    realm = "--realm=mail.hehuan.test"
    status, out = gsasl(s, "DIGEST-MD5", "plain", "-p", "plain-pw", realm)
    assert status == 0 and s.events("auth.verified", mechanism="DIGEST-MD5", user="plain"), out
    gsasl(s, "DIGEST-MD5", "plain", "-p", "wrong", realm)
    s.wait_event("auth.refused", mechanism="DIGEST-MD5", user="plain")
    gsasl(s, "DIGEST-MD5", "nobody", "-p", "plain-pw", realm)
    s.wait_event("auth.refused", mechanism="DIGEST-MD5", user="nobody")
    gsasl(s, "DIGEST-MD5", "plain", "-p", "plain-pw", "--realm=other.test")
    s.wait_event("auth.refused", mechanism="DIGEST-MD5", count=3)
    assert len(s.events("auth.verified")) == 1
    # A response is good for its own challenge only.
    with s.submission() as c:
        c.ehlo()
        code, challenge = c.docmd("AUTH", "DIGEST-MD5")
        text = base64.b64decode(challenge).decode()
        assert code == 334 and 'qop="auth"' in text and "algorithm=md5-sess" in text
        assert c.docmd("AUTH", "DIGEST-MD5")[0] == 501      # no Base64 inside the exchange
        assert base64.b64decode(c.docmd("AUTH", "DIGEST-MD5")[1]).decode() != text
        assert c.docmd("*")[0] == 501


# ---- bearer tokens (RFC 7628) ----------------------------------------------------------------

class Introspection(http.server.BaseHTTPRequestHandler):
    """RFC 7662 for the client postroad:client-pw."""
    tokens = {"good+/=": {"active": True, "username": "tom", "scope": "openid mail"},
              "virtual": {"active": True, "username": "jerry@magedu.test", "scope": "mail"},
              "narrow": {"active": True, "username": "tom", "scope": "calendar"},
              "late": {"active": True, "username": "tom", "scope": "mail", "exp": 1000},
              "stranger": {"active": True, "username": "eve", "scope": "mail"}}
    asked = []

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        token = form["token"][0]
        self.asked.append(token)
        if token == "slow":
            time.sleep(3)
        right = "Basic " + base64.b64encode(b"postroad:client-pw").decode()
        body = b"{" if token == "garbage" else json.dumps(self.tokens.get(token, {"active": False})).encode()
        self.send_response(200 if self.headers["Authorization"] == right else 401)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def introspection():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Introspection)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture
def token_server(postroad, introspection, tmp_path, request):
    (tmp_path / "secret").write_text("client-pw\n")
    s = postroad(users=USERS, config=config(f"""
oauth {{ introspection = "http://127.0.0.1:{introspection}/" client = "postroad" scope = "mail"
         secret-file = "{tmp_path}/secret" timeout = "1s" }}
accounts system {{ type = "file" }}
accounts virtual {{ type = "sqlite" path = "virtual.db" }}""", mechanisms=getattr(request, "param", ALL)), start=False)
    s.ctl("domain", "add", "magedu.test")
    s.ctl("user", "--locked", "add", "closed@magedu.test")
    s.ctl("user", "add", "jerry@magedu.test", input=b"jerry-pw\n")
    return s.start()


def bearer(s, mechanism, user, token, dummy=b"\x01"):
    """The codes of the exchange, and what the challenge says."""
    message = (f"user={user}\x01auth=Bearer {token}\x01\x01" if mechanism == "XOAUTH2" else
               f"n,{'a=' + user if user else ''},\x01host=mail.hehuan.test\x01auth=Bearer {token}\x01\x01")
    with s.submission() as c:
        c.ehlo()
        code, text = c.docmd("AUTH", f"{mechanism} {base64.b64encode(message.encode()).decode()}")
        if code != 334:
            return code, None
        return c.docmd(base64.b64encode(dummy).decode())[0], json.loads(base64.b64decode(text))


@pytest.mark.parametrize("mechanism", ["OAUTHBEARER", "XOAUTH2"])
def test_bearer_tokens(token_server, mechanism):
    s = token_server
    assert bearer(s, mechanism, "tom", "good+/=")[0] == 235
    assert s.wait_event("auth.verified", mechanism=mechanism)["user"] == "tom"
    assert bearer(s, mechanism, "jerry@magedu.test", "virtual")[0] == 235
    assert bearer(s, mechanism, "plain", "good+/=")[0] == 535          # another's name
    assert bearer(s, mechanism, "eve", "stranger")[0] == 535           # nobody here
    for token, status in (("unknown", "invalid_token"), ("late", "invalid_token"),
                          ("narrow", "insufficient_scope")):
        assert bearer(s, mechanism, "tom", token) == (535, {"status": status, "scope": "mail"})
    assert bearer(s, mechanism, "tom", "garbage")[0] == 454
    assert bearer(s, mechanism, "tom", "slow")[0] == 454
    assert bearer(s, mechanism, "tom", "bad token")[0] == 535          # never asked about
    assert "bad token" not in Introspection.asked
    text = s.events_path.read_text()
    assert "good+/=" not in text and base64.b64encode(b"good+/=").decode() not in text


def test_bearer_messages_that_are_wrong(token_server):
    with token_server.submission() as c:
        c.ehlo()
        for message in (b"", b"n,,", b"n,,\x01", b"n,,\x01\x01", b"n,,\x01auth=Bearer good\x01",
                        b"p=tls-unique,,\x01auth=Bearer x\x01\x01", b"n,a=to=m,\x01auth=Bearer x\x01\x01",
                        b"n,,\x01auth=Basic x\x01\x01", b"n,,\x01auth=Bearer x\x01auth=Bearer y\x01\x01",
                        b"n,,\x01auth=Bearer x\x01\x01more", b"user=tom\x01auth=Bearer x\x01\x01"):
            text = base64.b64encode(message).decode() or "="
            assert c.docmd("AUTH", f"OAUTHBEARER {text}")[0] == 535, message
        assert c.docmd("AUTH", "OAUTHBEARER")[0] == 334                # client first, later
        assert c.docmd("*")[0] == 501


def test_curl_with_a_token(token_server):
    s = token_server
    (s.dir / "m").write_text("Subject: x\r\n\r\nx\r\n")
    done = subprocess.run(
        ["curl", "-sS", "--user", "jerry@magedu.test", "--oauth2-bearer", "virtual",
         "--mail-from", "jerry@magedu.test", "--mail-rcpt", "tom@hehuan.test",
         "-T", s.dir / "m", f"smtp://127.0.0.1:{s.submission_port}/a.test"], capture_output=True,
        timeout=20)
    assert done.returncode == 0, done.stderr
    s.wait_event("auth.verified", mechanism="OAUTHBEARER", user="jerry@magedu.test")


# ---- GSSAPI (RFC 4752) -----------------------------------------------------------------------

class Kdc(Server):
    """The realm HEHUAN.TEST with the principals tom and stranger, and our services' keys."""

    def __init__(self):
        super().__init__("kdc")
        [self.port] = free_ports(1)
        (self.dir / "krb5.conf").write_text(f"""
[libdefaults]
 default_realm = HEHUAN.TEST
 dns_lookup_kdc = false
 dns_lookup_realm = false
 rdns = false
 dns_canonicalize_hostname = false
[realms]
 HEHUAN.TEST = {{
  kdc = 127.0.0.1:{self.port}
 }}
""")
        (self.dir / "kdc.conf").write_text(f"""
[kdcdefaults]
 kdc_listen = 127.0.0.1:{self.port}
 kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
 HEHUAN.TEST = {{
  database_name = {self.dir}/principal
  key_stash_file = {self.dir}/stash
  acl_file = {self.dir}/acl
 }}
""")
        self.env = {"KRB5_CONFIG": f"{self.dir}/krb5.conf", "KRB5_KDC_PROFILE": f"{self.dir}/kdc.conf",
                    "KRB5CCNAME": f"{self.dir}/cache", "KRB5RCACHENAME": "none:"}
        self.call("kdb5_util", "create", "-s", "-P", "master")
        for who in ("tom", "stranger"):
            self.call("kadmin.local", "-q", f"addprinc -pw {who}-ticket {who}")
        for service in ("smtp", "pop", "imap"):
            self.call("kadmin.local", "-q", f"addprinc -randkey {service}/mail.hehuan.test")
            self.call("kadmin.local", "-q", f"ktadd -k {self.dir}/keytab {service}/mail.hehuan.test")
        self.run("krb5kdc", "-n", env={**os.environ, **self.env})
        wait_for(lambda: subprocess.run(["kinit", "tom"], input=b"tom-ticket\n", capture_output=True,
                                        env={**os.environ, **self.env}, check=False).returncode == 0,
                 20, "the KDC")

    def call(self, *command, text=""):
        return subprocess.run(command, input=text.encode(), check=True, capture_output=True,
                              env={**os.environ, **self.env})


@pytest.fixture
def kdc():
    server = Kdc()
    yield server
    server.close()


def test_gssapi(postroad, kdc):
    s = postroad(users=USERS, config=config(auth=f'keytab = "{kdc.dir}/keytab"'), start=False)
    # libgssapi keeps some octets of a context that was refused.
    (s.dir / "known").write_text("leak:libgssapi_krb5\n")
    s.start(env={**kdc.env, "LSAN_OPTIONS": f"suppressions={s.dir}/known:print_suppressions=0"})
    status, out = gsasl(s, "GSSAPI", "tom", "-z", "tom", env=kdc.env)
    assert status == 0 and s.events("auth.verified", mechanism="GSSAPI", user="tom"), out
    status, out = gsasl(s, "GSSAPI", "tom", "-z", "plain", env=kdc.env)
    assert s.wait_event("auth.refused", mechanism="GSSAPI")["why"] == "may not act as another", out
    kdc.call("kinit", "stranger", text="stranger-ticket\n")
    gsasl(s, "GSSAPI", "stranger", "-z", "stranger", env=kdc.env)
    s.wait_event("auth.refused", mechanism="GSSAPI", count=2)
    with s.submission() as c:
        c.ehlo()
        for garbage in ("=", "AAAA", base64.b64encode(os.urandom(600)).decode()):
            code = c.docmd("AUTH", f"GSSAPI {garbage}")[0]
            assert code in (535, 334)
            if code == 334:
                assert c.docmd("*")[0] == 501
    assert len(s.events("auth.verified")) == 1
