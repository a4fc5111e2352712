#!/usr/bin/env bash
# Sets up what is missing and runs the soak test for MINUTES (1); arguments go to tests.soak.
source "$(dirname "$0")/common.sh"
provide_installed test

"$VENV/bin/python" -m tests.soak --minutes "${MINUTES:-1}" "$@"
