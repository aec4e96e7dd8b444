# Routes for some domains, and a program that takes mail (conformance/scenarios/relay/transport-*).
mkdir -p "$STATE/piped"
chmod 777 "$STATE/piped"
cp "$WORLD/deliver" "$STATE"
cat >"$STATE/etc/transport" <<EOF
routed.test      smtp:[192.0.2.30]:2525
.below.test      smtp:exchangers.test
ann@hehuan.test  smtp:[192.0.2.32]
lmtp.test        lmtp:inet:192.0.2.31:24
pipe.test        program:
discard.test     discard:
error.test       error:5.1.6 the company was closed
retry.test       retry:4.3.0 not today
*                smtp:[192.0.2.33]
EOF
cat >>"$STATE/etc/main.cf" <<EOF
transport_maps = texthash:$STATE/etc/transport
program_destination_recipient_limit = 1
EOF
for domain in $DOMAINS; do echo "$domain virtual:"; done >>"$STATE/etc/transport"
cat >>"$STATE/etc/master.cf" <<EOF
program   unix  -       n       n       -       -       pipe
    flags=DRh user=vmail argv=$STATE/deliver $STATE/piped \${user}
EOF
