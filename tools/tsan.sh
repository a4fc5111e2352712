#!/usr/bin/env bash
# Runs what several threads take part in under ThreadSanitizer; arguments go to pytest. Left out by
# default is what forks while it has threads, which ThreadSanitizer does not support.
source "$(dirname "$0")/common.sh"
provide_tested_tree tsan
find_preloads libtsan.so libstdc++.so
if [ $# = 0 ]; then
  set -- tests/scheduling/test_thread_safety.py tests/scheduling/test_beside_others.py \
    tests/lifecycle/test_executors.py tests/lifecycle/test_closing.py tests/names tests/processes \
    tests/descriptors/test_signals.py tests/descriptors/test_interrupts.py
fi
options=halt_on_error=0:die_after_fork=0:exitcode=66:suppressions=$ROOT/tools/tsan.supp
run_step tsan env LD_PRELOAD="$PRELOAD" TSAN_OPTIONS="$options:log_path=$REPORTS/tsan" \
  "$VENV/bin/python" -m pytest --timeout 240 "$@"
report_steps
