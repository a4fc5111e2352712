#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

#include "cpython/finalization.h"
#include "cpython/ref.h"

namespace cxxloop {

// The contiguous bytes of an object, for as long as this lives. Throws TypeError for objects that
// have none, BufferError for those that aren't contiguous.
class BufferView {
 public:
  explicit BufferView(PyObject* object) { check(PyObject_GetBuffer(object, &view_, PyBUF_SIMPLE)); }
  ~BufferView() {
    hang_unwound_thread();
    PyBuffer_Release(&view_);
  }
  BufferView(const BufferView&) = delete;
  BufferView& operator=(const BufferView&) = delete;

  [[nodiscard]] const char* data() const { return static_cast<const char*>(view_.buf); }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(view_.len); }

 private:
  Py_buffer view_{};
};

}  // namespace cxxloop
