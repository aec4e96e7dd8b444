# Writes the configuration; sourced by start.
. "$WORLD/world.sh"
mkdir -p "$STATE/mail" "$STATE/run"
chown vmail:vmail "$STATE/mail"
accounts | while IFS=: read -r user password; do
    echo "$user:{PLAIN}$password::::::"
done >"$STATE/users"
index=
if [ "$PROFILE" = no-index ]; then index=:INDEX=MEMORY; fi
cat >"$STATE/dovecot.conf" <<EOF
base_dir = $STATE/run
state_dir = $STATE/run
protocols = imap pop3 lmtp
listen = $ADDRESS, $ADDRESS6
hostname = $HOST_NAME
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5
auth_username_format = %Ln
log_path = $STATE/dovecot.log
mail_location = maildir:$STATE/mail/%n$index
mail_uid = vmail
mail_gid = vmail
first_valid_uid = 7103
default_internal_user = dovecot
default_login_user = dovenull
default_internal_group = dovecot
login_trusted_networks =
auth_failure_delay = 0
mail_max_userip_connections = 100
lmtp_save_to_detail_mailbox = no
passdb {
  driver = passwd-file
  args = username_format=%n $STATE/users
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=$STATE/mail/%n
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Drafts {
    special_use = \\Drafts
  }
  mailbox Sent {
    special_use = \\Sent
  }
}
service lmtp {
  inet_listener lmtp {
    address = ${LMTP_AT:-$ADDRESS $ADDRESS6}
    port = 24
  }
}
# No growing delay after wrong passwords: all clients of a lab come from a few addresses.
service anvil {
  chroot =
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
EOF
if [ "$PROFILE" = tls ] || [ "$PROFILE" = file ]; then
    . "$WORLD/certificates.sh"
    cat >>"$STATE/dovecot.conf" <<EOF
ssl = yes
ssl_cert = <$CERTIFICATES/mx.pem
ssl_key = <$CERTIFICATES/mx.key
disable_plaintext_auth = yes
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
EOF
fi
if [ "$PROFILE" = file ]; then . "$FOLDER/file.sh"; fi
if [ -f "$FOLDER/$PROFILE.conf" ]; then cat "$FOLDER/$PROFILE.conf" >>"$STATE/dovecot.conf"; fi
