#include "loop/clock.h"

#include <ctime>

#include "cpython/names.h"
#include "cpython/ref.h"

namespace cxxloop {

namespace {

constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;

std::int64_t read_clock(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::int64_t>(time.tv_sec) * kNanosecondsPerSecond + time.tv_nsec;
}

}  // namespace

std::int64_t monotonic_nanoseconds() { return read_clock(CLOCK_MONOTONIC); }

double monotonic_seconds() {
  // The same two steps as CPython, so that the values are equal to the last bit.
  const std::int64_t nanoseconds = monotonic_nanoseconds();
  if (nanoseconds % kNanosecondsPerSecond == 0) {
    const std::int64_t seconds = nanoseconds / kNanosecondsPerSecond;
    return static_cast<double>(seconds);
  }
  return static_cast<double>(nanoseconds) / 1e9;
}

std::int64_t coarse_tick() {
#ifdef CLOCK_MONOTONIC_COARSE
  return read_clock(CLOCK_MONOTONIC_COARSE);
#else
  return read_clock(CLOCK_MONOTONIC) / 1'000'000;
#endif
}

bool Clock::look_up() {
  PyTypeObject* const type = Py_TYPE(loop_);
  PyObject* const found = _PyType_Lookup(type, names.time);
  native_ = found == native_time_ && !patched_;
  version_ = type->tp_version_tag;
  return native_;
}

bool Clock::now(double& seconds) {
  if (is_native()) {
    seconds = monotonic_seconds();
    return true;
  }
  PyObject* const time = PyObject_CallMethodNoArgs(loop_, names.time);
  if (time == nullptr) return false;
  seconds = PyFloat_AsDouble(time);
  Py_DECREF(time);
  return seconds != -1.0 || PyErr_Occurred() == nullptr;
}

}  // namespace cxxloop
