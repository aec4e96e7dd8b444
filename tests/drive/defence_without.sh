#!/bin/sh
# Each defence of fixtures/defence/mail.conf taken away alone: what only it stops comes through. Run
# in the world of conformance/demo/evening-run; the test reads the lines.
set -eu
D=$LAB_DIR
cd "$D"
$AS "$D/programs/start" spamd "$D/filters" 192.0.2.30 783 >"$D/filters/spamd.log" 2>&1 &
spamd=$!
$AS "$D/programs/start" clamd "$D/filters" 192.0.2.30 3310 >"$D/filters/clamd.out" 2>&1 &
clamd=$!
trap 'kill $spamd $clamd 2>/dev/null || true' EXIT
demo-page await 192.0.2.30 783 30000
demo-page await 192.0.2.30 3310 30000
lab dns "$D" add '23.100.51.198.bl.test 1 A 127.0.0.2'
cp mail/postroad.conf whole.conf
$AS postroad serve -c "$D/mail/postroad.conf"

# How many smtpd processes, each with an older configuration, have ended.
ended() { grep '"master.role-stopped"' mail/events.jsonl | grep -c '"smtpd"' || true; }

n=0
# without PATTERN RULE CLIENT HELO FROM TO MESSAGE [early|submission]: with everything RULE stops it;
# without what PATTERN finds in the configuration (a range of sed) nothing does.
without() {
    pattern=$1 rule=$2
    shift 2
    sed "$pattern" whole.conf >mail/postroad.conf
    n=$((n + 1))
    seen=$(ended)
    $AS postroad reload -c "$D/mail/postroad.conf" >/dev/null
    while [ "$(ended)" = "$seen" ]; do sleep 0.01; done
    demo-page visit "$D" "without $rule" "$WANT" "$@" || true
}

all() {
    uni="198.51.100.10 mail.friends.example"
    without '/^rule early/d'           early      $uni ann@friends.example tom@hehuan.test plain early
    without 's/^relay-from.*/relay-from = {"198.51.100.10"}/' relay-refused $uni ann@friends.example victim@friends.example plain
    without '/^rule client/d'          client     198.51.100.70 news.friends.example b@friends.example tom@hehuan.test plain
    without '/^rule name /d'           name       203.0.113.77 mail.friends.example c@friends.example tom@hehuan.test plain
    without '/^rule greeting/d'        greeting   198.51.100.10 mail.hehuan.test d@friends.example tom@hehuan.test plain
    without '/^rule listed/d'          listed     198.51.100.23 relay.friends.example e@friends.example tom@hehuan.test plain
    without '/^rule domain/d'          domain     $uni offers@pills.example tom@hehuan.test plain
    without '/^rule sender/d'          sender     $uni luck@casino.example tom@hehuan.test plain
    without '/^rule own-list/d'        own-list   $uni news@shop.example tom@hehuan.test plain
    without '/^rule newcomer/d'        newcomer   $uni f$n@friends.example tom@hehuan.test plain
    without '/^filter spam/,/^}/d'     spam       $uni g@friends.example tom@hehuan.test spam
    without '/^filter virus/,/^}/d'    virus      $uni h@friends.example tom@hehuan.test virus
    for i in 1 2 3 4; do
        without '/^rule rate/,/verdict/d' rate    203.0.113.90 line90.pool.example i@friends.example tom@hehuan.test plain
    done
}
echo "== first"
WANT=newcomer
all
sleep 0.6
echo "== then"
WANT=mailbox
all
