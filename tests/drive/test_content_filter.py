"""The content filter: all mail goes out to it by SMTP and comes back on another port, as amavisd-new
wants it; a folder that another program empties, as MailScanner wants it."""
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


def test_a_folder_that_another_program_empties(postroad):
    """Every message is held at once; what reads hold/ releases it when it has seen it."""
    server = postroad(config='rule scan { at = "end"  for = "all"  verdict = "hold" }')
    assert send(server, PLAIN)[0] == 250
    [held] = server.queued("hold")
    assert server.queued("active", "deferred") == [] and server.events("mda.delivered") == []
    assert PLAIN[:-3] in (server.spool / "hold" / held).read_bytes()
    server.ctl("queue", "release", held)
    delivered(server)
