# Tickets and tokens beside passwords; sourced by configure.sh for the profile file.
. "$WORLD/filters.sh"
. "$WORLD/identity.sh"
chown dovecot "$STATE/keytab"
echo 'closed:!::::::' >>"$STATE/users"
cat >"$STATE/oauth2.conf" <<CONF
introspection_mode = post
introspection_url = http://postroad:client-pw@127.0.0.1:8014/
active_attribute = active
active_value = true
username_attribute = username
scope = mail
CONF
cat >>"$STATE/dovecot.conf" <<CONF
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256 gssapi oauthbearer xoauth2
auth_realms = $HOST_NAME
auth_krb5_keytab = $STATE/keytab
auth_gssapi_hostname = $HOST_NAME
import_environment = KRB5_CONFIG KRB5RCACHENAME
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = $STATE/oauth2.conf
}
CONF
# Whom the file does not know is nobody, whatever his token says.
sed -i '/^userdb {/,/^}/d' "$STATE/dovecot.conf"
cat >>"$STATE/dovecot.conf" <<CONF
userdb {
  driver = passwd-file
  args = username_format=%n $STATE/users
  override_fields = uid=vmail gid=vmail home=$STATE/mail/%n
}
CONF
