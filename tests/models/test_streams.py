"""Stream transports do what asyncio's do, whatever is done with them in whatever order."""

from __future__ import annotations

from hypothesis import given

from tests.models import tls_streams
from tests.models.playing import compare, examples
from tests.models.stream_scripts import stream_scripts
from tests.models.streams import Script, play
from tests.support.certificates import Certificates


@examples(100)
@given(stream_scripts("unix"))
def test_unix_stream(script: Script) -> None:
    compare(lambda kind: play(script, kind))


@examples(100)
@given(stream_scripts("tcp"))
def test_tcp_stream(script: Script) -> None:
    compare(lambda kind: play(script, kind))


# An error of a write that was held back comes later, so the peer causes none.
@examples(100)
@given(stream_scripts("unix", crowded=True, endings=("half_close",)))
def test_unix_stream_in_crowded_turns(script: Script) -> None:
    compare(lambda kind: play(script, kind))


@examples(40)
@given(stream_scripts("tls", endings=("say_end", "half_close", "close", "forge")))
def test_tls_stream(certificates: Certificates, script: Script) -> None:
    compare(lambda kind: tls_streams.play(script, certificates, kind))
