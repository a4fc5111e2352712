#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>

namespace cxxloop {

// time.monotonic(), in seconds.
double monotonic_seconds();

// The same clock in nanoseconds.
std::int64_t monotonic_nanoseconds();

// A cheap value that changes every few milliseconds.
std::int64_t coarse_tick();

// The clock that timers follow: time.monotonic(), unless the program overrides or patches
// the loop's time(), as fake clocks for tests do. Noticing that costs one comparison a call.
class Clock {
 public:
  // `loop` is borrowed and outlives this; `native_time` is the method that the extension
  // gave to the type.
  Clock(PyObject* loop, PyObject* native_time) : loop_(loop), native_time_(native_time) {}

  // Seconds; false with a Python error set when the program's time() failed.
  bool now(double& seconds);

  // Somebody set or deleted the attribute `time` of the loop object itself.
  void set_patched(bool patched) {
    patched_ = patched;
    version_ = 0;
  }

  [[nodiscard]] bool is_native() {
    const unsigned int version = Py_TYPE(loop_)->tp_version_tag;
    if (version != 0 && version == version_) [[likely]]
      return native_;
    return look_up();
  }

 private:
  bool look_up();

  PyObject* loop_;
  PyObject* native_time_;
  unsigned int version_ = 0;  // of the loop's type, when we last looked
  bool native_ = true;
  bool patched_ = false;
};

}  // namespace cxxloop
