#include "transports/water_marks.h"

#include "cpython/ref.h"

namespace cxxloop {

namespace {

// The nearest number of bytes to a number that isn't negative; -1 with a Python error set.
Py_ssize_t to_size(PyObject* number) {
  if (PyIndex_Check(number) != 0) return PyNumber_AsSsize_t(number, nullptr);
  const double value = PyFloat_AsDouble(number);
  return value >= static_cast<double>(PY_SSIZE_T_MAX) ? PY_SSIZE_T_MAX
                                                      : static_cast<Py_ssize_t>(value);
}

bool is_at_least(PyObject* number, PyObject* other) {
  const int answer = PyObject_RichCompareBool(number, other, Py_GE);
  check(answer);
  return answer != 0;
}

}  // namespace

// The arithmetic is Python's, as the numbers may be of any type and size.
bool WaterMarks::set(PyObject* high_object, PyObject* low_object) {
  const Ref four = steal(PyLong_FromLong(4));
  const Ref zero = steal(PyLong_FromLong(0));
  Ref high = borrow(high_object);
  if (high.is_none()) {
    high = low_object == Py_None ? steal(PyLong_FromSize_t(default_high_))
                                 : steal(PyNumber_Multiply(four.ptr(), low_object));
  }
  const Ref low = low_object == Py_None ? steal(PyNumber_FloorDivide(high.ptr(), four.ptr()))
                                        : borrow(low_object);
  if (!is_at_least(high.ptr(), low.ptr()) || !is_at_least(low.ptr(), zero.ptr())) {
    PyErr_Format(PyExc_ValueError, "high (%R) must be >= low (%R) must be >= 0", high.ptr(),
                 low.ptr());
    return false;
  }
  const Py_ssize_t high_size = to_size(high.ptr());
  const Py_ssize_t low_size = to_size(low.ptr());
  if (PyErr_Occurred() != nullptr) return false;
  high_ = static_cast<std::size_t>(high_size);
  low_ = static_cast<std::size_t>(low_size);
  return true;
}

PyObject* WaterMarks::to_python() const {
  return Py_BuildValue("nn", static_cast<Py_ssize_t>(low_), static_cast<Py_ssize_t>(high_));
}

}  // namespace cxxloop
