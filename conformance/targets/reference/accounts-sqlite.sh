# The world's accounts as virtual users of magedu.test, in SQLite.
db=$STATE/virtual.db
if [ ! -f "$db" ]; then
    { echo address,secret
      accounts | while IFS=: read -r user password; do echo "$user@magedu.test,{PLAIN}$password"; done
      echo 'closed@magedu.test,!'; } >"$STATE/accounts.csv"
    "$BIN/postroad" user --db "$db" import csv "$STATE/accounts.csv"
    "$BIN/postroad" alias --db "$db" add everybody@magedu.test jerry@magedu.test ann@magedu.test
fi
cat >"$STATE/accounts.conf" <<EOF
accounts virtual { type = "sqlite" path = "$db" default-domain = "magedu.test" }
EOF
