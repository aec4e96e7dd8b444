. "$FOLDER/accounts-system.sh"
cat >"$STATE/accounts.conf" <<CONF
accounts system { type = "passwd" }
CONF
