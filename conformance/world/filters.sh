# Sourced by `start` of a target: runs the filter programs of Debian that the profile is about, on
# 127.0.0.1, and waits until they listen. They end with the target. Those of a Debian that lacks them:
# ci/deps conformance.
filter_listens() { bash -c "exec 3<>/dev/tcp/127.0.0.1/$1" 2>/dev/null; }
# filter PROGRAM PORT: as fixtures/filters/start knows it
filter() {
    if ! filter_listens "$2"; then
        filter_run "$1" "$2" "$WORLD/../../fixtures/filters/start" "$1" "$STATE/$1" 127.0.0.1 "$2"
    fi
}
# filter_run NAME PORT COMMAND...: any other
filter_run() {
    filter_name=$1 filter_port=$2
    shift 2
    mkdir -p "$STATE/$filter_name"
    setpriv --pdeathsig KILL "$@" >"$STATE/$filter_name.log" 2>&1 &
    filter_tries=0
    until filter_listens "$filter_port" || [ $((filter_tries += 1)) -gt 400 ]; do sleep 0.05; done
}
case $PROFILE in
spamassassin) filter spamd 783 ;;
clamav) filter clamd 3310 ;;
opendkim)
    mkdir -p "$STATE/opendkim"
    echo "$TRUSTED" >"$STATE/opendkim/internal"     # whose mail it signs
    cat >"$STATE/opendkim/unbound.conf" <<END
server:
    module-config: "iterator"
    do-not-query-localhost: no
    local-zone: "test." transparent
forward-zone:
    name: "."
    forward-addr: $(sed -n 's/^nameserver //p' /etc/resolv.conf | head -n 1)
END
    filter opendkim 8891
    ;;
dmarc) filter opendmarc 8893 ;;
mimedefang) filter mimedefang 8894 ;;
rspamd) filter rspamd 11332 ;;
hold-scan)
    filter clamd 3310
    setpriv --pdeathsig KILL "$WORLD/hold-scanner" "$(basename "$FOLDER")" >"$STATE/hold-scanner.log" 2>&1 &
    ;;
amavis)
    filter clamd 3310
    mkdir -p "$STATE/amavisd"
    echo 127.0.0.1:3310 >"$STATE/amavisd/scanner"
    filter amavisd 10024
    ;;
esac
