# Routes for some domains, and a program that takes mail (conformance/scenarios/relay/transport-*).
mkdir -p "$STATE/piped"
chmod 777 "$STATE/piped"
cp "$WORLD/deliver" "$STATE"
cat >"$STATE/transports.conf" <<EOF
transport "routed.test"      { to = "smtp:[192.0.2.30]:2525" }
transport ".below.test"      { to = "smtp:exchangers.test" }
transport "ann@hehuan.test"  { to = "smtp:[192.0.2.32]" }
transport "lmtp.test"        { to = "lmtp:[192.0.2.31]:24" }
transport "pipe.test"        { to = "pipe:$STATE/deliver $STATE/piped {user}" }
transport "discard.test"     { to = "discard" }
transport "error.test"       { to = "error:5.1.6 the company was closed" }
transport "retry.test"       { to = "retry:4.3.0 not today" }
transport "*"                { to = "smtp:[192.0.2.33]" }
program-folders = {"$STATE/piped"}
EOF
