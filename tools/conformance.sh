#!/usr/bin/env bash
# Runs CPython's own asyncio tests on cxxloop; arguments go to tests/conformance/run.py.
source "$(dirname "$0")/common.sh"
provide_installed test
exec "$VENV/bin/python" tests/conformance/run.py --python "$VENV/bin/python" "$@"
