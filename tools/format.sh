#!/usr/bin/env bash
# Formats the C++ and Python sources in place.
source "$(dirname "$0")/common.sh"
provide_python
provide_venv check
find cpp benchmarks tests/fuzz \( -name '*.h' -o -name '*.cpp' \) -exec "$VENV/bin/clang-format" -i {} +
"$VENV/bin/ruff" format --quiet .
"$VENV/bin/ruff" check --fix .
