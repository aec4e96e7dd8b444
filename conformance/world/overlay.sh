# Sourced first by a script of a target whose packages are unpacked under $INSTALLED: runs the
# script in a mount namespace of its own in which these files lie over the system's, so that servers
# whose packages exclude each other can stand on one machine. Users that the packages would have
# made are added to a private /etc/passwd: set NEW_USERS="name:uid ..." before. LAYERS names other
# roots than $INSTALLED, joined by "/usr:".
if [ -z "${OVERLAID:-}" ]; then
    OVERLAID=1
    export OVERLAID
    exec unshare --mount --propagation private /bin/sh -eu "$0"
fi
mount -t overlay overlay -o "lowerdir=${LAYERS:-$INSTALLED}/usr:/usr,ro" /usr
if [ -n "${NEW_USERS:-}" ]; then
    if [ ! -f "$STATE/passwd" ]; then
        cp /etc/passwd "$STATE/passwd"
        cp /etc/group "$STATE/group"
        for entry in $NEW_USERS; do
            name=${entry%:*} id=${entry#*:}
            grep -q "^$name:" "$STATE/group" || echo "$name:x:$id:" >>"$STATE/group"
            grep -q "^$name:" "$STATE/passwd" ||
                echo "$name:x:$id:$id::/nonexistent:/usr/sbin/nologin" >>"$STATE/passwd"
        done
    fi
    mount --bind "$STATE/passwd" /etc/passwd
    mount --bind "$STATE/group" /etc/group
fi
