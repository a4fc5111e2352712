"""Conversations whose every byte belongs to them alone.

Each has a token of its own, from which both sides derive what is sent in each direction; a byte
that is another connection's, or at another place, is found wherever it arrives.
"""

from __future__ import annotations

import hashlib
import os
import random
import struct

_BLOCK = 1 << 15
LARGEST = 300_000


class MismatchError(Exception):
    """Bytes arrived that were not sent to this connection, or not at this place."""


class TokenStream:
    """The bytes of one direction."""

    def __init__(self, token: bytes, direction: bytes) -> None:
        self._key = token + direction
        self._block = b""
        self._blocks = 0
        self.position = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._block) < count:
            number = self._blocks.to_bytes(4, "big")
            self._block += hashlib.shake_128(self._key + number).digest(_BLOCK)
            self._blocks += 1
        taken, self._block = self._block[:count], self._block[count:]
        self.position += count
        return taken

    def check(self, data: bytes | bytearray | memoryview) -> None:
        """Raises MismatchError unless these are the next bytes."""
        start = self.position
        expected = self.take(len(data))
        if data != expected:
            same = next((n for n, (a, b) in enumerate(zip(expected, data)) if a != b), 0)  # noqa: B905
            raise MismatchError(
                f"at {start + same}: got {bytes(data[same : same + 16]).hex()}, "
                f"not {expected[same : same + 16].hex()}"
            )


def some_size(chance: random.Random, largest: int = LARGEST) -> int:
    """From 1 on; small ones as often as large ones."""
    return max(1, int(largest ** chance.random()))


_HELLO = struct.Struct("!16sII?")


class Conversation:
    """One side of what two peers tell each other; knows nothing of how it travels."""

    def __init__(
        self, chance: random.Random, sending: bytes, receiving: bytes, orderly: bool = True
    ) -> None:
        self.chance = chance
        self.orderly = orderly
        self._names = sending, receiving
        self._incoming: TokenStream | None = None
        self._outgoing: TokenStream | None = None
        self._prefix = bytearray()
        self.to_receive = 0
        self.to_send = 0
        self.transferred = 0
        self._rests = chance.randrange(8)

    def should_rest(self) -> bool:
        """Whether to read no more for a while; a few times in each conversation."""
        if self._rests == 0 or self.chance.random() < 0.9:
            return False
        self._rests -= 1
        return True

    def _begin(self, token: bytes, to_send: int, to_receive: int) -> None:
        sending, receiving = self._names
        self._outgoing = TokenStream(token, sending)
        self._incoming = TokenStream(token, receiving)
        self.to_send, self.to_receive = to_send, to_receive

    @property
    def begun(self) -> bool:
        """Whether the hello is known."""
        return self._incoming is not None

    @property
    def all_received(self) -> bool:
        return self._incoming is not None and self.to_receive == 0

    @property
    def complete(self) -> bool:
        return self.all_received and self.to_send == 0

    def received(self, data: bytes | bytearray | memoryview) -> None:
        """Checks what has arrived; MismatchError."""
        self.transferred += len(data)
        if self._incoming is None:
            self._prefix += data
            if len(self._prefix) < _HELLO.size:
                return
            token, to_receive, to_send, self.orderly = _HELLO.unpack_from(self._prefix)
            data = bytes(self._prefix[_HELLO.size :])
            self._begin(token, to_send, to_receive)
        assert self._incoming is not None
        if len(data) > self.to_receive:
            raise MismatchError(f"{len(data)} bytes where {self.to_receive} were to come")
        self._incoming.check(data)
        self.to_receive -= len(data)

    def next_chunk(self) -> bytes:
        """What is to be sent now; empty when all is sent, or the hello has not come yet."""
        if self._outgoing is None or self.to_send == 0:
            return b""
        size = min(self.to_send, some_size(self.chance, 100_000))
        self.to_send -= size
        return self._outgoing.take(size)


class Asking(Conversation):
    """A client's side; begins with a hello that says how much is to come."""

    def __init__(self, chance: random.Random, orderly: bool) -> None:
        super().__init__(chance, b"up", b"down", orderly)
        token = os.urandom(16)
        self._begin(token, some_size(chance), some_size(chance))
        self._hello = _HELLO.pack(token, self.to_send, self.to_receive, orderly)

    def next_chunk(self) -> bytes:
        hello, self._hello = self._hello, b""
        return hello or super().next_chunk()


class Answering(Conversation):
    """A server's side."""

    def __init__(self, chance: random.Random) -> None:
        # Until the hello says otherwise, the client may go whenever it likes.
        super().__init__(chance, b"down", b"up", orderly=False)
