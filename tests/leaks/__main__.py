"""python -m tests.leaks: the same with as many cycles as you like, on either loop."""

from __future__ import annotations

import argparse
import fnmatch
import logging
import sys
import tempfile
import time
from pathlib import Path

from tests.leaks.measuring import leftovers
from tests.leaks.operation import make_setting
from tests.leaks.table import OPERATIONS
from tests.support.certificates import Certificates
from tests.support.loops import LOOP_FACTORIES, close_loop


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.leaks", description=__doc__)
    parser.add_argument("patterns", nargs="*", default=["*"], help="names of operations")
    parser.add_argument("--times", type=float, default=1, help="as many cycles as in the suite")
    parser.add_argument("--loop", choices=sorted(LOOP_FACTORIES), default="cxxloop")
    options = parser.parse_args()
    chosen = [
        operation
        for name, operation in sorted(OPERATIONS.items())
        if any(fnmatch.fnmatch(name, pattern) for pattern in options.patterns)
    ]
    leaking = 0
    logging.disable()
    with tempfile.TemporaryDirectory() as directory:
        certificates = Certificates(Path(directory))
        for operation in chosen:
            loop = LOOP_FACTORIES[options.loop]()
            started = time.monotonic()
            try:
                left = leftovers(
                    operation,
                    make_setting(loop, certificates, Path(directory)),
                    max(1, int(operation.cycles * options.times)),
                )
            except Exception as exc:
                left = {f"{type(exc).__name__}: {exc}": {}}
            close_loop(loop)
            leaking += bool(left)
            print(f"{operation.name:45} {time.monotonic() - started:6.1f} s  {left or 'nothing'}")
    print(f"RESULT: {leaking} of {len(chosen)} operations leave something")
    return bool(leaking)


if __name__ == "__main__":
    sys.exit(main())
