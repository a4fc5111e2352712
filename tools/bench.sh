#!/usr/bin/env bash
# Compares event loops; arguments go to benchmarks/run.py.
source "$(dirname "$0")/common.sh"
provide_installed bench
if [ $# = 0 ]; then set -- --json build/bench.json --plot build/bench.svg; fi
exec "$VENV/bin/python" benchmarks/run.py "$@"
