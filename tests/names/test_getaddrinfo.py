"""getaddrinfo() answers as socket.getaddrinfo() does, to every combination of arguments."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
from collections.abc import Iterable
from typing import Any

import pytest

from tests.support.loops import run

Loop = asyncio.AbstractEventLoop

# Those that socket.getaddrinfo() takes for addresses, in each notation.
LITERALS: list[Any] = [
    "127.0.0.1",
    b"127.0.0.1",
    bytearray(b"127.0.0.1"),
    "0.0.0.0",
    "255.255.255.255",
    "0",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "127.000.000.001",
    "2130706433",
    "::1",
    b"::1",
    "::",
    "::ffff:1.2.3.4",
    "::1.2.3.4",
    "0:0:0:0:0:0:0:1",
    "FE80::ABCD",
    "fe80::1",
    "fe80::1%lo",
    "fe80::1%1",
    b"fe80::1%lo",
    "::1%lo",
]

# Those that need no name server though they are no addresses.
LOCAL: list[Any] = [
    None,
    "localhost",
    b"localhost",
    "LOCALHOST",
    "127.0.0.1\0",
    "::1\0",
    "a" * 64,
    "a" * 64 + ".example",
    "." * 300,
    "\ud800",
    1,
    2130706433,
    1.5,
    [],
    ("127.0.0.1",),
    True,
    object,
]

# Looked up only with AI_NUMERICHOST, since a name server would be asked otherwise.
NAMES: list[Any] = [
    "with\0null",
    b"with\0null",
    "\u0661\u0662\u0667.0.0.1",
    "",
    b"",
    "256.1.1.1",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3",
    "127.0.0.1 ",
    " 127.0.0.1",
    "127.0.0.1.",
    "1.2.3.4/32",
    "::1::",
    ":::",
    "1::2::3",
    "::12345",
    "[::1]",
    "::1%",
    "fe80::1%nothing",
    "fe80::1%99999999999",
    "127.0.0.1%lo",
    "::ffff:256.2.3.4",
    "0x",
    "08.1.1.1",
    "4294967296",
    "b\u00fccher.example",
    "\u3002",
    "\u4f8b\u3048.example",
    b"b\xfccher",
    b"\xff\xfe",
    "example.com",
]

PORTS: list[Any] = [
    *(None, 0, 1, 80, 65535, 65536, 70000, -1, 2**31, 2**32, 2**63, 2**64, -(2**63) - 1, True),
    *("80", b"80", "080", " 80", "80 ", "+80", "-1", "0x50", "65536", "http", b"http", "HTTP"),
    *("", b"", "nosuchservice", "with\0null", b"8\0", "\ud800", "\u0661", 1.5, [], object),
]
FAMILIES = [0, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, -1, 99]
TYPES = [0, socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, 99]
PROTOS = [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_IP, 1, 255, -1]
FLAGS = [
    0,
    socket.AI_PASSIVE,
    socket.AI_NUMERICHOST,
    socket.AI_NUMERICSERV,
    socket.AI_NUMERICHOST | socket.AI_NUMERICSERV | socket.AI_PASSIVE,
    socket.AI_CANONNAME | socket.AI_NUMERICHOST,
    socket.AI_V4MAPPED | socket.AI_NUMERICHOST,
    socket.AI_V4MAPPED | socket.AI_ALL | socket.AI_NUMERICHOST,
    socket.AI_ADDRCONFIG,
    1 << 20,
    -1,
]

Arguments = tuple[Any, Any, Any, Any, Any, Any]


def directly(arguments: Arguments) -> str:
    try:
        return repr(socket.getaddrinfo(*arguments))
    except Exception as exc:
        return f"{type(exc)!r} {exc.args!r}"


async def by_loop(loop: Loop, arguments: Arguments) -> str:
    host, port, family, kind, proto, flags = arguments
    try:
        found = await loop.getaddrinfo(
            host, port, family=family, type=kind, proto=proto, flags=flags
        )
    except Exception as exc:
        return f"{type(exc)!r} {exc.args!r}"
    assert type(found) is list
    return repr(found)


def differences(
    loop: Loop, grid: Iterable[Arguments], debug: bool = False
) -> list[tuple[Arguments, str, str]]:
    """(arguments, the loop's answer, the right answer) where they differ."""
    loop.set_debug(debug)
    found = []

    async def main() -> None:
        for arguments in grid:
            ours, right = await by_loop(loop, arguments), directly(arguments)
            if ours != right:
                found.append((arguments, ours, right))

    run(loop, main())
    return found[:10]


def some(host: Any, flags: list[int], count: int) -> list[Arguments]:
    """Combinations with a host: those with usual arguments, and `count` others."""
    usual = itertools.product(
        [host],
        [None, 0, 80, "80", b"80", "http"],
        FAMILIES[:3],
        TYPES[:3],
        PROTOS[:3],
        [flags[0]],
    )
    chance = random.Random(repr(host) if not isinstance(host, type) else "type")
    rows = (PORTS, FAMILIES, TYPES, PROTOS, flags)
    others = [(host, *[chance.choice(row) for row in rows]) for _ in range(count)]
    return [*usual, *others]  # type: ignore[list-item]


@pytest.mark.parametrize("host", LITERALS, ids=repr)
def test_addresses(any_loop: Loop, host: Any) -> None:
    assert differences(any_loop, some(host, FLAGS, 600)) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%lo", b"127.0.0.1"], ids=repr)
def test_addresses_with_every_combination_of_usual_arguments(any_loop: Loop, host: Any) -> None:
    ports = [None, 0, 80, "80", b"80", "http", "", -1, 65536]
    grid = itertools.product([host], ports, FAMILIES[:3], TYPES[:4], PROTOS[:3], FLAGS[:6])
    assert differences(any_loop, grid) == []


@pytest.mark.parametrize("host", LOCAL, ids=lambda host: repr(host)[:20])
def test_hosts_that_are_no_addresses(any_loop: Loop, host: Any) -> None:
    families = [socket.AF_INET] if "localhost" in str(host).lower() else FAMILIES
    grid = [
        (host, port, families[0] if len(families) == 1 else family, *rest)
        for host, port, family, *rest in some(host, FLAGS, 300)
    ]
    assert differences(any_loop, grid) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("host", NAMES, ids=repr)
def test_names_that_must_be_addresses(any_loop: Loop, host: Any) -> None:
    numeric = [flags | socket.AI_NUMERICHOST for flags in FLAGS]
    assert differences(any_loop, some(host, numeric, 200)) == []


def test_debug_mode_answers_the_same(any_loop: Loop) -> None:
    grid = [
        (host, port, 0, kind, 0, flags)
        for host in ("127.0.0.1", "::1", None, "127.0.0.1\0", 5)
        for port in (80, "http", None, -1, 2**64)
        for kind in (0, socket.SOCK_STREAM)
        for flags in (0, socket.AI_NUMERICHOST)
    ]
    assert differences(any_loop, grid, debug=True) == []


@pytest.mark.parametrize("name", ["family", "type", "proto", "flags"])
@pytest.mark.parametrize("value", ["1", None, 1.0, 2**31, 2**63, -(2**31) - 1, 2**100, [], True])
def test_wrong_option_fails_as_the_socket_module_does(
    any_loop: Loop, name: str, value: Any
) -> None:
    for host in ("127.0.0.1", "::1", None):
        options = dict.fromkeys(("family", "type", "proto", "flags"), 0) | {name: value}
        grid: list[Any] = [(host, 80, *options.values())]
        assert differences(any_loop, grid) == []


def test_all_arguments_may_be_keywords(any_loop: Loop) -> None:
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 80,
        "family": socket.AF_INET,
        "type": socket.SOCK_STREAM,
        "proto": socket.IPPROTO_TCP,
        "flags": socket.AI_PASSIVE,
    }
    assert run(any_loop, any_loop.getaddrinfo(**options)) == socket.getaddrinfo(**options)


def test_options_are_keywords_only_and_no_others(any_loop: Loop) -> None:
    method: Any = any_loop.getaddrinfo
    for args, options in (
        ((), {}),
        (("127.0.0.1",), {}),
        (("127.0.0.1", 80, 0), {}),
        (("127.0.0.1", 80), {"timeout": 1}),
    ):
        with pytest.raises(TypeError):
            method(*args, **options)


def test_families_and_types_are_enumerations(any_loop: Loop) -> None:
    found = run(any_loop, any_loop.getaddrinfo("127.0.0.1", 80))
    assert {type(info[0]) for info in found} == {socket.AddressFamily}
    assert {type(info[1]) for info in found} == {socket.SocketKind}


def test_result_is_a_list_of_ones_own(any_loop: Loop) -> None:
    async def main() -> None:
        for host in ("127.0.0.1", "localhost"):
            first = await any_loop.getaddrinfo(host, 80, family=socket.AF_INET)
            expected = list(first)
            first.clear()
            assert await any_loop.getaddrinfo(host, 80, family=socket.AF_INET) == expected

    run(any_loop, main())
