#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

namespace cxxloop {

// How many bytes may wait to be sent before the protocol is paused, and how few must be left
// before it is resumed.
class WaterMarks {
 public:
  // `high` is also what set() takes for the default; the low one is always a quarter by default.
  explicit WaterMarks(std::size_t high = 64 * 1024)
      : default_high_(high), high_(high), low_(high / 4) {}

  // As set_write_buffer_limits(high, low), where None stands for a default. False: a Python error
  // is set and nothing has changed.
  bool set(PyObject* high, PyObject* low);

  // (low, high), a new reference.
  [[nodiscard]] PyObject* to_python() const;

  [[nodiscard]] std::size_t high() const { return high_; }
  [[nodiscard]] std::size_t low() const { return low_; }

 private:
  std::size_t default_high_;
  std::size_t high_;
  std::size_t low_;
};

}  // namespace cxxloop
