"""The same over TLS: the peer speaks it record by record."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

from tests.models.playing import Player, outcome_of, playing
from tests.models.streams import Play, Script
from tests.support.certificates import Certificates

CHUNK = 1 << 17
SHUTDOWN_TIMEOUT = 30  # seconds; the peer closes in the end


class TlsPlay(Play):
    """One script on one loop."""

    def __init__(self, player: Player, script: Script, certificates: Certificates) -> None:
        super().__init__(player, script)
        contexts = certificates.for_server(), certificates.for_client()
        self.context, other = contexts if script.server_side else contexts[::-1]
        self.closed = False
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = other.wrap_bio(
            self.incoming,
            self.outgoing,
            server_side=not script.server_side,
            server_hostname="localhost" if script.server_side else None,
        )

    def connect(self) -> None:
        loop: Any = self.player.loop

        def made() -> Any:
            return self.protocol(self.script.protocol)

        options = {"ssl": self.context, "ssl_shutdown_timeout": SHUTDOWN_TIMEOUT}
        if self.script.server_side:
            connecting = loop.connect_accepted_socket(made, self.ours, **options)
        else:
            options["server_hostname"] = "localhost"
            connecting = loop.create_unix_connection(made, sock=self.ours, **options)
        task = loop.create_task(connecting)
        for _ in range(20):
            self.player.settle(ticks=0)
            self.fill()
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
            self.flush()
            if task.done():
                break
        self.player.note(f"connecting: {outcome_of(task)}")

    def do_close(self) -> Any:
        if self.closed:
            return "asyncio forgets its protocol"
        self.closed = True
        return self.transport.close()

    def do_writelines(self, *sizes: int) -> Any:
        return self.transport.writelines([self.data(size) for size in sizes])

    def before_close(self) -> None:
        """What is closed with data waiting can be aborted later: it is another class."""

    # The peer

    def flush(self) -> None:
        if data := self.outgoing.read():
            with contextlib.suppress(OSError):
                assert self.peer.send(data) == len(data)

    def fill(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.peer.recv(CHUNK):
                self.incoming.write(data)

    def peer_send(self, *sizes: int) -> None:
        for size in sizes:
            self.tls.write(self.data(size))
        self.flush()

    def peer_read(self, size: int) -> Any:
        """All that comes, while the loop runs."""
        read, ended = 0, ""
        for _ in range(100):
            before = read
            self.fill()
            try:
                while True:
                    data = self.tls.read(CHUNK)
                    if not data:
                        ended = "the end"
                        break
                    read += len(data)
                    self.received += data
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as exc:
                ended = type(exc).__name__
            self.player.settle(ticks=0)
            if ended or read == before:
                break
        return f"{read} {ended}"

    def peer_say_end(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            self.tls.unwrap()
        self.flush()

    def peer_forge(self) -> None:
        self.tls.write(b"to be forged")
        record = bytearray(self.outgoing.read())
        record[-1] ^= 1
        self.peer.send(record)


def play(script: Script, certificates: Certificates, kind: str) -> list[str]:
    """The lines of a script on the loop of that kind."""
    with playing(kind, debug=script.debug) as player:
        TlsPlay(player, script, certificates).run()
    return player.lines
