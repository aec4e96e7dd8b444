"""Fixtures shared by all tests that run the programs."""
import pytest

from postroad import POSTROAD, Postroad


@pytest.fixture
def postroad():
    """A function that makes and starts a reference server; see postroad.py for its arguments.
    `start=False` only makes it."""
    if not POSTROAD.exists():
        pytest.fail(f"{POSTROAD} is not built; run make, or set BUILD to the build folder")
    servers = []

    def make(start=True, **arguments):
        server = Postroad(**arguments)
        servers.append(server)
        return server.start() if start else server

    yield make
    problems = []
    for server in servers:
        try:
            server.close()
        except Exception as problem:  # each server must be closed, whatever the others do
            problems.append(problem)
    if problems:
        raise problems[0]
