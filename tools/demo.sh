#!/usr/bin/env bash
# Sets up what is missing, builds into a virtual environment, and shows programs running on cxxloop.
source "$(dirname "$0")/common.sh"
provide_installed demo
exec "$VENV/bin/python" tools/demo/run.py
