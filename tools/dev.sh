#!/usr/bin/env bash
# Builds the importable tree build/<preset>-<version>; the argument is a preset, dev by default.
source "$(dirname "$0")/common.sh"
preset=${1:-dev}
provide_python
provide_build_tools
provide_venv test
provide_venv check
PATH=$VENV/bin:$PATH
tree=build/$preset-$PYTHON_TAG
cmake --preset "$preset" -B "$tree" -DPython_EXECUTABLE="$VENV/bin/python"
cmake --build "$tree"
say
say "PYTHONPATH=$tree build/venv/test-$PYTHON_TAG/bin/python -m pytest tests"
