NEW_USERS="postfix:7101 postdrop:7102 vmail:7103"
LAYERS="${INSTALLED%/*}/postfix/usr:$INSTALLED"
