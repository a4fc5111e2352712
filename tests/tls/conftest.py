"""Fixtures of encrypted connections."""

from __future__ import annotations

import ssl

import pytest


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def version(request: pytest.FixtureRequest) -> ssl.TLSVersion:
    """The version that both sides have to use."""
    return ssl.TLSVersion(request.param)
