# Sourced by `start` of a target whose profile asks opendmarc about mail: runs it at 127.0.0.1:8893 and
# waits until it listens. One that runs in this lab already is left alone.
listens() { bash -c 'exec 3<>/dev/tcp/127.0.0.1/8893' 2>/dev/null; }
if ! listens; then
    # it ends with the target
    setpriv --pdeathsig KILL "$WORLD/../../fixtures/filters/start" opendmarc "$STATE/opendmarc" 127.0.0.1 8893 \
        >"$STATE/opendmarc.log" 2>&1 &
    tries=0
    while ! listens && [ $((tries += 1)) -le 100 ]; do sleep 0.05; done
fi
