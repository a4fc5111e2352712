#!/usr/bin/env bash
# Makes the sdist, and from it the wheel, in dist/.
source "$(dirname "$0")/common.sh"
provide_python
provide_build_tools
provide_venv check
"$VENV/bin/python" -m build --outdir dist
