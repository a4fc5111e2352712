#pragma once

#include <pybind11/pybind11.h>

#include <atomic>

namespace cxxloop {

// Until 3.13 CPython ends a daemon thread that wants the GIL of an interpreter that is going away
// by unwinding its stack, ours included, without the GIL. No reference may be dropped then: every
// destructor that does so calls hang_unwound_thread() first, and the thread stays where it is, as
// it does from 3.14 on. The process ends without it.

// Set by atexit; until then no thread is unwound.
extern std::atomic<bool> interpreter_is_ending;

// Has `interpreter_is_ending` set in time. Throws what Python raised.
void watch_for_finalization();

[[noreturn]] void hang_thread();
void hang_without_gil();

inline void hang_unwound_thread() {
#if PY_VERSION_HEX < 0x030E0000
  if (interpreter_is_ending.load(std::memory_order_relaxed)) [[unlikely]]
    hang_without_gil();
#endif
}

}  // namespace cxxloop
