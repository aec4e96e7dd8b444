# The world's accounts in a directory of our own; also closed, which is disabled, expired, and small, which
# may have 20000 octets. Passwords are checked by binding; for the profile ldap-secret the directory shows
# them.
shows=auth plain= secret=
if [ "$PROFILE" = ldap-secret ]; then
    shows=read plain='{PLAIN}'
    secret='secret-attribute = "userPassword"'
fi
mkdir -p "$STATE/ldap"
cat >"$STATE/slapd.conf" <<EOF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/misc.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile $STATE/slapd.pid
database mdb
suffix dc=magedu,dc=test
directory $STATE/ldap
maxsize 10485760
access to attrs=userPassword by anonymous $shows
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
employeeType: disabled
userPassword: ${plain}closed-pw

dn: uid=expired,dc=magedu,dc=test
objectClass: inetOrgPerson
objectClass: shadowAccount
uid: expired
cn: expired
sn: expired
shadowExpire: 11323
userPassword: ${plain}expired-pw

dn: uid=small,dc=magedu,dc=test
objectClass: inetOrgPerson
uid: small
cn: small
sn: small
employeeNumber: 20000
userPassword: ${plain}small-pw
EOF
      accounts | while IFS=: read -r user password; do
          cat <<EOF

dn: uid=$user,dc=magedu,dc=test
objectClass: inetOrgPerson
uid: $user
cn: $user
sn: $user
userPassword: $plain$password
EOF
      done; } | slapadd -f "$STATE/slapd.conf" -q
fi
setpriv --pdeathsig KILL slapd -f "$STATE/slapd.conf" -h ldap://127.0.0.1:389 -d 0 >"$STATE/slapd.log" 2>&1 &
for _ in $(seq 100); do ! ldapsearch -x -H ldap://127.0.0.1:389 -b '' -s base >/dev/null 2>&1 || break; sleep 0.03; done
cat >"$STATE/accounts.conf" <<EOF
accounts company {
    type = "ldap" server = "ldap://127.0.0.1" base = "dc=magedu,dc=test" tls = false
    user-query = "(&(objectClass=inetOrgPerson)(uid=%n))" user-attribute = "uid"
    quota-attribute = "employeeNumber" disabled-attribute = "employeeType" $secret
    alias-query = "(&(objectClass=nisMailAlias)(cn=%n))" target-attribute = "rfc822MailMember"
}
EOF
