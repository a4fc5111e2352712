#!/usr/bin/env bash
# Everything that can be said about the sources without running the tests. All checks run, also
# after one has failed; arguments name single ones: format compile headers tidy ruff mypy stub spelling
source "$(dirname "$0")/common.sh"
provide_python
provide_build_tools
provide_venv check
bin=$VENV/bin
export PATH=$bin:$PATH
jobs=$(nproc)

cpp_files() { find cpp benchmarks tests/fuzz \( -name '*.h' -o -name '*.cpp' \) "$@" | sort; }

configure() { cmake --preset "$1" -B "build/$2" -DPython_EXECUTABLE="$bin/python" "${@:3}" >"$LOGS/configure-$2.log" 2>&1 ||
  { cat "$LOGS/configure-$2.log"; return 1; }; }

check_format() {
  local file wrong=0
  for file in $(cpp_files); do
    clang-format "$file" | cmp -s - "$file" || { say "   $file is not formatted (make format)"; wrong=1; }
  done
  return "$wrong"
}

check_compile() {
  configure dev "dev-$PYTHON_TAG" &&
    cmake --build "build/dev-$PYTHON_TAG" -j "$jobs" >"$LOGS/compile.log" 2>&1 || { tail -n 60 "$LOGS/compile.log"; return 1; }
}

# Every header compiles alone; those of containers and uv without Python.
check_headers() {
  local uv python pybind
  uv=$(pkg-config --cflags libuv)
  python=$(python -c 'import sysconfig; print("-isystem", sysconfig.get_path("include"))')
  pybind=$(python -c 'import pybind11; print("-isystem", pybind11.get_include())')
  local compile='for header; do c++ -std=c++20 -fsyntax-only -fvisibility=hidden -Wall -Wextra -Werror -x c++ -Icpp $FLAGS -include "$header" /dev/null || exit 255; done'
  find cpp/containers cpp/uv -name '*.h' | FLAGS=$uv xargs -P "$jobs" -n 4 bash -c "$compile" _ || return 1
  find cpp -name '*.h' ! -path 'cpp/containers/*' ! -path 'cpp/uv/*' |
    FLAGS="$uv $python $pybind" xargs -P "$jobs" -n 4 bash -c "$compile" _
}

# As users compile it, but without what only the optimiser reads.
check_tidy() {
  configure release "tidy-$PYTHON_TAG" -DCXXLOOP_LTO=OFF -DCXXLOOP_PCH=OFF || return 1
  find cpp -name '*.cpp' | sort | xargs -P "$jobs" -n 3 clang-tidy -p "build/tidy-$PYTHON_TAG" --quiet 2>"$LOGS/tidy-notes.log"
}

check_ruff() { ruff check . && ruff format --check .; }

check_mypy() {
  local version
  for version in 3.11 3.12 3.14; do
    say "   as of Python $version"
    mypy --python-version "$version" python/cxxloop || return 1
  done
}

check_stub() {
  [ -d "build/dev-$PYTHON_TAG/cxxloop" ] || check_compile || return 1
  PYTHONPATH=$ROOT/build/dev-$PYTHON_TAG MYPYPATH=$ROOT/build/dev-$PYTHON_TAG \
    python -m mypy.stubtest cxxloop._core --mypy-config-file pyproject.toml --allowlist tools/stubtest-allowlist.txt
}

check_spelling() { codespell; }

if [ $# = 0 ]; then set -- format ruff mypy spelling compile headers tidy stub; fi
failed=()
for check in "$@"; do
  declare -F "check_$check" >/dev/null || die "there is no check $check"
  say "== $check"
  started=$SECONDS
  if "check_$check"; then
    say "   ok, $((SECONDS - started)) s"
  else
    say "   FAILED"
    failed+=("$check")
  fi
done

say
if [ ${#failed[@]} -gt 0 ]; then say "RESULT: FAILED: ${failed[*]}"; exit 1; fi
say "RESULT: all checks passed"
