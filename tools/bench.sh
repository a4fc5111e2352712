#!/usr/bin/env bash
# Compares event loops; arguments go to benchmarks/run.py.
source "$(dirname "$0")/common.sh"
provide_python
provide_build_tools
provide_venv bench
provide_cxxloop
if [ $# = 0 ]; then set -- --json build/bench.json --plot build/bench.svg; fi
exec "$VENV/bin/python" benchmarks/run.py "$@"
