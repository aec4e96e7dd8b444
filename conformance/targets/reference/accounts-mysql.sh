# The world's accounts in a MariaDB of our own, on a socket.
if [ ! -d "$STATE/mysql" ]; then
    mariadb-install-db --no-defaults --datadir="$STATE/mysql" --auth-root-authentication-method=normal \
        --skip-test-db --user=root --force >"$STATE/mysql.log" 2>&1
fi
mariadbd --no-defaults --datadir="$STATE/mysql" --socket="$STATE/mysql.sock" --skip-networking --user=root \
    --pid-file="$STATE/mysql.pid" --innodb-buffer-pool-size=8M >>"$STATE/mysql.log" 2>&1 &
client="mariadb --no-defaults --socket=$STATE/mysql.sock -uroot"
for _ in $(seq 100); do ! $client -e 'SELECT 1' >/dev/null 2>&1 || break; sleep 0.1; done
{ cat <<EOF
CREATE DATABASE IF NOT EXISTS mail;
USE mail;
CREATE OR REPLACE USER postroad@localhost IDENTIFIED BY 'db-pw';
GRANT SELECT ON mail.* TO postroad@localhost;
CREATE OR REPLACE TABLE users (name VARCHAR(64) PRIMARY KEY, secret VARCHAR(255));
CREATE OR REPLACE TABLE aliases (name VARCHAR(64), target VARCHAR(128));
INSERT INTO users VALUES ('closed', '!');
INSERT INTO aliases VALUES ('everybody', 'jerry@magedu.test'), ('everybody', 'ann@magedu.test');
EOF
  accounts | while IFS=: read -r user password; do
      echo "INSERT INTO users VALUES ('$user', '{PLAIN}$password');"
  done; } | $client
echo db-pw >"$STATE/mysql.password"
cat >"$STATE/accounts.conf" <<EOF
accounts sql {
    type = "mysql" server = "$STATE/mysql.sock" user = "postroad" database = "mail" tls = false
    password-file = "$STATE/mysql.password"
    user-query = "SELECT name AS user, secret FROM users WHERE name = %n"
    alias-query = "SELECT target FROM aliases WHERE name = %n"
}
EOF
