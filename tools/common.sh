# Shared by the scripts beside it; to be sourced. Sets up what is missing: system packages, a
# Python, virtual environments under build/venv, and cxxloop in them.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LOGS=$ROOT/build/logs
mkdir -p "$LOGS"
cd "$ROOT"
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command with its output in a log, which is shown when the command fails.
quietly() {
  local log=$LOGS/$1.log
  shift
  "$@" >"$log" 2>&1 || { tail -n 60 "$log" >&2; die "failed: $* (see ${log#"$ROOT"/})"; }
}

apt_updated=no
apt_install() {
  have apt-get || die "please install what Debian calls: $*"
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    have sudo || die "please install, as root: apt-get install $*"
    as_root=(sudo)
  fi
  say "installing: $*"
  if [ "$apt_updated" = no ]; then
    quietly apt-update ${as_root[@]+"${as_root[@]}"} apt-get update -qq
    apt_updated=yes
  fi
  quietly apt-install ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@"
}

is_supported_python() {
  "$1" -c 'import sys; sys.exit(not (sys.version_info >= (3, 11) and sys.implementation.name == "cpython"))' \
    >/dev/null 2>&1
}

# Prints every supported Python of this machine, one for each minor version, the oldest first.
all_pythons() {
  local minor path
  for minor in 11 12 13 14 15; do
    for path in "$(command -v "python3.$minor" || true)" \
      "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"3.$minor".*/bin/python; do
      [ -x "$path" ] || continue
      [ "$(python_tag "$path" 2>/dev/null)" = "3.$minor" ] || continue  # pyenv's shims may lead nowhere
      say "$path"
      break
    done
  done
}

find_python() {
  local path
  for path in python3 $(all_pythons); do
    if is_supported_python "$path"; then command -v "$path"; return; fi
  done
  return 1
}

python_tag() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2] + sys.abiflags)'; }

# Sets PYTHON, unless the caller has, to a Python of 3.11 or newer.
provide_python() {
  if [ -n "${PYTHON:-}" ]; then
    is_supported_python "$PYTHON" || die "PYTHON=$PYTHON is not a CPython of 3.11 or newer"
  elif ! PYTHON=$(find_python); then
    apt_install python3
    if ! PYTHON=$(find_python); then
      apt_install python3.11
      PYTHON=$(find_python) || die "CPython 3.11 or newer is needed: make PYTHON=/path/to/python …"
    fi
  fi
  PYTHON=$("$PYTHON" -c 'import sys; print(sys.executable)')
  PYTHON_TAG=$(python_tag "$PYTHON")
  local missing=()
  "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=("python$PYTHON_TAG-venv")
  "$PYTHON" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    missing+=("python$PYTHON_TAG-dev")
  if [ ${#missing[@]} -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# A C++ compiler and libuv; cmake and ninja come from PyPI where the system has none.
provide_build_tools() {
  local missing=()
  have c++ || have g++ || have clang++ || missing+=(g++)
  have make || missing+=(make)
  have pkg-config || missing+=(pkg-config)
  if ! have pkg-config || ! pkg-config --exists 'libuv >= 1.44'; then missing+=(libuv1-dev); fi
  [ -e /etc/ssl/certs/ca-certificates.crt ] || ! have apt-get || missing+=(ca-certificates)
  if [ ${#missing[@]} -gt 0 ]; then apt_install "${missing[@]}"; fi
}

# Sets VENV to a virtual environment with one dependency group of pyproject.toml in it.
provide_venv() {
  local group=$1 stamp
  VENV=$ROOT/build/venv/$group-$PYTHON_TAG
  stamp="$("$PYTHON" -VV) $(sed -n '/^\[dependency-groups\]/,/^\[tool/p' pyproject.toml | cksum)"
  if [ "$(cat "$VENV/.provided" 2>/dev/null)" = "$stamp" ]; then return; fi
  say "preparing ${VENV#"$ROOT"/}"
  rm -rf "$VENV"
  quietly "venv-$group-$PYTHON_TAG" "$PYTHON" -m venv "$VENV"
  quietly "venv-$group-$PYTHON_TAG" "$VENV/bin/python" -m pip install --upgrade 'pip>=25.1'
  quietly "venv-$group-$PYTHON_TAG" "$VENV/bin/python" -m pip install --group "$group"
  say "$stamp" >"$VENV/.provided"
}

# Builds cxxloop's wheel for $PYTHON, unless there is one that is newer than every source, and
# installs it into $VENV.
provide_cxxloop() {
  local wheels=$ROOT/build/wheels/$PYTHON_TAG sources=(CMakeLists.txt pyproject.toml cmake cpp python)
  if [ ! -e "$wheels/.built" ] ||
    [ -n "$(find "${sources[@]}" -newer "$wheels/.built" ! -name '*.pyc' ! -type d -print -quit)" ]; then
    say "building cxxloop for Python $PYTHON_TAG (a minute or two)"
    rm -rf "$wheels"
    mkdir -p "$wheels"
    touch "$wheels/.begun"
    quietly "build-$PYTHON_TAG" "$VENV/bin/python" -m pip wheel --verbose --no-deps --wheel-dir "$wheels" .
    mv "$wheels/.begun" "$wheels/.built"
  fi
  if [ ! "$VENV/.cxxloop" -nt "$wheels/.built" ]; then
    quietly "install-$PYTHON_TAG" "$VENV/bin/python" -m pip install --force-reinstall --no-deps "$wheels"/*.whl
    touch "$VENV/.cxxloop"
  fi
}

# Sets VENV to a virtual environment with a dependency group and the wheel of cxxloop in it.
provide_installed() {
  provide_python
  provide_build_tools
  provide_venv "$1"
  provide_cxxloop
}

# Sets TREE to build/<preset>-<version> and configures it; further arguments go to cmake. Leaves
# cmake and ninja on PATH, and VENV as it was.
configure_tree() {
  local preset=$1 venv=${VENV:-}
  shift
  provide_venv check
  PATH=$VENV/bin:$PATH
  TREE=$ROOT/build/$preset-$PYTHON_TAG
  quietly "configure-$preset-$PYTHON_TAG" \
    cmake --preset "$preset" -B "$TREE" -DPython_EXECUTABLE="$VENV/bin/python" "$@"
  VENV=$venv
}

# Sets VENV to an environment for tests, and PYTHONPATH to a tree that is built with a preset.
provide_tested_tree() {
  provide_python
  provide_build_tools
  provide_venv test
  configure_tree "$@"
  say "building ${TREE#"$ROOT"/} (some minutes when it is new)"
  quietly "build-$1-$PYTHON_TAG" cmake --build "$TREE"
  export PYTHONPATH=$TREE
}

# Sets PRELOAD to the runtime libraries that a program has to begin with.
find_preloads() {
  local name path
  PRELOAD=
  for name in "$@"; do
    path=$(c++ -print-file-name="$name")
    [ -e "$path" ] || die "c++ has no $name: GCC is needed, with its sanitizers"
    PRELOAD="$PRELOAD${PRELOAD:+ }$path"
  done
}

# Runs a step of a target; report_steps tells at the end how each went. What sanitizers write to
# REPORTS is shown, and fails the step.
REPORTS=$ROOT/build/sanitizer-reports
STEPS=()
STEPS_STATUS=0
run_step() {
  local name=$1 status=0 log
  log=$LOGS/${name// /-}-$PYTHON_TAG.log
  shift
  rm -rf "$REPORTS"
  mkdir -p "$REPORTS"
  say "=== $name"
  "$@" 2>&1 | tee "$log" || status=$?
  if grep -qsE 'ERROR: |WARNING: ThreadSanitizer|runtime error' -r "$REPORTS"; then
    cat "$REPORTS"/*
    status=1
  fi
  if [ "$status" != 0 ]; then STEPS_STATUS=1; fi
  STEPS+=("test suite, $name, CPython $PYTHON_TAG: $(tail -n 1 "$log" | tr -d '=' | sed 's/^ *//; s/ *$//')")
}

report_steps() {
  say
  printf '%s\n' "${STEPS[@]}"
  if [ "$STEPS_STATUS" = 0 ]; then say "RESULT: passed"; else say "RESULT: FAILED"; fi
  exit "$STEPS_STATUS"
}
