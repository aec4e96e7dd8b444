# The world's accounts as users of the system, in the private /etc/passwd and an /etc/shadow like it;
# also closed, whose password is locked, and expired, whose account ended in 1970.
crypted() { openssl passwd -6 -salt "${1}salt" "$2"; }
if [ ! -f "$STATE/shadow" ]; then
    cp /etc/shadow "$STATE/shadow"
    chmod 600 "$STATE/shadow"
    number=7301
    { accounts; echo closed:closed-pw; echo expired:expired-pw; } | while IFS=: read -r user password; do
        echo "$user:x:$number:7002::/nonexistent:/bin/sh" >>"$STATE/passwd"
        case $user in
        closed) echo "$user:!$(crypted "$user" "$password"):19000::::::" ;;
        expired) echo "$user:$(crypted "$user" "$password"):100:::::100:" ;;
        *) echo "$user:$(crypted "$user" "$password"):19000::::::" ;;
        esac >>"$STATE/shadow"
        number=$((number + 1))
    done
fi
mount --bind "$STATE/shadow" /etc/shadow
