# The world's accounts as virtual users of magedu.test, in SQLite; also closed, which is disabled, expired,
# and small, which may have 20000 octets.
db=$STATE/virtual.db
if [ ! -f "$db" ]; then
    { echo address,secret,quota,expires,disabled
      accounts | while IFS=: read -r user password; do echo "$user@magedu.test,{PLAIN}$password,,,"; done
      echo 'closed@magedu.test,{PLAIN}closed-pw,,,1'
      echo 'expired@magedu.test,{PLAIN}expired-pw,,2001-01-01,'
      echo 'small@magedu.test,{PLAIN}small-pw,20000,,'; } >"$STATE/accounts.csv"
    "$BIN/postroad" user --db "$db" import csv "$STATE/accounts.csv"
    "$BIN/postroad" alias --db "$db" add everybody@magedu.test jerry@magedu.test ann@magedu.test
fi
cat >"$STATE/accounts.conf" <<CONF
accounts virtual { type = "sqlite" path = "$db" default-domain = "magedu.test" }
CONF
