#!/usr/bin/env bash
# Runs the test suite under AddressSanitizer and UndefinedBehaviorSanitizer; arguments go to pytest.
# Left out by default: CPython's own tests and the servers of others, which take most of an hour.
# Then every operation of tests/leaks in one process, which LeakSanitizer looks at when it ends.
source "$(dirname "$0")/common.sh"
provide_tested_tree asan
# The sanitizer has to find libstdc++ at the start, or the first C++ exception ends the program.
# UBSan's library comes first because it writes its report with the functions that were loaded
# first, and those of the other know nothing of its log_path.
find_preloads libubsan.so libasan.so libstdc++.so
if [ $# = 0 ]; then set -- tests --ignore tests/conformance --ignore tests/compatibility; fi

# CPython's own allocator would hide what is used after it was freed.
sanitized() {
  local leaks=$1
  shift
  env LD_PRELOAD="$PRELOAD" PYTHONMALLOC=malloc \
    ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=$leaks:allocator_may_return_null=1:log_path=$REPORTS/asan" \
    UBSAN_OPTIONS="print_stacktrace=1:log_path=$REPORTS/ubsan" \
    LSAN_OPTIONS="suppressions=$ROOT/tools/lsan.supp:print_suppressions=0" \
    "$VENV/bin/python" "$@"
}

run_step asan sanitized 0 -m pytest --timeout 240 "$@"
run_step leaks sanitized 1 -m tests.leaks
report_steps
