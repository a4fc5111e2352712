#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

namespace cxxloop {

// What methods without pybind11's dispatch share: their arguments, their results, their place in
// a table of methods.

using FastArguments = PyObject* const*;
constexpr int kKeywords = METH_FASTCALL | METH_KEYWORDS;

// None, or null when a Python exception is set.
inline PyObject* none_if(bool succeeded) { return succeeded ? Py_NewRef(Py_None) : nullptr; }

inline PyObject* new_or_none(PyObject* object) {
  return Py_NewRef(object == nullptr ? Py_None : object);
}

// Reads exactly the parameters of the given names, by place or by keyword; `values` holds the
// defaults, null where there is none. False: a TypeError is set.
template <std::size_t Count>
bool read_arguments(const char* method, PyObject* const* arguments, Py_ssize_t count,
                    PyObject* keywords, const char* const (&parameters)[Count],
                    PyObject* (&values)[Count]) {
  if (count > static_cast<Py_ssize_t>(Count)) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %zu positional arguments but %zd were given",
                 method, Count, count);
    return false;
  }
  for (Py_ssize_t i = 0; i < count; ++i) values[i] = arguments[i];
  const Py_ssize_t keyword_count = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < keyword_count; ++i) {
    PyObject* const keyword = PyTuple_GET_ITEM(keywords, i);
    std::size_t place = 0;
    while (place < Count && PyUnicode_CompareWithASCIIString(keyword, parameters[place]) != 0) {
      ++place;
    }
    if (place == Count || static_cast<Py_ssize_t>(place) < count) {
      PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", method,
                   keyword);
      return false;
    }
    values[place] = arguments[count + i];
  }
  for (std::size_t i = 0; i < Count; ++i) {
    if (values[i] != nullptr) continue;
    PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: '%s'", method,
                 parameters[i]);
    return false;
  }
  return true;
}

template <class Function>
PyCFunction function(Function* method) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method));
}

}  // namespace cxxloop
