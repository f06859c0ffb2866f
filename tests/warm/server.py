"""The server of warm processes: loads everything once, forks for each client, ends when nobody holds it."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import selectors
import shutil
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tests.warm.work import Work, work

LOADED = (
    "jinja2",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "pandas",
    "pyarrow.csv",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.metrics",
    "torch.export.pt2_archive._package",
    "typer.main",
)
LEFT_OUT = ("debias.__main__", "debias.jobs.ray_session")


def load() -> None:
    """Import what tests need, and every module of the package that can be imported; the others fail where used."""
    import debias

    for name in LOADED:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(debias.__path__, "debias."):
        if module.name not in LEFT_OUT:
            with contextlib.suppress(Exception):
                importlib.import_module(module.name)
    gc.freeze()


@dataclass
class Client:
    """Somebody at the other side of a socket, with a process or only holding the server."""

    socket: socket.socket
    pid: int | None = None


class Server:
    """Serves the clients of one address, one event after the other; no thread is started, as none survives a fork."""

    def __init__(self, address: Path) -> None:
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        early = address.with_name("early")
        self.listening.bind(str(early))
        self.listening.listen(64)
        early.rename(address)  # Who finds the address finds a server that listens.
        self.events = selectors.DefaultSelector()
        self.events.register(self.listening, selectors.EVENT_READ, None)
        self.clients: dict[int, Client] = {}

    def run(self) -> None:
        """Serve until the last client has left."""
        while True:
            for key, _ in self.events.select():
                if key.fileobj is self.listening:
                    self.accept()
                elif isinstance(key.fileobj, int):
                    self.ended(key.fileobj, key.data)
                else:
                    self.heard(key.data)
            if not self.clients:
                return

    def accept(self) -> None:
        """Read what a client asks, and fork."""
        theirs, _ = self.listening.accept()
        client = Client(theirs)
        length, streams, _, _ = socket.recv_fds(theirs, 8, 3)
        asked = b""
        while len(asked) < int.from_bytes(length, "big"):
            asked += theirs.recv(1 << 20)
        if asked:
            client.pid = os.fork()
            if client.pid == 0:
                try:
                    self.become(Work.read(asked), streams)
                finally:
                    os._exit(70)
            for stream in streams:
                os.close(stream)
            self.events.register(os.pidfd_open(client.pid), selectors.EVENT_READ, client)
        self.clients[id(client)] = client
        self.events.register(theirs, selectors.EVENT_READ, client)

    def become(self, asked: Work, streams: list[int]) -> NoReturn:
        """Leave the server behind, in the process that was forked."""
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.closerange(3, 1024)
        gc.unfreeze()
        work(asked)

    def ended(self, process: int, client: Client) -> None:
        """Tell a client how its process ended."""
        assert client.pid is not None
        _, status = os.waitpid(client.pid, 0)
        self.events.unregister(process)
        os.close(process)
        client.pid = None
        with contextlib.suppress(OSError):
            client.socket.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
        if id(client) in self.clients:
            self.leave(client)

    def heard(self, client: Client) -> None:
        """Pass signals on; a client that is gone takes its process with it."""
        try:
            signals = client.socket.recv(64)
        except OSError:
            signals = b""
        if client.pid is not None:
            for number in signals or [signal.SIGKILL]:
                os.kill(client.pid, number)
        if not signals:
            self.leave(client)

    def leave(self, client: Client) -> None:
        """Forget a client."""
        del self.clients[id(client)]
        self.events.unregister(client.socket)
        client.socket.close()


if __name__ == "__main__":
    place = Path(sys.argv[1])
    load()
    try:
        Server(place).run()
    finally:
        shutil.rmtree(place.parent, ignore_errors=True)
