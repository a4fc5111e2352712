"""What an ssl.SSLContext says is done."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import PASSWORD, Certificates
from tests.support.loops import run
from tests.support.protocols import Recorder, serving

Loop = asyncio.AbstractEventLoop


async def meet(
    loop: Loop, server: ssl.SSLContext, client: Any, name: str | None = "localhost"
) -> tuple[Any, Any]:
    """The ssl objects of both ends, after data has gone both ways."""
    accepted = Recorder(loop)
    async with serving(lambda: accepted, ssl=server) as (_, address):
        protocol = Recorder(loop)
        transport, _ = await loop.create_connection(
            lambda: protocol, *address, ssl=client, server_hostname=name
        )
        transport.write(b"question")
        await accepted.until(lambda p: p.received == b"question")
        accepted.transport.write(b"answer")
        await protocol.until(lambda p: p.received == b"answer")
        ends = tuple(t.get_extra_info("ssl_object") for t in (accepted.transport, transport))
        transport.close()
        await protocol.lost
        await accepted.lost
        return ends[0], ends[1]


def test_protocol_is_negotiated(any_loop: Loop, certificates: Certificates) -> None:
    server, client = certificates.for_server(), certificates.for_client()
    server.set_alpn_protocols(["h2", "http/1.1"])
    client.set_alpn_protocols(["http/1.1"])
    for end in run(any_loop, meet(any_loop, server, client)):
        assert end.selected_alpn_protocol() == "http/1.1"


def test_versions_are_those_allowed(
    any_loop: Loop, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    server, client = certificates.for_server(), certificates.for_client()
    server.minimum_version = version
    client.maximum_version = version
    for end in run(any_loop, meet(any_loop, server, client)):
        assert end.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]


def test_versions_that_do_not_meet_fail(any_loop: Loop, certificates: Certificates) -> None:
    server, client = certificates.for_server(), certificates.for_client()
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        run(any_loop, meet(any_loop, server, client))


def test_client_certificate_is_asked_for(
    any_loop: Loop, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    server, client = certificates.for_server(), certificates.for_client()
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(certificates.authority)
    server.maximum_version = version
    client.load_cert_chain(certificates.client)
    end, _ = run(any_loop, meet(any_loop, server, client))
    assert end.getpeercert()["subjectAltName"] == (("DNS", "client.example"),)


def test_missing_client_certificate_is_refused(
    any_loop: Loop, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    server, client = certificates.for_server(), certificates.for_client()
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(certificates.authority)
    server.maximum_version = version
    accepted: list[Recorder] = []

    def accept() -> Recorder:
        accepted.append(Recorder(any_loop))
        return accepted[-1]

    async def main() -> None:
        async with serving(accept, ssl=server) as (_, address):
            # TLS 1.3 clients are told after their handshake.
            with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
                reader, writer = await asyncio.open_connection(
                    *address, ssl=client, server_hostname="localhost"
                )
                try:
                    await reader.readexactly(1)
                finally:
                    writer.transport.abort()
            assert [protocol.calls for protocol in accepted] == [[]]

    run(any_loop, main())


def test_server_chooses_its_certificate_by_name(any_loop: Loop, certificates: Certificates) -> None:
    server, client = certificates.for_server(certificates.elsewhere), certificates.for_client()
    named: list[str | None] = []
    other = certificates.for_server()

    def choose(connection: Any, name: str | None, _: ssl.SSLContext) -> None:
        named.append(name)
        connection.context = other

    server.sni_callback = choose
    run(any_loop, meet(any_loop, server, client))
    assert named == ["localhost"]


def test_nothing_is_checked_when_that_is_wanted(any_loop: Loop, certificates: Certificates) -> None:
    """rsloop#37"""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    server = certificates.for_server(certificates.elsewhere)
    _, end = run(any_loop, meet(any_loop, server, client, "wherever.example"))
    assert end.getpeercert() == {}
    assert end.server_hostname == "wherever.example"


def test_empty_name_is_no_name(any_loop: Loop, certificates: Certificates) -> None:
    client = certificates.for_client()
    client.check_hostname = False
    named: list[str | None] = []
    server = certificates.for_server()
    server.sni_callback = lambda _, name, __: named.append(name)
    run(any_loop, meet(any_loop, server, client, ""))
    assert named == [None]


def test_key_may_be_encrypted(any_loop: Loop, certificates: Certificates) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = certificates.server.replace(".pem", ".crt")
    server.load_cert_chain(chain, certificates.encrypted_key, password=PASSWORD)
    run(any_loop, meet(any_loop, server, certificates.for_client()))


def test_session_is_used_again(any_loop: Loop, certificates: Certificates) -> None:
    server, client = certificates.for_server(), certificates.for_client()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    _, first = run(any_loop, meet(any_loop, server, client))
    assert not first.session_reused

    class Resuming(ssl.SSLObject):
        def do_handshake(self) -> None:
            if self.session is None:
                self.session = first.session
            super().do_handshake()

    client.sslobject_class = Resuming
    _, second = run(any_loop, meet(any_loop, server, client))
    assert second.session_reused


def test_class_of_the_context_is_used(any_loop: Loop, certificates: Certificates) -> None:
    calls: list[str] = []

    class Counting(ssl.SSLObject):
        def read(self, *args: Any) -> Any:
            calls.append("read")
            return super().read(*args)

        def write(self, data: Any) -> int:
            calls.append("write")
            return super().write(data)

        def unwrap(self) -> None:
            calls.append("unwrap")
            super().unwrap()

    client = certificates.for_client()
    client.sslobject_class = Counting
    _, end = run(any_loop, meet(any_loop, certificates.for_server(), client))
    assert type(end) is Counting
    assert set(calls) == {"read", "write", "unwrap"}


def test_keys_are_logged(any_loop: Loop, certificates: Certificates, tmp_path: Path) -> None:
    client = certificates.for_client()
    log = tmp_path / "keys"
    client.keylog_filename = str(log)
    run(any_loop, meet(any_loop, certificates.for_server(), client))
    del client
    assert "CLIENT_TRAFFIC_SECRET_0" in log.read_text()


def test_default_context_checks_certificates(any_loop: Loop, certificates: Certificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        run(any_loop, meet(any_loop, certificates.for_server(), True))


@pytest.mark.parametrize("given", [True, False])
def test_server_needs_a_context(any_loop: Loop, given: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError) as info:
            await any_loop.create_server(lambda: Recorder(any_loop), "127.0.0.1", 0, ssl=given)
        assert str(info.value) == "ssl argument must be an SSLContext or None"

    run(any_loop, main())
