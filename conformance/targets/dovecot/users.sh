NEW_USERS="dovecot:7201 dovenull:7202 vmail:7103"
