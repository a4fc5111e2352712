#include "transports/water_marks.h"

#include "cpython/ref.h"

namespace cxxloop {

namespace {

// A number of bytes, or the Python error -1. Numbers beyond every size are as good as the
// greatest one.
Py_ssize_t to_size(PyObject* number) {
  if (!PyFloat_Check(number)) return PyNumber_AsSsize_t(number, nullptr);
  const double value = PyFloat_AS_DOUBLE(number);
  return value >= static_cast<double>(PY_SSIZE_T_MAX) ? PY_SSIZE_T_MAX
                                                      : static_cast<Py_ssize_t>(value);
}

}  // namespace

bool WaterMarks::set(PyObject* high_object, PyObject* low_object) {
  constexpr Py_ssize_t kHighPerLow = 4;
  Py_ssize_t low = 0;
  Py_ssize_t high = 0;
  if (low_object != Py_None) low = to_size(low_object);
  if (high_object != Py_None) high = to_size(high_object);
  if (PyErr_Occurred() != nullptr) return false;
  if (high_object == Py_None) {
    high = low_object == Py_None ? static_cast<Py_ssize_t>(default_high_) : kHighPerLow * low;
  }
  // Rounded down, also below zero.
  if (low_object == Py_None) low = (high < 0 ? high - (kHighPerLow - 1) : high) / kHighPerLow;
  if (!(high >= low && low >= 0)) {
    const Ref high_shown =
        high_object == Py_None ? steal(PyLong_FromSsize_t(high)) : borrow(high_object);
    const Ref low_shown =
        low_object == Py_None ? steal(PyLong_FromSsize_t(low)) : borrow(low_object);
    PyErr_Format(PyExc_ValueError, "high (%R) must be >= low (%R) must be >= 0", high_shown.ptr(),
                 low_shown.ptr());
    return false;
  }
  high_ = static_cast<std::size_t>(high);
  low_ = static_cast<std::size_t>(low);
  return true;
}

PyObject* WaterMarks::to_python() const {
  return Py_BuildValue("nn", static_cast<Py_ssize_t>(low_), static_cast<Py_ssize_t>(high_));
}

}  // namespace cxxloop
