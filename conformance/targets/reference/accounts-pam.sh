# PAM with the modules that Debian's services have.
. "$FOLDER/accounts-system.sh"
mkdir -p "$STATE/pam"
cat >"$STATE/pam/postroad" <<CONF
auth required pam_unix.so
account required pam_unix.so
CONF
cat >"$STATE/accounts.conf" <<CONF
accounts system { type = "pam" directory = "$STATE/pam" }
CONF
