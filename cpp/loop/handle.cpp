#include "loop/handle.h"

#include <cstring>

#include "cpython/ref.h"
#include "cpython/stdlib.h"

namespace cxxloop {

HandlePool handle_pool;

namespace {

constexpr std::uint32_t kNowhere = UINT32_MAX;

// What PyObject_Vectorcall() looks up, without asking for the thread state first.
vectorcallfunc vectorcall_of(PyObject* callable) {
  const PyTypeObject* const type = Py_TYPE(callable);
  if ((type->tp_flags & Py_TPFLAGS_HAVE_VECTORCALL) == 0) return nullptr;
  vectorcallfunc function = nullptr;
  std::memcpy(&function, reinterpret_cast<char*>(callable) + type->tp_vectorcall_offset,
              sizeof function);
  return function;
}

bool fill(Handle* handle, const HandleParts& parts) {
  Py_INCREF(parts.loop);
  handle->loop = parts.loop;
  Py_INCREF(parts.callback);
  handle->callback = parts.callback;
  handle->context = parts.context.context;
  if (parts.context.shared) handle->flags |= Handle::kSharedContext;
  const auto count = static_cast<std::size_t>(parts.count);
  if (count <= Handle::kInlineArguments) {
    handle->inline_count = static_cast<std::uint8_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
      Py_INCREF(parts.arguments[i]);
      handle->inline_arguments[i] = parts.arguments[i];
    }
    return true;
  }
  PyObject* const tuple = PyTuple_New(parts.count);
  if (tuple == nullptr) return false;
  for (Py_ssize_t i = 0; i < parts.count; ++i) {
    Py_INCREF(parts.arguments[i]);
    PyTuple_SET_ITEM(tuple, i, parts.arguments[i]);
  }
  handle->arguments = tuple;
  return true;
}

}  // namespace

Handle* make_handle(HandleKind kind, const HandleParts& parts) {
  handle_pool.settle();
  Handle* const handle = handle_pool.take(kind);
  if (handle == nullptr) {
    Py_DECREF(parts.context.context);
    return nullptr;
  }
  if (!fill(handle, parts)) {
    Py_DECREF(handle->object());
    return nullptr;
  }
  handle_pool.last_ = handle;
  return handle;
}

PyObject* call_handle(Handle* handle) {
  PyObject* const callback = handle->callback;
  if (handle->arguments != nullptr) {
    return PyObject_Vectorcall(callback, &PyTuple_GET_ITEM(handle->arguments, 0),
                               static_cast<std::size_t>(PyTuple_GET_SIZE(handle->arguments)),
                               nullptr);
  }
  const std::size_t count = handle->inline_count | PY_VECTORCALL_ARGUMENTS_OFFSET;
  if (const vectorcallfunc call = vectorcall_of(callback)) [[likely]] {
    return call(callback, handle->inline_arguments, count, nullptr);
  }
  const ternaryfunc call = Py_TYPE(callback)->tp_call;
  if (handle->inline_count == 0 && call != nullptr) {
    // A task's step has nothing but tp_call.
    return call(callback, stdlib.empty_tuple, nullptr);
  }
  return PyObject_Vectorcall(callback, handle->inline_arguments, count, nullptr);
}

void clear_call(Handle* handle) {
  Py_CLEAR(handle->callback);
  Py_CLEAR(handle->arguments);
  const std::size_t count = handle->inline_count;
  handle->inline_count = 0;
  for (std::size_t i = 0; i < count; ++i) Py_CLEAR(handle->inline_arguments[i]);
}

void cancel_handle(Handle* handle, bool debug) {
  if (handle->cancelled()) return;
  if (debug) {
    // Kept because the callback is about to go; a failing repr() costs just the text.
    PyObject* const text = PyObject_Repr(handle->object());
    if (text == nullptr) {
      PyErr_Clear();
    } else {
      Py_XSETREF(handle->repr, text);
    }
  }
  handle->flags |= Handle::kCancelled;
  if (!handle->has(Handle::kRunning)) clear_call(handle);
}

PyObject* handle_arguments(Handle* handle) {
  if (handle->cancelled()) Py_RETURN_NONE;
  if (handle->arguments != nullptr) return Py_NewRef(handle->arguments);
  PyObject* const tuple = PyTuple_New(handle->inline_count);
  if (tuple == nullptr) return nullptr;
  for (Py_ssize_t i = 0; i < handle->inline_count; ++i) {
    PyTuple_SET_ITEM(tuple, i, Py_NewRef(handle->inline_arguments[i]));
  }
  return tuple;
}

int traverse_handle_fields(const Handle* handle, visitproc visit, void* arg) {
  Py_VISIT(handle->arguments);
  Py_VISIT(handle->callback);
  Py_VISIT(handle->unused_cancelled);
  Py_VISIT(handle->context);
  Py_VISIT(handle->loop);
  Py_VISIT(handle->repr);
  Py_VISIT(handle->source_traceback);
  Py_VISIT(handle->unused_scheduled);
  Py_VISIT(handle->when);
  for (std::size_t i = 0; i < handle->inline_count; ++i) Py_VISIT(handle->inline_arguments[i]);
  return 0;
}

int traverse_owned_handle(Handle* handle, visitproc visit, void* arg) {
  if (PyObject_GC_IsTracked(handle->object())) {
    Py_VISIT(handle->object());
    return 0;
  }
  // Kept by somebody and not tracked yet: what it holds counts as reachable.
  if (Py_REFCNT(handle->object()) > 1) return 0;
  return traverse_handle_fields(handle, visit, arg);
}

void HandlePool::expose(Handle* handle) {
  if (!PyObject_GC_IsTracked(handle->object())) PyObject_GC_Track(handle->object());
}

void HandlePool::settle_last() {
  Handle* const handle = last_;
  last_ = nullptr;
  if (Py_REFCNT(handle->object()) > 1) expose(handle);
}

HandleKind HandlePool::kind_of(const Handle* handle) {
  if (handle->has(Handle::kTimer)) return HandleKind::kTimer;
  return handle->has(Handle::kThreadSafe) ? HandleKind::kThreadSafe : HandleKind::kPlain;
}

Handle* HandlePool::allocate(HandleKind kind) {
  PyTypeObject* const type = types[static_cast<int>(kind)];
  auto* const handle = reinterpret_cast<Handle*>(_PyObject_GC_New(type));
  if (handle == nullptr) return nullptr;
  ++free_[static_cast<int>(kind)].allocated;
  std::memset(reinterpret_cast<char*>(handle) + sizeof(PyObject), 0,
              static_cast<std::size_t>(type->tp_basicsize) - sizeof(PyObject));
  constexpr std::uint8_t kKinds[] = {0, Handle::kTimer, Handle::kThreadSafe};
  handle->flags = kKinds[static_cast<int>(kind)];
  handle->heap_place = kNowhere;
  return handle;
}

void HandlePool::trim(FreeList& list) {
  for (std::size_t i = list.count / kTrimmedShare; i != 0; --i) {
    PyObject* const object = list.first->object();
    list.first = reinterpret_cast<Handle*>(list.first->callback);
    --list.count;
    --list.allocated;
    PyTypeObject* const type = Py_TYPE(object);
    PyObject_GC_Del(object);
    Py_DECREF(type);
  }
}

void HandlePool::give_back(Handle* handle) {
  PyObject* const object = handle->object();
  if (last_ == handle) last_ = nullptr;
  if (PyObject_GC_IsTracked(object)) {
    PyObject_GC_UnTrack(object);
    PyObject_ClearWeakRefs(object);
    give_back_kept(handle);
    return;
  }
  if (Py_TYPE(object)->tp_weaklistoffset != 0) {
    // Untracked handles were seen by hardly anybody, but a weak reference may exist.
    PyObject* const* const weak_references = reinterpret_cast<PyObject**>(
        reinterpret_cast<char*>(object) + Py_TYPE(object)->tp_weaklistoffset);
    if (*weak_references != nullptr) PyObject_ClearWeakRefs(object);
    if (handle->repr != nullptr) Py_CLEAR(handle->repr);
  }
  empty(handle);
}

void HandlePool::give_back_kept(Handle* handle) {
  if (nested_ == kMostNested) {
    handle->next_postponed = postponed_;
    postponed_ = handle;
    return;
  }
  ++nested_;
  for (;;) {
    Py_CLEAR(handle->unused_cancelled);
    Py_CLEAR(handle->unused_scheduled);
    Py_CLEAR(handle->repr);
    empty(handle);
    if (nested_ != 1 || postponed_ == nullptr) break;
    handle = postponed_;
    postponed_ = handle->next_postponed;
  }
  --nested_;
}

void HandlePool::empty(Handle* handle) {
  clear_call(handle);
  Py_CLEAR(handle->context);
  Py_CLEAR(handle->loop);
  if (handle->source_traceback != nullptr) Py_CLEAR(handle->source_traceback);
  if (handle->when != nullptr) Py_CLEAR(handle->when);
  handle->flags &= Handle::kTimer | Handle::kThreadSafe;
  FreeList& list = free_[static_cast<int>(kind_of(handle))];
  handle->callback = reinterpret_cast<PyObject*>(list.first);
  list.first = handle;
  ++list.count;
}

}  // namespace cxxloop
