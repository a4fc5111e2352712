#!/usr/bin/env bash
# Runs each operation of tests/leaks many times and prints what it leaves; arguments: names and
# options, as in: make leaks ARGS="--times 50 'tls*'".
source "$(dirname "$0")/common.sh"
provide_installed test
if [ $# = 0 ]; then set -- --times 20; fi
exec "$VENV/bin/python" -m tests.leaks "$@"
