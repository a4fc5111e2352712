#!/usr/bin/env bash
# Sets up what is missing and runs the test suite; arguments go to pytest.
source "$(dirname "$0")/common.sh"
provide_installed test

log=$LOGS/test-$PYTHON_TAG.log
"$VENV/bin/python" -m cxxloop --info
status=0
"$VENV/bin/python" -m pytest "$@" 2>&1 | tee "$log" || status=$?

say
say "test suite on CPython $PYTHON_TAG: $(tail -n 1 "$log" | tr -d '=' | sed 's/^ *//; s/ *$//')"
if [ "$status" = 0 ]; then say "RESULT: passed"; else say "RESULT: FAILED (pytest's status $status)"; fi
exit "$status"
