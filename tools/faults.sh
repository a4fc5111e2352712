#!/usr/bin/env bash
# Sets up what is missing and runs tests/faults with every call and more errors, on both loops;
# arguments go to pytest.
source "$(dirname "$0")/common.sh"
provide_installed test

CXXLOOP_TEST_FAULTS=all "$VENV/bin/python" -m pytest tests/faults "$@"
