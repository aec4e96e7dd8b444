"""The content filter: all mail goes out to it by SMTP and comes back on another port, as amavisd-new
wants it; a folder that another program empties, as MailScanner wants it."""
import socket
import threading

import pytest

from filter_programs import Programs, pair_of_ports
from test_filter import PLAIN, delivered, need, send, virus_messages


@pytest.fixture
def programs():
    p = Programs()
    yield p
    p.close()


def with_filter(postroad, address, **arguments):
    port = int(address.rsplit(":", 1)[1])
    return postroad(config=f'content-filter = "{address}"\n'
                           f'listen reinjection {{ port = {port + 1} }}\n', **arguments)


def test_amavisd_sees_everything_once(postroad, programs):
    need("amavisd", "clamd")
    (programs.dir / "amavisd").mkdir()
    programs.start_at("clamd", programs.dir / "amavisd" / "clamd.ctl")
    server = with_filter(postroad, programs.start("amavisd"))
    text = PLAIN.replace(b"noon", b"noon \r\n..\r\n\xff")
    assert send(server, text)[0] == 250
    got = delivered(server)
    assert b"amavis" in got and got.count(b"Received: ") == 3
    assert got.rstrip(b"\n").endswith(text.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1].rstrip(b"\n"))
    server.wait_event("queue.delivered", exchanger="content-filter")
    # a virus is refused by the filter, and its sender hears of it
    assert send(server, virus_messages()["mime"], sender="ann@hehuan.test")[0] == 250
    server.wait_event("mda.delivered", user="ann", timeout=20)
    assert b"550 5.7." in server.mailbox("ann") or b"554 5.7." in server.mailbox("ann")
    assert len(server.events("mda.delivered", user="tom")) == 1
    server.wait_empty()


def test_a_filter_that_is_down_delays_and_loses_nothing(postroad):
    server = with_filter(postroad, f"127.0.0.1:{pair_of_ports()}")
    assert send(server, PLAIN)[0] == 250
    server.wait_event("queue.deferred", timeout=20)
    assert server.events("mda.delivered") == [] and len(server.queued()) == 1
    # the operator does without it
    server.write_config("")
    server.reload()
    delivered(server)
    server.wait_empty()


def filter_that(answers):
    """An SMTP server with these answers to the beginnings of lines; None: it goes away. Its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as lines:
                lines.write(b"220 filter\r\n")
                in_data = False
                for line in lines:
                    if in_data and line != b".\r\n":
                        continue
                    word = line.strip().decode("latin-1")
                    answer = next((a for w, a in answers.items() if word.startswith(w)), "250 ok")
                    if answer is None:
                        break
                    in_data = word == "DATA" and answer.startswith("354")
                    lines.write(answer.encode() + b"\r\n")

    threading.Thread(target=serve, daemon=True).start()
    return listener, f"127.0.0.1:{listener.getsockname()[1]}"


def with_failing(postroad, address, choice):
    return postroad(config=f'content-filter = "{address}"\ncontent-filter-on-failure = "{choice}"\n')


def test_what_a_filter_refused_stays_out_when_it_fails_on_the_rest(postroad):
    listener, address = filter_that({"RCPT TO:<ann": "550 5.7.1 not for her", "DATA": "354 go", ".": None})
    with listener:
        server = with_failing(postroad, address, "accept")
        send(server, PLAIN, sender="ann@hehuan.test", to=["ann@hehuan.test", "tom@hehuan.test"])
        assert b"noon" in delivered(server)
        server.wait_empty()
        failed = server.events("filter.verdict", filter="content-filter")
        assert [(e["verdict"], e["on_failure"]) for e in failed] == [("failed", "accept")]
        assert len(server.events("mda.delivered", user="ann")) == 1
        assert b"550 5.7.1 not for her" in server.mailbox("ann")
        assert [e["status"] for e in server.events("queue.failed")] == ["5.7.1"]


@pytest.mark.parametrize("choice", ["accept", "reject"])
def test_what_a_filter_wants_to_see_later_waits(postroad, choice):
    listener, address = filter_that({"RCPT": "451 4.3.0 busy"})
    with listener:
        server = with_failing(postroad, address, choice)
        assert send(server, PLAIN)[0] == 250
        assert server.wait_event("queue.deferred", timeout=20)["reply"] == "451 4.3.0 busy"
        assert server.events("filter.verdict") == [] and server.events("mda.delivered") == []
        assert len(server.queued()) == 1


def test_a_choice_that_is_none_is_an_error(postroad):
    server = postroad(start=False, config='content-filter-on-failure = "pass"\n')
    done = server.ctl("check", check=False)
    assert done.returncode != 0 and 'write "accept", "defer" or "reject"' in done.stderr + done.stdout


def test_a_folder_that_another_program_empties(postroad):
    """Every message is held at once; what reads hold/ releases it when it has seen it."""
    server = postroad(config='rule scan { at = "end"  for = "all"  verdict = "hold" }')
    assert send(server, PLAIN)[0] == 250
    [held] = server.queued("hold")
    assert server.queued("active", "deferred") == [] and server.events("mda.delivered") == []
    assert PLAIN[:-3] in (server.spool / "hold" / held).read_bytes()
    server.ctl("queue", "release", held)
    delivered(server)
