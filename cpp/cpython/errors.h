#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <new>
#include <system_error>

#include "cpython/ref.h"

namespace cxxloop {

// Whether the exception that is set has to leave run_forever(): SystemExit and
// KeyboardInterrupt do, whoever raised them.
bool must_leave_loop();

// Takes the exception that is set, normalised and with its traceback. New reference.
PyObject* take_exception();

// Sets an exception object as the current one; takes the reference over.
void raise_exception(PyObject* exception);

// Sets the OSError that belongs to an errno value. Returns null.
PyObject* raise_os_error(int error);

// A new OSError object for an errno value; null with a Python error set.
PyObject* make_os_error(int error);

// Turns the C++ exception that is being handled into a Python one. The only place where
// that happens for methods that pybind11 doesn't bind. Returns null.
PyObject* raise_current_exception() noexcept;

// Runs the body of a method called from Python, so that nothing but a Python exception
// leaves it.
template <class Body>
PyObject* guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    return raise_current_exception();
  }
}

}  // namespace cxxloop
