#!/usr/bin/env bash
# Sets up what is missing and runs the soak test for MINUTES (1); arguments go to tests.soak.
source "$(dirname "$0")/common.sh"
provide_python
provide_build_tools
provide_venv test
provide_cxxloop

"$VENV/bin/python" -m tests.soak --minutes "${MINUTES:-1}" "$@"
