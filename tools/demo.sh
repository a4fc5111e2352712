#!/usr/bin/env bash
# Sets up what is missing, builds into a virtual environment, and shows programs running on cxxloop.
source "$(dirname "$0")/common.sh"
provide_python
provide_build_tools
provide_venv demo
provide_cxxloop
exec "$VENV/bin/python" tools/demo/run.py
