#pragma once

#include <pybind11/pybind11.h>

#include <utility>

#include "cpython/finalization.h"

namespace py = pybind11;

namespace cxxloop {

// The only owning reference to a Python object. PyObject* borrows, except inside
// the hot objects (Handle, the transports), whose fields own by hand.
class Ref : public py::object {
 public:
  using py::object::object;
  Ref() = default;
  Ref(py::object other) : py::object(std::move(other)) {}  // NOLINT(google-explicit-constructor)
  Ref(const Ref&) = default;
  Ref(Ref&&) noexcept = default;
  Ref& operator=(const Ref&) = default;
  Ref& operator=(Ref&&) noexcept = default;
  ~Ref() {
    if (ptr() != nullptr) hang_unwound_thread();
  }

  // pybind11's name.
  static bool check_(py::handle other) {  // NOLINT(readability-identifier-naming)
    return other.ptr() != nullptr;
  }
};

// Takes over a new reference as the C API returns it; a null pointer is the
// Python exception that is set.
inline Ref steal(PyObject* object) {
  if (object == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<Ref>(object);
}

inline Ref borrow(PyObject* object) { return py::reinterpret_borrow<Ref>(object); }

inline void check(int status) {
  if (status < 0) throw py::error_already_set();
}

// Sets aside the exception that is set, and sets it again at the end of the scope: for
// code that must run while an exception is on its way.
class SavedError {
 public:
  SavedError() { PyErr_Fetch(&type_, &value_, &traceback_); }
  ~SavedError() {
    hang_unwound_thread();
    PyErr_Restore(type_, value_, traceback_);
  }
  SavedError(const SavedError&) = delete;
  SavedError& operator=(const SavedError&) = delete;

 private:
  PyObject* type_;
  PyObject* value_;
  PyObject* traceback_;
};

}  // namespace cxxloop
