#!/usr/bin/env bash
# Plays random scripts on both kinds of loops and compares what they do; the first argument is the
# number of scripts for each model, further ones go to pytest.
source "$(dirname "$0")/common.sh"
provide_installed test

CXXLOOP_MODEL_EXAMPLES=${1:-2000} "$VENV/bin/python" -m pytest tests/models --timeout 0 "${@:2}"
