# Routes for some domains, and a program that takes mail (conformance/scenarios/relay/transport-*).
mkdir -p "$STATE/piped"
chmod 777 "$STATE/piped"
cp "$WORLD/deliver" "$STATE"
# what is looked up is safe in a command
printf '%s: %s\n' tom tom busy busy unknown unknown >"$STATE/programs"
routers="
one_address:
  driver = manualroute
  local_parts = ann
  domains = hehuan.test
  transport = remote_smtp
  route_list = * 192.0.2.32
routed:
  driver = manualroute
  domains = routed.test
  transport = remote_smtp
  route_list = * 192.0.2.30::2525
below:
  driver = manualroute
  domains = *.below.test
  transport = remote_smtp
  route_list = * exchangers.test/MX
lmtp:
  driver = manualroute
  domains = lmtp.test
  transport = lmtp_tcp
  route_list = * 192.0.2.31
program:
  driver = accept
  domains = pipe.test
  local_parts = lsearch;$STATE/programs
  transport = program
discard:
  driver = redirect
  domains = discard.test
  data = :blackhole:
error:
  driver = redirect
  domains = error.test
  allow_fail
  data = :fail: 550 5.1.6 the company was closed
retry:
  driver = redirect
  domains = retry.test
  allow_defer
  data = :defer: not today
smart_host:
  driver = manualroute
  domains = ! +local_domains
  transport = remote_smtp
  route_list = * 192.0.2.33
"
transports="
lmtp_tcp:
  driver = smtp
  protocol = lmtp
  port = 24
  hosts_try_fastopen =
program:
  driver = pipe
  command = $STATE/deliver $STATE/piped \$local_part_data
  return_path_add
  delivery_date_add
"
# what cannot be routed is refused at RCPT
relay_check='         endpass
         verify = recipient'
