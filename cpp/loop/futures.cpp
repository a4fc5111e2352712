#include "loop/futures.h"

#include <array>

#include "cpython/names.h"
#include "cpython/ref.h"
#include "cpython/stdlib.h"

namespace cxxloop {

namespace {

bool settle(PyObject* future, PyObject* method, PyObject* value) {
  const Ref done = steal(PyObject_CallMethodNoArgs(future, names.done));
  const int is_done = PyObject_IsTrue(done.ptr());
  if (is_done != 0) return is_done > 0;
  const Ref result = steal(PyObject_CallMethodOneArg(future, method, value));
  return true;
}

bool settle_checked(PyObject* future, PyObject* method, PyObject* value) {
  try {
    return settle(future, method, value);
  } catch (py::error_already_set& error) {
    error.restore();
    return false;
  }
}

}  // namespace

PyObject* make_future(PyObject* loop) {
  PyObject* const arguments[] = {nullptr, loop};
  return PyObject_Vectorcall(stdlib.future_type, arguments + 1,
                             0 | PY_VECTORCALL_ARGUMENTS_OFFSET, stdlib.loop_keyword);
}

PyObject* make_task(PyObject* loop, PyObject* coro, PyObject* const* values, PyObject* keywords) {
  if (keywords == nullptr || PyTuple_GET_SIZE(keywords) == 0) {
    PyObject* const arguments[] = {nullptr, coro, loop};
    return PyObject_Vectorcall(stdlib.task_type, arguments + 1,
                               1 | PY_VECTORCALL_ARGUMENTS_OFFSET, stdlib.loop_keyword);
  }
  const Py_ssize_t count = PyTuple_GET_SIZE(keywords);
  constexpr Py_ssize_t kMost = 8;
  if (count > kMost) {
    PyErr_SetString(PyExc_TypeError, "create_task() got too many keyword arguments");
    return nullptr;
  }
  std::array<PyObject*, kMost + 3> arguments{nullptr, coro, loop};
  PyObject* const all_keywords = PyTuple_New(count + 1);
  if (all_keywords == nullptr) return nullptr;
  PyTuple_SET_ITEM(all_keywords, 0, Py_NewRef(names.loop));
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyTuple_SET_ITEM(all_keywords, i + 1, Py_NewRef(PyTuple_GET_ITEM(keywords, i)));
    arguments[static_cast<std::size_t>(i) + 3] = values[i];
  }
  PyObject* const task =
      PyObject_Vectorcall(stdlib.task_type, arguments.data() + 1,
                          1 | PY_VECTORCALL_ARGUMENTS_OFFSET, all_keywords);
  Py_DECREF(all_keywords);
  return task;
}

bool set_result_unless_done(PyObject* future, PyObject* result) {
  return settle_checked(future, names.set_result, result);
}

bool set_exception_unless_done(PyObject* future, PyObject* exception) {
  return settle_checked(future, names.set_exception, exception);
}

}  // namespace cxxloop
