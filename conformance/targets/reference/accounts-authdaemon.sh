# Courier's authdaemond with its own database of users; closed has no password there.
. "$FOLDER/accounts-system.sh"
mkdir -p "$STATE/courier" "$STATE/run/courier/authdaemon"
cat >"$STATE/courier/authdaemonrc" <<CONF
authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=2
authdaemonvar=/run/courier/authdaemon
DEBUG_LOGIN=0
DEFAULTOPTIONS=""
LOGGEROPTS=""
CONF
{ echo "closed	uid=7305|gid=7002|home=/nonexistent"
  accounts | while IFS=: read -r user password; do
      echo "$user	uid=7301|gid=7002|home=/nonexistent|systempw=$(crypted "$user" "$password")"
  done; } >"$STATE/courier/userdb"
chmod 600 "$STATE/courier/userdb" "$STATE/courier/authdaemonrc"
mount --bind "$STATE/courier" /etc/courier
mount --bind "$STATE/run" /run
makeuserdb
(set -a; . /etc/courier/authdaemonrc
 exec setpriv --pdeathsig KILL /usr/lib/courier/courier-authlib/authdaemond) >"$STATE/authdaemond.log" 2>&1 &
for _ in $(seq 100); do [ ! -S /run/courier/authdaemon/socket ] || break; sleep 0.05; done
cat >"$STATE/accounts.conf" <<CONF
accounts courier { type = "authdaemon" }
CONF
