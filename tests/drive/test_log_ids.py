"""The log names a message by its queue id at each step, as JSON and as text."""

def test_each_step_names_the_message(postroad):
    us = postroad(aliases="both: tom, eve@later.test\n", config='transport "later.test" { to = "retry:4.3.0 not today" }')
    with us.smtp() as client:
        client.sendmail("jerry@hehuan.test", ["both@hehuan.test"], "Subject: x\r\n\r\n")
    id_ = us.wait_event("smtpd.accepted")["id"]
    us.wait_event("queue.deferred", to="eve@later.test")
    us.wait_event("queue.delivered", to="tom@hehuan.test")
    steps = [e["event"] for e in us.events() if e.get("id") == id_]
    for step in ("smtpd.accepted", "smtpd.recipient", "queue.expanded", "queue.attempt", "mda.delivered",
                 "queue.delivered", "queue.deferred"):
        assert step in steps, (step, steps)
    us.stop()


def test_as_text(postroad):
    us = postroad(start=False)
    us.base_config = us.base_config.replace("log {", "log { text = true ")
    us.write_config()
    us.start()
    with us.smtp() as client:
        client.sendmail("jerry@hehuan.test", ["tom@hehuan.test"], "Subject: x\r\n\r\n")
    id_ = us.wait_event("queue.delivered", to="tom@hehuan.test")["id"]
    us.wait_empty()
    lines = us.stderr().splitlines()
    for step in ("smtpd.accepted", "mda.delivered", "queue.delivered"):
        assert any(step in line and id_ in line and not line.startswith("{") for line in lines), step
