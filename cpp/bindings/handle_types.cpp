#include <pybind11/pybind11.h>
#include <structmember.h>

#include <cstddef>
#include <cstring>
#include <ctime>

#include "bindings/bindings.h"
#include "cpython/errors.h"
#include "cpython/ref.h"
#include "cpython/stdlib.h"
#include "loop/handle.h"
#include "loop/loop.h"

namespace cxxloop {

namespace {

Handle* as_handle(PyObject* self) { return reinterpret_cast<Handle*>(self); }

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return traverse_handle_fields(as_handle(self), visit, arg);
}

int clear(PyObject* self) {
  Handle* const handle = as_handle(self);
  if (!handle->has(Handle::kRunning)) clear_call(handle);
  Py_CLEAR(handle->repr);
  Py_CLEAR(handle->source_traceback);
  return 0;
}

void dealloc(PyObject* self) { handle_pool.give_back(as_handle(self)); }

PyObject* get_callback(PyObject* self, void* /*closure*/) {
  Handle* const handle = as_handle(self);
  if (handle->cancelled() || handle->callback == nullptr) Py_RETURN_NONE;
  return Py_NewRef(handle->callback);
}

PyObject* get_args(PyObject* self, void* /*closure*/) { return handle_arguments(as_handle(self)); }

PyObject* get_cancelled(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong(as_handle(self)->cancelled());
}

PyObject* get_context(PyObject* self, void* /*closure*/) {
  Handle* const handle = as_handle(self);
  CapturedContext captured = handle->captured();
  if (!Contexts::make_private(captured)) return nullptr;
  handle->context = captured.context;
  handle->flags &= static_cast<std::uint8_t>(~Handle::kSharedContext);
  return Py_NewRef(captured.context);
}

PyObject* get_repr(PyObject* self, void* /*closure*/) {
  PyObject* const text = as_handle(self)->repr;
  return Py_NewRef(text == nullptr ? Py_None : text);
}

PyObject* get_source_traceback(PyObject* self, void* /*closure*/) {
  PyObject* const stack = as_handle(self)->source_traceback;
  return Py_NewRef(stack == nullptr ? Py_None : stack);
}

int set_source_traceback(PyObject* self, PyObject* value, void* /*closure*/) {
  Py_XSETREF(as_handle(self)->source_traceback, Py_XNewRef(value));
  return 0;
}

PyObject* get_when(PyObject* self, void* /*closure*/) {
  auto* const timer = static_cast<TimerHandle*>(as_handle(self));
  if (timer->when == nullptr) timer->when = PyFloat_FromDouble(timer->deadline);
  return Py_XNewRef(timer->when);
}

PyObject* get_scheduled(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong(TimerQueue::holds(static_cast<TimerHandle*>(as_handle(self))));
}

// A handle of call_soon_threadsafe() that runs on the loop's thread can't be cancelled
// elsewhere before it has finished; asyncio holds a lock for that from 3.14 on.
void wait_while_running(Handle* handle) {
  if (!handle->has(Handle::kThreadSafe)) return;
  while (handle->has(Handle::kRunning) &&
         Loop::of(handle->loop).thread_id() != PyThread_get_thread_ident()) {
    Py_BEGIN_ALLOW_THREADS;
    const timespec moment{0, 50'000};
    nanosleep(&moment, nullptr);
    Py_END_ALLOW_THREADS;
  }
}

PyObject* cancel(PyObject* self, PyObject* /*unused*/) {
  return guarded([self]() -> PyObject* {
    Handle* const handle = as_handle(self);
    wait_while_running(handle);
    if (handle->cancelled()) Py_RETURN_NONE;
    Loop& loop = Loop::of(handle->loop);
    cancel_handle(handle, loop.debug());
    if (handle->has(Handle::kTimer)) loop.cancel_timer(static_cast<TimerHandle*>(handle));
    Py_RETURN_NONE;
  });
}

PyObject* cancelled(PyObject* self, PyObject* /*unused*/) {
  wait_while_running(as_handle(self));
  return get_cancelled(self, nullptr);
}

#if PY_VERSION_HEX >= 0x030C0000
PyObject* context_method(PyObject* self, PyObject* /*unused*/) {
  return get_context(self, nullptr);
}
#endif

PyObject* when(PyObject* self, PyObject* /*unused*/) { return get_when(self, nullptr); }

PyMethodDef handle_methods[] = {
    {"cancel", cancel, METH_NOARGS,
     "cancel($self, /)\n--\n\nPrevent the callback from being called."},
    {"cancelled", cancelled, METH_NOARGS,
     "cancelled($self, /)\n--\n\nReturn True if the callback was cancelled."},
#if PY_VERSION_HEX >= 0x030C0000
    {"get_context", context_method, METH_NOARGS,
     "get_context($self, /)\n--\n\nReturn the contextvars.Context that the callback runs in."},
#endif
    {nullptr, nullptr, 0, nullptr},
};

PyMethodDef timer_methods[] = {
    handle_methods[0],
    handle_methods[1],
    {"when", when, METH_NOARGS,
     "when($self, /)\n--\n\nReturn the time, in seconds of loop.time(), for which the callback is "
     "scheduled."},
#if PY_VERSION_HEX >= 0x030C0000
    handle_methods[2],
#endif
    {nullptr, nullptr, 0, nullptr},
};

#define CXXLOOP_HANDLE_ATTRIBUTES                                                     \
  {"_callback", get_callback, nullptr, nullptr, nullptr},                             \
      {"_args", get_args, nullptr, nullptr, nullptr},                                 \
      {"_cancelled", get_cancelled, nullptr, nullptr, nullptr},                       \
      {"_context", get_context, nullptr, nullptr, nullptr},                           \
      {"_repr", get_repr, nullptr, nullptr, nullptr}, {                               \
    "_source_traceback", get_source_traceback, set_source_traceback, nullptr, nullptr \
  }

PyGetSetDef handle_attributes[] = {
    CXXLOOP_HANDLE_ATTRIBUTES,
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyGetSetDef timer_attributes[] = {
    CXXLOOP_HANDLE_ATTRIBUTES,
    {"_when", get_when, nullptr, nullptr, nullptr},
    {"_scheduled", get_scheduled, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// Our structs mirror the layout that Python gave to asyncio's classes; a Python that lays
// them out differently must not get as far as using them.
void expect_slot(PyObject* type, const char* name, std::size_t offset) {
  const Ref descriptor = steal(PyObject_GetAttrString(type, name));
  if (Py_TYPE(descriptor.ptr()) == &PyMemberDescr_Type) {
    const auto* const member = reinterpret_cast<PyMemberDescrObject*>(descriptor.ptr())->d_member;
    if (static_cast<std::size_t>(member->offset) == offset) return;
  }
  PyErr_Format(PyExc_ImportError, "cxxloop doesn't know the layout of %R in this Python", type);
  throw py::error_already_set();
}

void expect_layout() {
  expect_slot(stdlib.handle_type, "_args", offsetof(Handle, arguments));
  expect_slot(stdlib.handle_type, "_callback", offsetof(Handle, callback));
  expect_slot(stdlib.handle_type, "_cancelled", offsetof(Handle, unused_cancelled));
  expect_slot(stdlib.handle_type, "_context", offsetof(Handle, context));
  expect_slot(stdlib.handle_type, "_loop", offsetof(Handle, loop));
  expect_slot(stdlib.handle_type, "_repr", offsetof(Handle, repr));
  expect_slot(stdlib.handle_type, "_source_traceback", offsetof(Handle, source_traceback));
  expect_slot(stdlib.timer_handle_type, "_scheduled", offsetof(Handle, unused_scheduled));
  expect_slot(stdlib.timer_handle_type, "_when", offsetof(Handle, when));
  if (stdlib.thread_safe_handle_type != nullptr) {
    expect_slot(stdlib.thread_safe_handle_type, "_lock", offsetof(Handle, unused_scheduled));
  }
  for (PyObject* const type : {stdlib.handle_type, stdlib.timer_handle_type}) {
    if (reinterpret_cast<PyTypeObject*>(type)->tp_basicsize >
        static_cast<Py_ssize_t>(offsetof(Handle, flags))) {
      PyErr_Format(PyExc_ImportError, "cxxloop doesn't know the size of %R in this Python", type);
      throw py::error_already_set();
    }
  }
}

PyTypeObject* make_type(py::module_& module, const char* name, PyObject* base, std::size_t size,
                        PyMethodDef* methods, PyGetSetDef* attributes, const char* doc) {
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>(doc)},
      {Py_tp_methods, methods},
      {Py_tp_getset, attributes},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {0, nullptr},
  };
  PyType_Spec spec{name, static_cast<int>(size), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  Ref type = steal(PyType_FromModuleAndSpec(module.ptr(), &spec, base));
  module.add_object(std::strrchr(name, '.') + 1, type);
  return reinterpret_cast<PyTypeObject*>(type.release().ptr());
}

}  // namespace

void bind_handles(py::module_& module) {
  expect_layout();
  handle_pool.types[static_cast<int>(HandleKind::kPlain)] =
      make_type(module, "cxxloop._core.Handle", stdlib.handle_type, sizeof(Handle), handle_methods,
                handle_attributes, "What call_soon() returns; an asyncio.Handle.");
  handle_pool.types[static_cast<int>(HandleKind::kTimer)] =
      make_type(module, "cxxloop._core.TimerHandle", stdlib.timer_handle_type, sizeof(TimerHandle),
                timer_methods, timer_attributes,
                "What call_later() and call_at() return; an asyncio.TimerHandle.");
  if (stdlib.thread_safe_handle_type != nullptr) {
    handle_pool.types[static_cast<int>(HandleKind::kThreadSafe)] =
        make_type(module, "cxxloop._core.ThreadSafeHandle", stdlib.thread_safe_handle_type,
                  sizeof(Handle), handle_methods, handle_attributes,
                  "What call_soon_threadsafe() returns from Python 3.14 on; an asyncio.Handle.");
  }
}

}  // namespace cxxloop
