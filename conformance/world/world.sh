# What every target serves: sourced by the scripts of the targets. docs/test-your-own-server.md
# says the same in words.
DOMAINS="magedu.test second.test"      # delivered here
TRUSTED="203.0.113.0/24"               # clients from here may send anywhere
TRUSTED6="2001:db8:113::/48"
# "user:password" lines without the comments
accounts() { grep -v '^#' "$WORLD/accounts"; }
