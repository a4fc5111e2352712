#!/usr/bin/env bash
# Runs the test suite with every assertion there is: libuv's (built here for that), libstdc++'s, our
# own and CPython's, in its development mode; on both poll backends. Arguments go to pytest.
source "$(dirname "$0")/common.sh"

# Sets LIBUV to a copy of the pinned release, from where it can be had; empty: CMake downloads it.
find_libuv() {
  local version checksum helper=/usr/lib/apt/apt-helper
  LIBUV=${CXXLOOP_LIBUV_SOURCE:-}
  if [ -n "$LIBUV" ]; then return; fi
  version=$(sed -n 's/^set(CXXLOOP_LIBUV_VERSION \(.*\))$/\1/p' cmake/libuv.cmake)
  checksum=$(sed -n 's/^set(CXXLOOP_LIBUV_DEBIAN_SHA256 \(.*\))$/\1/p' cmake/libuv.cmake)
  LIBUV=$ROOT/build/libuv/libuv1_$version.orig.tar.gz
  if [ -e "$LIBUV" ]; then return; fi
  mkdir -p "$ROOT/build/libuv"
  # Debian's archive keeps it, and is reached where apt is.
  if [ ! -x "$helper" ] || ! "$helper" download-file \
    "http://deb.debian.org/debian/pool/main/libu/libuv1/${LIBUV##*/}" "$LIBUV" "SHA256:$checksum" \
    >"$LOGS/libuv.log" 2>&1; then
    rm -f "$LIBUV"
    LIBUV=
  fi
}

find_libuv
provide_tested_tree debug -DCXXLOOP_LIBUV_SOURCE="$LIBUV"
if [ $# = 0 ]; then set -- tests --ignore tests/conformance; fi
for backend in epoll libuv; do
  run_step "debug $backend" env PYTHONDEVMODE=1 PYTHONMALLOC=debug CXXLOOP_POLL_BACKEND="$backend" \
    "$VENV/bin/python" -m pytest --timeout 120 "$@"
done
report_steps
