"""uvicorn as a program of its own, on either loop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import uvicorn

APPLICATION = """
import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    body = type(asyncio.get_running_loop()).__module__.split(".")[0].encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
"""

RUNNING = re.compile(r"Uvicorn running on (http://127\.0\.0\.1:\d+)")


def serve(directory: Path, number: signal.Signals, *arguments: str) -> tuple[str, int, str, str]:
    """Runs uvicorn, asks once, sends a signal: (loop, status, stdout, stderr)."""
    command = [sys.executable, *arguments, "app:app", "--port", "0", "--no-use-colors"]
    with subprocess.Popen(
        command,
        cwd=directory,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            log = ""
            while (found := RUNNING.search(log)) is None:
                line = process.stderr.readline()
                assert line, log
                log += line
            with urllib.request.urlopen(found[1], timeout=10) as response:
                loop = response.read().decode()
            process.send_signal(number)
            stdout, rest = process.communicate(timeout=20)
        finally:
            process.kill()
    text = re.sub(r"process \[\d+\]|:\d+\b", "...", log + rest)
    return loop, process.returncode, re.sub(r":\d+\b", "...", stdout), text


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where uvicorn finds the application."""
    (tmp_path / "app.py").write_text(APPLICATION)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_uvicorn_runs_on_cxxloop_and_ends_on_a_signal_as_on_asyncio(
    directory: Path, number: signal.Signals
) -> None:
    arguments = ["-m", "uvicorn", "--loop", "none"]  # "none" takes what the policy gives.
    on_asyncio = serve(directory, number, *arguments)
    on_cxxloop = serve(directory, number, "-m", "cxxloop", *arguments)
    assert on_asyncio[0] == "asyncio"
    assert on_cxxloop[0] == "cxxloop"
    assert on_cxxloop[1:] == on_asyncio[1:]
    assert on_asyncio[1] in (0, -number)
    assert "GET / HTTP/1.1" in on_cxxloop[2]
    assert "Application shutdown complete." in on_cxxloop[3]
    assert "Traceback" not in on_cxxloop[3]


@pytest.mark.slow
@pytest.mark.skipif(
    tuple(map(int, uvicorn.__version__.split(".")[:2])) < (0, 36),
    reason="uvicorn takes loop factories by name since 0.36",
)
def test_uvicorn_takes_the_factory_by_its_name(directory: Path) -> None:
    factory = "cxxloop:new_event_loop"
    loop, status, _, log = serve(directory, signal.SIGINT, "-m", "uvicorn", "--loop", factory)
    assert loop == "cxxloop"
    assert status == 0
    assert "Traceback" not in log
