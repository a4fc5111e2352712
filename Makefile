# Each target sets up what it needs; see CONTRIBUTING.md. PYTHON=… chooses the interpreter,
# ARGS=… goes to the program behind the target.
.PHONY: help demo test models check format dev conformance bench dist clean asan tsan debug leaks fuzz soak faults

help:
	@echo 'make demo         build, then run an echo server and client and aiohttp on cxxloop'
	@echo 'make test         build, then run the whole test suite (ARGS: for pytest)'
	@echo 'make models       random scripts on both kinds of loops (ARGS: how many for each model)'
	@echo 'make check        format, lint, types, stub and spelling (ARGS: names of single checks)'
	@echo 'make format       let clang-format and ruff format the sources'
	@echo 'make dev          an importable build tree in build/dev, built anew in seconds'
	@echo "make conformance  CPython's own asyncio tests on cxxloop, a table per class"
	@echo 'make asan         the tests under AddressSanitizer, and LeakSanitizer'
	@echo 'make tsan         what has threads under ThreadSanitizer'
	@echo "make debug        the tests with libuv's, libstdc++'s and our own assertions"
	@echo 'make leaks        each operation many times: what does it leave?'
	@echo 'make fuzz         hostile input of every kind (SECONDS=60 for each libFuzzer target)'
	@echo 'make soak         many connections of every kind at once for MINUTES=1 (ARGS: for tests.soak)'
	@echo 'make faults       every system call fails once, on both loops (ARGS: for pytest)'
	@echo 'make bench        compare with other event loops (ARGS: for benchmarks/run.py)'
	@echo 'make dist         sdist and wheel in dist/'
	@echo 'make clean        remove everything that was built'
	@echo 'PYTHON=/path/to/python chooses the interpreter, 3.11 or newer.'

export PYTHON MINUTES

demo test models conformance bench check format dev dist asan tsan debug leaks soak faults:
	@bash tools/$@.sh $(ARGS)

fuzz:
	@SECONDS_EACH=$(or $(SECONDS),60) bash tools/fuzz.sh

clean:
	rm -rf build dist
