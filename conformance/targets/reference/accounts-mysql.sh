# The world's accounts in a MariaDB of our own, on a socket; also closed, which is disabled, expired, and
# small, which may have 20000 octets.
# The empty database takes seconds to make: once for all labs.
empty=${BIN%/*}/stores/mysql
if [ ! -d "$STATE/mysql" ]; then
    mkdir -p "${empty%/*}"
    (
        flock 9
        [ -d "$empty" ] || {
            rm -rf "$empty.new"
            mariadb-install-db --no-defaults --datadir="$empty.new" --auth-root-authentication-method=normal \
                --skip-test-db --user=root --force --innodb-log-file-size=4M >"$STATE/mysql.log" 2>&1
            mv "$empty.new" "$empty"
        }
    ) 9>"$empty.lock"
    cp -r "$empty" "$STATE/mysql"
fi
setpriv --pdeathsig KILL mariadbd --no-defaults --datadir="$STATE/mysql" --socket="$STATE/mysql.sock" --skip-networking --user=root \
    --pid-file="$STATE/mysql.pid" --innodb-buffer-pool-size=8M --innodb-log-file-size=4M --innodb-flush-log-at-trx-commit=0 >>"$STATE/mysql.log" 2>&1 &
client="mariadb --no-defaults --socket=$STATE/mysql.sock -uroot"
for _ in $(seq 100); do ! $client -e 'SELECT 1' >/dev/null 2>&1 || break; sleep 0.03; done
{ cat <<EOF
CREATE DATABASE IF NOT EXISTS mail;
USE mail;
CREATE OR REPLACE USER postroad@localhost IDENTIFIED BY 'db-pw';
GRANT SELECT ON mail.* TO postroad@localhost;
CREATE OR REPLACE TABLE users (name VARCHAR(64) PRIMARY KEY, secret VARCHAR(255), quota BIGINT,
    disabled INT DEFAULT 0, expires BIGINT);
CREATE OR REPLACE TABLE aliases (name VARCHAR(64), target VARCHAR(128));
INSERT INTO users VALUES ('closed', '{PLAIN}closed-pw', NULL, 1, NULL),
    ('expired', '{PLAIN}expired-pw', NULL, 0, 1000000000), ('small', '{PLAIN}small-pw', 20000, 0, NULL);
INSERT INTO aliases VALUES ('everybody', 'jerry@magedu.test'), ('everybody', 'ann@magedu.test');
EOF
  accounts | while IFS=: read -r user password; do
      echo "INSERT INTO users (name, secret) VALUES ('$user', '{PLAIN}$password');"
  done; } | $client
echo db-pw >"$STATE/mysql.password"
cat >"$STATE/accounts.conf" <<EOF
accounts sql {
    type = "mysql" server = "$STATE/mysql.sock" user = "postroad" database = "mail" tls = false
    password-file = "$STATE/mysql.password"
    user-query = "SELECT name AS user, secret, quota, disabled, expires FROM users WHERE name = %n"
    alias-query = "SELECT target FROM aliases WHERE name = %n"
}
EOF
