#!/usr/bin/env bash
# Builds the importable tree build/<preset>-<version>; the argument is a preset, dev by default.
source "$(dirname "$0")/common.sh"
preset=${1:-dev}
provide_python
provide_build_tools
provide_venv test
configure_tree "$preset"
cmake --build "$TREE"
say
say "PYTHONPATH=${TREE#"$ROOT"/} ${VENV#"$ROOT"/}/bin/python -m pytest tests"
