# Postfix asks SpamAssassin and ClamAV through milters of theirs; greylisting is a policy service.
# Sourced by start.
case $PROFILE in
spamassassin) filter_run spamass-milter 8892 spamass-milter -p inet:8892@127.0.0.1 -- -d 127.0.0.1 -p 783 ;;
# what spamd cannot look at is let through: spamass-milter knows no other way
spamd|spamd-accept) filter_run spamass-milter 8892 spamass-milter -p inet:8892@127.0.0.1 -- -d 192.0.2.30 -p 783 -t 2 ;;
layers)
    filter_run spamass-milter 8892 spamass-milter -p inet:8892@127.0.0.1 -r 8 -- -d 192.0.2.30 -p 783 -t 2
    filter_run postgrey 10023 postgrey --inet=127.0.0.1:10023 --user=root --group=root \
        --dbdir="$STATE/postgrey" --delay=2 --auto-whitelist-clients=0 --lookup-by-host \
        --whitelist-clients=/dev/null --whitelist-recipients=/dev/null
    ;;
esac
case $PROFILE in clamav|clamd|clamd-accept|clamd-reject|layers)
    port=3311 fails=Defer
    case $PROFILE in
    clamav) port=3310 ;;
    clamd-accept|layers) fails=Accept ;;
    clamd-reject) fails=Reject ;;
    esac
    [ "$port" = 3310 ] || filter_run clamd-door 3311 "$FOLDER/clamd-door" 3311 192.0.2.30
    cat >"$STATE/clamav-milter.conf" <<END
MilterSocket inet:8895@127.0.0.1
ClamdSocket tcp:127.0.0.1:$port
ReadTimeout 2
OnInfected Reject
OnFail $fails
Foreground yes
END
    filter_run clamav-milter 8895 clamav-milter -c "$STATE/clamav-milter.conf"
    ;;
esac
