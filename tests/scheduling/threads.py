"""Threads of a test."""

from __future__ import annotations

import threading
from typing import Any


def start(*targets: Any) -> list[threading.Thread]:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(15)
        assert not thread.is_alive()
