NEW_USERS="Debian-exim:7111"
