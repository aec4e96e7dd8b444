# Sourced by `start` of a target that takes bearer tokens and Kerberos tickets, after filters.sh: runs
# an authorization server on 127.0.0.1 port 8014 (introspection) and a KDC of the realm MAGEDU.TEST on
# $ADDRESS port 88. A user's password in the realm is the world's, and $STATE/keytab has the keys of the
# target's services. The runner finds the realm by $STATE/krb5.conf.
KRB5_CONFIG=$STATE/krb5.conf
KRB5_KDC_PROFILE=$STATE/kdc.conf
KRB5RCACHENAME=none:
export KRB5_CONFIG KRB5_KDC_PROFILE KRB5RCACHENAME
cat >"$STATE/krb5.conf" <<CONF
[libdefaults]
 default_realm = MAGEDU.TEST
 dns_lookup_kdc = false
 dns_lookup_realm = false
 udp_preference_limit = 1
 rdns = false
 dns_canonicalize_hostname = false
[realms]
 MAGEDU.TEST = {
  kdc = $ADDRESS:88
 }
CONF
cat >"$STATE/kdc.conf" <<CONF
[kdcdefaults]
 kdc_listen = ""
 kdc_tcp_listen = $ADDRESS:88
[realms]
 MAGEDU.TEST = {
  database_name = $STATE/principal
  key_stash_file = $STATE/stash
  acl_file = $STATE/acl
 }
CONF
if [ ! -f "$STATE/keytab" ]; then
    kdb5_util create -s -P master >/dev/null 2>&1
    {
        { accounts; echo closed:closed-pw; echo expired:expired-pw; } |
            while IFS=: read -r user password; do echo "addprinc -pw $password $user"; done
        for service in smtp pop imap; do
            echo "addprinc -randkey $service/$HOST_NAME"
            echo "ktadd -k $STATE/keytab $service/$HOST_NAME"
        done
    } | kadmin.local >"$STATE/kadmin.log" 2>&1
fi
filter_run introspection 8014 "$WORLD/introspection"
setpriv --pdeathsig KILL krb5kdc -n >"$STATE/kdc.log" 2>&1 &
echo client-pw >"$STATE/client.password"
