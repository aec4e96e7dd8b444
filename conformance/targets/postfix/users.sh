NEW_USERS="postfix:7101 postdrop:7102 vmail:7103"
