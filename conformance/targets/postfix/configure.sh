# Writes the configuration and the folders; sourced by start.
. "$WORLD/world.sh"
umask 022
mkdir -p "$STATE/etc" "$STATE/spool" "$STATE/data" "$STATE/mail"
chown postfix "$STATE/data"
chown vmail:vmail "$STATE/mail"

for domain in $DOMAINS; do
    accounts | while IFS=: read -r user password; do
        echo "$user@$domain $user/"
    done
done >"$STATE/etc/mailboxes"
grep -v '^#' "$WORLD/aliases" | while IFS=: read -r name targets; do
    for domain in $DOMAINS; do
        printf '%s@%s' "$name" "$domain"
        for target in $(echo "$targets" | tr , ' '); do
            printf ' %s@%s' "$target" "${DOMAINS%% *}"
        done
        echo
    done
done >"$STATE/etc/virtual"
if [ "$PROFILE" = file ]; then
    echo everybody@magedu.test jerry@magedu.test, ann@magedu.test >>"$STATE/etc/virtual"
fi

cat >"$STATE/etc/main.cf" <<EOF
compatibility_level = 3.6
queue_directory = $STATE/spool
data_directory = $STATE/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = $STATE/etc
mail_owner = postfix
setgid_group = postdrop
maillog_file = $STATE/mail.log
maillog_file_prefixes = $STATE
myhostname = $HOST_NAME
mydomain = magedu.test
myorigin = magedu.test
mydestination =
inet_interfaces = $ADDRESS, $ADDRESS6
inet_protocols = all
smtp_bind_address = $ADDRESS
smtp_bind_address6 = $ADDRESS6
mynetworks = $TRUSTED, [${TRUSTED6%/*}]/${TRUSTED6#*/}
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = $DOMAINS
virtual_mailbox_maps = texthash:$STATE/etc/mailboxes
virtual_alias_maps = texthash:$STATE/etc/virtual
virtual_mailbox_base = $STATE/mail
virtual_uid_maps = static:7103
virtual_gid_maps = static:7103
# What a lab needs: no waiting, and retries within seconds.
smtpd_error_sleep_time = 0
smtp_connect_timeout = 2s
minimal_backoff_time = 1s
maximal_backoff_time = 4s
queue_run_delay = 1s
transport_retry_time = 1s
smtp_destination_concurrency_failed_cohort_limit = 0
smtpd_client_connection_count_limit = 0
EOF
if [ -f "$FOLDER/$PROFILE.cf" ]; then cat "$FOLDER/$PROFILE.cf" >>"$STATE/etc/main.cf"; fi
cp "$FOLDER/master.cf" "$STATE/etc/master.cf"
if [ -f "$FOLDER/$PROFILE.master" ]; then cat "$FOLDER/$PROFILE.master" >>"$STATE/etc/master.cf"; fi
if [ -f "$FOLDER/$PROFILE.master.cf" ]; then    # services in place of those of the same name
    sed -i '/^smtp      inet/d' "$STATE/etc/master.cf"
    cat "$FOLDER/$PROFILE.master.cf" >>"$STATE/etc/master.cf"
fi
if [ "$PROFILE" = transports ]; then . "$FOLDER/transports.sh"; fi
relay_tls=may; [ "$PROFILE" != tls-demanded ] || relay_tls=encrypt
[ "$PROFILE" != smart-host-tls ] || relay_tls=secure
case $PROFILE in tls|file|tls-demanded|smart-host-tls)
    . "$WORLD/certificates.sh"
    cat >>"$STATE/etc/main.cf" <<EOF
smtpd_tls_chain_files = $CERTIFICATES/mx.key, $CERTIFICATES/mx.pem
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtp_tls_security_level = $relay_tls
smtp_tls_CAfile = $CERTIFICATES/ca.pem
smtp_tls_secure_cert_match = nexthop
EOF
esac
# What "postfix start-fg" does, without its look through the whole installation.
cd "$STATE/spool"
mkdir -p active bounce corrupt defer deferred flush hold incoming private saved trace maildrop \
         public pid
chown postfix active bounce corrupt defer deferred flush hold incoming private saved trace
chown postfix:postdrop maildrop public
chmod 700 active bounce corrupt defer deferred flush hold incoming private saved trace
chmod 1730 maildrop
chmod 2710 public
# Postfix waits until its files are a second old before it believes what it reads in them.
touch -d '1 minute ago' "$STATE"/etc/*
