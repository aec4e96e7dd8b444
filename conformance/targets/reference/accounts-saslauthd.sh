. "$FOLDER/accounts-system.sh"
mkdir -p "$STATE/saslauthd"
setpriv --pdeathsig KILL saslauthd -d -a shadow -n 2 -m "$STATE/saslauthd" >"$STATE/saslauthd.log" 2>&1 &
for _ in $(seq 100); do [ ! -S "$STATE/saslauthd/mux" ] || break; sleep 0.05; done
cat >"$STATE/accounts.conf" <<CONF
accounts system { type = "saslauthd" path = "$STATE/saslauthd/mux" }
CONF
