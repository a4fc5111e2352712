#include "loop/futures.h"

#include <utility>

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

PyObject* Futures::options() {
  // Somebody who kept the dict may have changed it.
  if (options_ != nullptr && Py_REFCNT(options_) == 1) [[likely]]
    return options_;
  PyObject* const fresh = PyDict_New();
  if (fresh == nullptr) return nullptr;
  if (PyDict_SetItem(fresh, names.loop, loop_) < 0) {
    Py_DECREF(fresh);
    return nullptr;
  }
  Py_XSETREF(options_, fresh);
  return options_;
}

// Looked up each time, as asyncio does: tests and tracers replace them.
PyObject* Futures::construct(PyObject* scope, PyObject* name, PyObject* arguments,
                             PyObject* options) {
  PyObject* const callable = PyDict_GetItemWithError(scope, name);
  if (callable == nullptr) {
    if (PyErr_Occurred() == nullptr) PyErr_SetObject(PyExc_AttributeError, name);
    return nullptr;
  }
  if (Py_TYPE(callable) != &PyType_Type) return PyObject_Call(callable, arguments, options);
  auto* const type = reinterpret_cast<PyTypeObject*>(callable);
  PyObject* const made = type->tp_new(type, arguments, options);
  if (made == nullptr) return nullptr;
  if (type->tp_init(made, arguments, options) == 0) return made;
  Py_DECREF(made);
  return nullptr;
}

PyObject* Futures::make_future() {
  PyObject* const known = options();
  if (known == nullptr) return nullptr;
  return construct(stdlib.futures_names, names.Future, stdlib.empty_tuple, known);
}

PyObject* Futures::arguments_of(PyObject* coro) {
  if (arguments_ == nullptr) return PyTuple_Pack(1, coro);
  PyObject* const arguments = std::exchange(arguments_, nullptr);
  PyTuple_SET_ITEM(arguments, 0, Py_NewRef(coro));
  return arguments;
}

// Keeps the tuple, hidden from the collector, unless somebody else keeps it too.
void Futures::give_back(PyObject* arguments) {
  if (Py_REFCNT(arguments) != 1 || arguments_ != nullptr) {
    if (PyObject_GC_IsTracked(arguments) == 0) PyObject_GC_Track(arguments);
    Py_DECREF(arguments);
    return;
  }
  PyObject_GC_UnTrack(arguments);
  arguments_ = arguments;
  PyObject* const coro = PyTuple_GET_ITEM(arguments, 0);
  PyTuple_SET_ITEM(arguments, 0, nullptr);
  Py_DECREF(coro);
}

void Futures::clear() {
  Py_CLEAR(options_);
  Py_CLEAR(arguments_);
}

PyObject* Futures::make_task(PyObject* coro, PyObject* const* values, PyObject* keywords) {
  PyObject* const known = options();
  if (known == nullptr) return nullptr;
  Ref all;
  const Py_ssize_t count = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (values[i] == Py_None) continue;  // As good as absent, for each of them.
    if (!all) all = steal(PyDict_Copy(known));
    check(PyDict_SetItem(all.ptr(), PyTuple_GET_ITEM(keywords, i), values[i]));
  }
  PyObject* const arguments = arguments_of(coro);
  if (arguments == nullptr) return nullptr;
  PyObject* const task =
      construct(stdlib.tasks_names, names.Task, arguments, all ? all.ptr() : known);
  give_back(arguments);
  return task;
}

int Futures::traverse(visitproc visit, void* arg) const {
  Py_VISIT(options_);
  return 0;
}

bool set_result_unless_done(PyObject* future, PyObject* result) {
  return settle_checked(future, names.set_result, result);
}

bool set_exception_unless_done(PyObject* future, PyObject* exception) {
  return settle_checked(future, names.set_exception, exception);
}

}  // namespace cxxloop
