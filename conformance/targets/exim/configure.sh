# Writes the configuration and the folders; sourced by start.
. "$WORLD/world.sh"
umask 022
mkdir -p "$STATE/spool" "$STATE/log" "$STATE/mail"
chown Debian-exim:Debian-exim "$STATE/spool" "$STATE/log" "$STATE/mail"
accounts | sed 's/\(.*\):.*/\1: \1/' >"$STATE/accounts"   # what is looked up is safe in a path
grep -v '^#' "$WORLD/aliases" >"$STATE/aliases"

# What a profile changes; empty is the default.
relay_to= size=50M recipients=0 lists= client_waits= life=1h tls=
scanners= at_connect= at_mail= at_data= routers= transports= reinjection= relay_check= early=false pipeconnect=
spamd=192.0.2.30 clamd=192.0.2.30
case $PROFILE in spamassassin|clamav) spamd=127.0.0.1 clamd=127.0.0.1 ;; esac
case $PROFILE in
small) size=100000 recipients=100 ;;
unlimited) size=0 ;;
impatient) client_waits='  command_timeout = 1s
  data_timeout = 1s
  final_timeout = 1s' ;;
backup) relay_to=hehuan.test ;;
dnsbl) lists='  deny dnslists = bl.test
       message = listed by $dnslist_domain: $dnslist_text
  deny dnslists = dbl.test/$sender_address_domain
       condition = ${if def:sender_address_domain}' ;;
policy) at_data='  deny condition = ${if match{$h_Subject:}{\N(?i)cheap pills\N}}'
    lists='  deny hosts = <; 198.51.100.64/26 ; 2001:db8:100:bad::/64
  deny hosts = +ignore_unknown : *.dsl.example
  deny condition = ${if eqi{$sender_helo_name}{spammer.example}}
  deny senders = !friend@blocked.example : *@blocked.example : annoying@other.example
  deny recipients = bob@second.test
  deny recipients = tom@magedu.test
       senders = *@ads.example' ;;
masks) lists='  deny dnslists = bm.test&0.0.0.2 : bm.test&0.0.0.4' ;;
names) lists='  deny !verify = reverse_host_lookup
  deny !verify = helo' ;;
scores) early=true at_connect='  accept delay = 1s'
    lists='  warn dnslists = bl.test
       set acl_m_score = ${eval:0$acl_m_score+2}
  warn dnslists = bm.test=127.0.0.4,127.0.0.5,127.0.0.6,127.0.0.7,127.0.0.8
       set acl_m_score = ${eval:0$acl_m_score+1}
  deny !dnslists = wl.test
       condition = ${if >={0$acl_m_score}{3}}' ;;
layers) scanners='spamd_address = 192.0.2.30 783 tmo=2s
av_scanner = clamd:192.0.2.30 3310'
    early=true at_connect='  accept delay = 1s'
    at_mail='  defer condition = ${if match_ip{$sender_host_address}{198.51.100.37}}
       ratelimit = 3 / 1h / per_mail / strict'
    at_data='  deny spam = nobody/defer_ok
       condition = ${if >={$spam_score_int}{80}}
  deny malware = */tmo=2s/defer_ok'
    lists='  deny hosts = <; 198.51.100.64/26
  deny !verify = reverse_host_lookup
  deny condition = ${if !match{$sender_helo_name}{\\N\\.\\N}}
  deny dnslists = bl.test : dbl.test/$sender_address_domain : dbl.test/$sender_helo_name : dbl.test/$sender_host_name
  deny senders = *@blocked.example
  deny recipients = tom@magedu.test
       senders = *@ads.example
  defer hosts = *.dynamic.example
       !seen = -2s / key=$sender_host_address $sender_address $local_part@$domain' ;;
spamd|spamd-defer|spamd-accept|spamassassin) scanners="spamd_address = $spamd 783 tmo=2s"
    [ "$PROFILE" = spamd-accept ] && ok=/defer_ok || ok=
    at_data="  accept spam = nobody$ok
       add_header = X-Spam-Flag: YES" ;;
clamd|clamav|clamd-accept) scanners="av_scanner = clamd:$clamd 3310"
    [ "$PROFILE" = clamd-accept ] && ok=/defer_ok || ok=
    at_data="  deny malware = */tmo=2s$ok" ;;
hold-scan) at_data='  accept control = freeze/no_tell' ;;
amavis|content-filter)
    there=192.0.2.30 here=192.0.2.1
    [ "$PROFILE" = content-filter ] || there=127.0.0.1 here=127.0.0.1
    reinjection=" ; [$here]:10025"
    routers="
content_filter:
  driver = manualroute
  condition = \${if !eq{\$received_port}{10025}}
  # bounces are its own
  condition = \${if !eq{\$received_protocol}{local}}
  no_verify
  transport = content_filter
  route_list = * $there
  self = send
"
    transports="
content_filter:
  driver = smtp
  port = 10024
  allow_localhost
  connect_timeout = 2s
  hosts_try_fastopen =
" ;;
short-life) life=3s ;;
transports) . "$FOLDER/transports.sh" ;;
tls) . "$WORLD/certificates.sh"
    # Exim reads the key as its own user
    cp "$CERTIFICATES/mx.pem" "$CERTIFICATES/mx.key" "$STATE/"
    chown Debian-exim "$STATE/mx.key"
    tls="tls_advertise_hosts = *
tls_certificate = $STATE/mx.pem
tls_privatekey = $STATE/mx.key" ;;
esac
# with it a client may speak before the greeting
[ "$early" = false ] || pipeconnect="
pipelining_connect_advertise_hosts ="
[ -n "$tls" ] || tls='tls_advertise_hosts ='

cat >"$STATE/exim.conf" <<EOF
primary_hostname = $HOST_NAME
domainlist local_domains = $(echo $DOMAINS | sed 's/ / : /g') : @[]
domainlist relay_to_domains = $relay_to
hostlist relay_from_hosts = <; $TRUSTED ; $TRUSTED6${reinjection:+ ; 127.0.0.1 ; 192.0.2.30}
local_interfaces = <; [$ADDRESS]:25 ; [$ADDRESS]:587 ; [$ADDRESS6]:25 ; [$ADDRESS6]:587$reinjection
spool_directory = $STATE/spool
log_file_path = $STATE/log/%slog
pid_file_path = $STATE/exim.pid
# Everything under one user: the configuration is not the one that was compiled in, so that Exim
# would give up root anyway.
deliver_drop_privilege = true
never_users =
trusted_users = Debian-exim
$scanners
acl_smtp_connect = acl_check_connect
acl_smtp_mail = acl_check_mail
acl_smtp_rcpt = acl_check_rcpt
acl_smtp_data = acl_check_data
acl_smtp_vrfy = accept
qualify_domain = magedu.test
allow_domain_literals = true
message_size_limit = $size
recipients_max = $recipients
recipients_max_reject = false
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
smtp_enforce_sync = $early$pipeconnect
smtp_max_synprot_errors = 1000
smtp_max_unknown_commands = 1000
host_lookup =
rfc1413_query_timeout = 0s
dsn_advertise_hosts = *
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
accept_8bitmime = true
bounce_return_size_limit = 100K
ignore_bounce_errors_after = 2d
timeout_frozen_after = 7d
delay_warning =
keep_environment =
$tls

begin acl

acl_check_connect:
$at_connect
  accept

acl_check_mail:
  deny condition = \${if eq{\$received_port}{587}}
       !hosts = +relay_from_hosts
       message = submission is for our users
$at_mail
  accept

acl_check_data:
$at_data
  accept

acl_check_rcpt:
  accept hosts = +relay_from_hosts
         control = submission/sender_retain
$relay_check
$lists
  require message = relay not permitted
          domains = +local_domains : +relay_to_domains
  accept domains = +relay_to_domains
  require verify = recipient
  accept

begin routers
$routers
literal:
  driver = ipliteral
  domains = ! +local_domains
  transport = remote_smtp

dnslookup:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote_smtp
  self = fail
  no_more

aliases:
  driver = redirect
  data = \${lookup{\$local_part}lsearch{$STATE/aliases}}
  qualify_domain = magedu.test

account:
  driver = accept
  local_parts = lsearch;$STATE/accounts
  transport = maildir
  cannot_route_message = Unknown user

begin transports
$transports
remote_smtp:
  driver = smtp
  interface = <; $ADDRESS ; $ADDRESS6
  connect_timeout = 2s
  # with it a host that swallows packets would be waited for at its greeting, for minutes
  hosts_try_fastopen =
$client_waits

maildir:
  driver = appendfile
  directory = $STATE/mail/\$local_part_data
  maildir_format
  create_directory
  return_path_add
  mode = 0600

begin retry

* * F,$life,1s

begin rewrite
EOF
chown root "$STATE/exim.conf"
chmod 644 "$STATE/exim.conf"
