#include <pybind11/pybind11.h>
#include <structmember.h>

#include "bindings/bindings.h"
#include "cpython/errors.h"
#include "sockets/socket_operation.h"

namespace cxxloop {

namespace {

SocketOperation* as_operation(PyObject* self) {
  return reinterpret_cast<SocketOperationObject*>(self)->operation();
}

PySendResult send_result(PyObject* self, PyObject** result) noexcept {
  try {
    return as_operation(self)->send(result);
  } catch (...) {
    raise_current_exception();
    return PYGEN_ERROR;
  }
}

PySendResult am_send(PyObject* self, PyObject* value, PyObject** result) {
  *result = nullptr;
  if (value != nullptr && value != Py_None) {
    PyErr_SetString(PyExc_TypeError, "can't send non-None value to a just-started coroutine");
    return PYGEN_ERROR;
  }
  return send_result(self, result);
}

// As generators do: a value that is returned becomes StopIteration.
PyObject* value_or_stop(PySendResult status, PyObject* result) {
  if (status == PYGEN_NEXT) return result;
  if (status == PYGEN_RETURN) {
    PyObject* const stop = PyObject_CallOneArg(PyExc_StopIteration, result);
    Py_DECREF(result);
    if (stop != nullptr) PyErr_SetObject(PyExc_StopIteration, stop);
    Py_XDECREF(stop);
  }
  return nullptr;
}

PyObject* iterate_next(PyObject* self) {
  PyObject* result = nullptr;
  const PySendResult status = send_result(self, &result);
  return value_or_stop(status, result);
}

PyObject* send(PyObject* self, PyObject* value) {
  PyObject* result = nullptr;
  const PySendResult status = am_send(self, value, &result);
  return value_or_stop(status, result);
}

PyObject* throw_into(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  return guarded([&]() -> PyObject* {
    if (count < 1 || count > 3) {
      PyErr_SetString(PyExc_TypeError, "throw expected 1 to 3 arguments");
      return nullptr;
    }
    as_operation(self)->abandon();
    PyObject* const exception = count > 1 && arguments[1] != Py_None ? arguments[1] : arguments[0];
    if (PyExceptionClass_Check(exception)) {
      PyErr_SetNone(exception);
    } else if (PyExceptionInstance_Check(exception)) {
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(exception)), exception);
    } else {
      PyErr_SetString(PyExc_TypeError,
                      "exceptions must be classes or instances deriving from BaseException");
    }
    return nullptr;
  });
}

PyObject* close(PyObject* self, PyObject* /*unused*/) {
  return guarded([self]() -> PyObject* {
    as_operation(self)->abandon();
    Py_RETURN_NONE;
  });
}

PyObject* self_as_iterator(PyObject* self) { return Py_NewRef(self); }

PyObject* await_method(PyObject* self, PyObject* /*unused*/) { return Py_NewRef(self); }

template <class Function>
PyCFunction function(Function* method) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method));
}

PyMethodDef methods[] = {
    {"send", send, METH_O, "send($self, value, /)\n--\n\nRun until the next wait or the end."},
    {"throw", function(throw_into), METH_FASTCALL,
     "throw($self, type, value=None, traceback=None, /)\n--\n\nEnd the wait with an exception."},
    {"close", close, METH_NOARGS, "close($self, /)\n--\n\nEnd the wait."},
    {"__await__", await_method, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(SocketOperationObject, weak_references), READONLY,
     nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

void dealloc(PyObject* self) {
  if (PyObject_CallFinalizerFromDealloc(self) < 0) return;
  PyObject_GC_UnTrack(self);
  auto* const object = reinterpret_cast<SocketOperationObject*>(self);
  if (object->weak_references != nullptr) PyObject_ClearWeakRefs(self);
  if (object->constructed) object->operation()->~SocketOperation();
  PyTypeObject* const type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

void finalize(PyObject* self) {
  auto* const object = reinterpret_cast<SocketOperationObject*>(self);
  if (!object->constructed || object->operation()->started()) return;
  const SavedError saved;
  if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "coroutine '%s' was never awaited",
                       object->operation()->name()) < 0) {
    PyErr_WriteUnraisable(self);
  }
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  auto* const object = reinterpret_cast<SocketOperationObject*>(self);
  return object->constructed ? object->operation()->traverse(visit, arg) : 0;
}

int clear(PyObject* self) {
  auto* const object = reinterpret_cast<SocketOperationObject*>(self);
  if (object->constructed) object->operation()->clear();
  return 0;
}

}  // namespace

void bind_socket_operations(py::module_& module) {
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("The coroutine of a sock_…() method.")},
      {Py_tp_methods, methods},
      {Py_tp_members, members},
      {Py_tp_iter, reinterpret_cast<void*>(self_as_iterator)},
      {Py_tp_iternext, reinterpret_cast<void*>(iterate_next)},
      {Py_am_await, reinterpret_cast<void*>(self_as_iterator)},
      {Py_am_send, reinterpret_cast<void*>(am_send)},
      {Py_tp_finalize, reinterpret_cast<void*>(finalize)},
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {0, nullptr},
  };
  PyType_Spec spec{"cxxloop._core.SocketOperation", sizeof(SocketOperationObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  Ref type = steal(PyType_FromModuleAndSpec(module.ptr(), &spec, nullptr));
  module.add_object("SocketOperation", type);
  const Ref abc = steal(PyImport_ImportModule("collections.abc"));
  const Ref coroutine = steal(PyObject_GetAttrString(abc.ptr(), "Coroutine"));
  const Ref registered = steal(PyObject_CallMethod(coroutine.ptr(), "register", "O", type.ptr()));
  socket_operation_type = reinterpret_cast<PyTypeObject*>(type.release().ptr());
}

}  // namespace cxxloop
