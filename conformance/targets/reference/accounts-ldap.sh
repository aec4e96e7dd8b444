# The world's accounts in a directory of our own; passwords are checked by binding.
mkdir -p "$STATE/ldap"
cat >"$STATE/slapd.conf" <<EOF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/misc.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile $STATE/slapd.pid
database mdb
suffix dc=magedu,dc=test
directory $STATE/ldap
maxsize 10485760
access to attrs=userPassword by anonymous auth
access to * by * read
EOF
if [ ! -f "$STATE/ldap/data.mdb" ]; then
    { cat <<EOF
dn: dc=magedu,dc=test
objectClass: organization
objectClass: dcObject
o: Magedu
dc: magedu

dn: cn=everybody,dc=magedu,dc=test
objectClass: nisMailAlias
cn: everybody
rfc822MailMember: jerry@magedu.test
rfc822MailMember: ann@magedu.test

dn: uid=closed,dc=magedu,dc=test
objectClass: inetOrgPerson
uid: closed
cn: closed
sn: closed
EOF
      accounts | while IFS=: read -r user password; do
          cat <<EOF

dn: uid=$user,dc=magedu,dc=test
objectClass: inetOrgPerson
uid: $user
cn: $user
sn: $user
userPassword: $password
EOF
      done; } | slapadd -f "$STATE/slapd.conf" -q
fi
slapd -f "$STATE/slapd.conf" -h ldap://127.0.0.1:389 -d 0 >"$STATE/slapd.log" 2>&1 &
for _ in $(seq 100); do ! ldapsearch -x -H ldap://127.0.0.1:389 -b '' -s base >/dev/null 2>&1 || break; sleep 0.1; done
cat >"$STATE/accounts.conf" <<EOF
accounts company {
    type = "ldap" server = "ldap://127.0.0.1" base = "dc=magedu,dc=test" tls = false
    user-query = "(&(objectClass=inetOrgPerson)(uid=%n))" user-attribute = "uid"
    alias-query = "(&(objectClass=nisMailAlias)(cn=%n))" target-attribute = "rfc822MailMember"
}
EOF
