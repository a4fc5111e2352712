#!/usr/bin/env bash
# Fuzzes for SECONDS in each target (60 unless told): libFuzzer around what parses bytes, text and
# arguments in C++, then every hostile call and callback on both loops. PART=8 makes each eighth
# hostile call only. A finding stays in build/fuzz/.
source "$(dirname "$0")/common.sh"
seconds=${SECONDS_EACH:-60}
provide_installed test
have clang++ || apt_install clang

build=$ROOT/build/fuzz-$PYTHON_TAG
have cmake || quietly cmake "$VENV/bin/python" -m pip install cmake ninja
"$VENV/bin/python" -c 'import pybind11' 2>/dev/null || quietly pybind11 "$VENV/bin/python" -m pip install pybind11
export PATH=$VENV/bin:$PATH
quietly fuzz-configure cmake --preset fuzz -B "$build" -DPython_EXECUTABLE="$PYTHON" \
  -Dpybind11_DIR="$("$VENV/bin/python" -m pybind11 --cmakedir)"
say "building with sanitizers"
quietly fuzz-build cmake --build "$build" -j "$(nproc)"

corpus=$ROOT/build/fuzz
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:handle_segv=1 PYTHONMALLOC=malloc
failed=()

# libFuzzer from the seeds of one target; the rest of the command is the program.
fuzz() {
  local target=$1
  shift
  mkdir -p "$corpus/$target" "$corpus/findings"
  say "== $target, $seconds seconds"
  "$@" "$corpus/$target" "tests/fuzz/seeds/$target" -max_total_time="$seconds" -timeout=20 \
    -rss_limit_mb=4096 -artifact_prefix="$corpus/findings/$target-" -print_final_stats=1 \
    >"$LOGS/fuzz-$target.log" 2>&1 || { failed+=("$target"); tail -n 40 "$LOGS/fuzz-$target.log"; }
  grep -E 'number_of_executed_units|new_units_added' "$LOGS/fuzz-$target.log" || true
}

fuzz record_scanner "$build/tests/fuzz/fuzz_record_scanner"
for target in addresses arguments tls; do
  fuzz "$target" env CXXLOOP_FUZZ_TARGET="tests.fuzz.$target" \
    PYTHONPATH="$build:$ROOT:$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    "$build/tests/fuzz/fuzz_python"
done

say "== hostile calls"
unset ASAN_OPTIONS PYTHONMALLOC
"$VENV/bin/python" -m tests.hostile.compare --part "${PART:-1}" || failed+=(calls)
say "== hostile callbacks"
CXXLOOP_FUZZ=1 "$VENV/bin/python" -m pytest -q tests/hostile/test_callbacks.py --timeout 600 || failed+=(callbacks)

if [ ${#failed[@]} = 0 ]; then say "RESULT: nothing found"; else die "findings: ${failed[*]}"; fi
