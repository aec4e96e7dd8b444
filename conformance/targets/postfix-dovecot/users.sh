NEW_USERS="postfix:7101 postdrop:7102 vmail:7103 dovecot:7201 dovenull:7202"
LAYERS="${INSTALLED%/*}/postfix/usr:${INSTALLED%/*}/dovecot"
