NEW_USERS="opensmtpd:7121 opensmtpq:7122 vmail:7123"
