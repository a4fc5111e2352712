// How callbacks get into the loop: now, later, from other threads, or when a descriptor is ready.

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "loop/loop.h"

namespace cxxloop {

bool Loop::check_call(const Call& call, const char* method, bool check_thread) {
  const Ref name = steal(PyUnicode_FromString(method));
  if (check_thread) {
    const Ref checked = steal(PyObject_CallMethodNoArgs(self_, names._check_thread));
  }
  const Ref checked = steal(
      PyObject_CallMethodObjArgs(self_, names._check_callback, call.callback, name.ptr(), nullptr));
  return true;
}

bool Loop::add_source_traceback(Handle* handle) {
  PyObject* frame = reinterpret_cast<PyObject*>(PyEval_GetFrame());
  PyObject* const stack =
      PyObject_CallOneArg(stdlib.extract_stack, frame != nullptr ? frame : Py_None);
  if (stack == nullptr) return false;
  Py_XSETREF(handle->source_traceback, stack);
  return true;
}

Handle* Loop::make(HandleKind kind, const Call& call) {
  CapturedContext captured;
  if (call.context != nullptr && call.context != Py_None) {
    Py_INCREF(call.context);
    captured.context = call.context;
  } else {
    captured = contexts_.capture();
    if (captured.context == nullptr) return nullptr;
  }
  Handle* const handle =
      make_handle(kind, {self_, call.callback, call.arguments, call.count, captured});
  if (handle != nullptr && debug_ && !add_source_traceback(handle)) {
    Py_DECREF(handle->object());
    return nullptr;
  }
  return handle;
}

PyObject* Loop::call_soon(const Call& call) {
  if (!check_closed()) return nullptr;
  if (debug_ && !check_call(call, "call_soon", true)) return nullptr;
  Handle* const handle = make(HandleKind::kPlain, call);
  if (handle == nullptr) return nullptr;
  Ref owned = py::reinterpret_steal<Ref>(handle->object());
  ready_.push(handle);
  return owned.release().ptr();
}

PyObject* Loop::call_soon_threadsafe(const Call& call) {
  if (!check_closed()) return nullptr;
  if (debug_ && !check_call(call, "call_soon_threadsafe", false)) return nullptr;
  const bool lockable = stdlib.thread_safe_handle_type != nullptr;
  Handle* const handle = make(lockable ? HandleKind::kThreadSafe : HandleKind::kPlain, call);
  if (handle == nullptr) return nullptr;
  Ref owned = py::reinterpret_steal<Ref>(handle->object());
  ready_.push(handle);
  if (gate_.waiting() && !woken_) {
    woken_ = true;
    // Without the GIL, because the loop will want it as soon as it is awake. It may also be awake
    // by something else, and closed before we get to it, or before we have the GIL again.
    std::shared_ptr<Wakeup> wakeup = wakeup_;
    Py_BEGIN_ALLOW_THREADS;
    wakeup->wake();
    wakeup.reset();
    Py_END_ALLOW_THREADS;
  }
  return owned.release().ptr();
}

PyObject* Loop::mint_handle(const Call& call) {
  Handle* const handle = make(HandleKind::kPlain, call);
  return handle == nullptr ? nullptr : handle->object();
}

PyObject* Loop::add_timer(double deadline, PyObject* when, const Call& call) {
  auto* const timer = static_cast<TimerHandle*>(make(HandleKind::kTimer, call));
  if (timer == nullptr) return nullptr;
  Ref owned = py::reinterpret_steal<Ref>(timer->object());
  timer->deadline = deadline;
  timer->when = Py_XNewRef(when);
  timers_.add(timer);
  return owned.release().ptr();
}

PyObject* Loop::call_later(PyObject* delay, const Call& call) {
  if (delay == Py_None) {
    PyErr_SetString(PyExc_TypeError, "delay must not be None");
    return nullptr;
  }
  double now = 0;
  if (!clock_.now(now)) return nullptr;
  double deadline = 0;
  Ref when;
  if (PyFloat_CheckExact(delay)) {
    deadline = now + PyFloat_AS_DOUBLE(delay);
  } else {
    const Ref time = steal(PyFloat_FromDouble(now));
    when = steal(PyNumber_Add(time.ptr(), delay));
    deadline = PyFloat_AsDouble(when.ptr());
    if (deadline == -1.0 && PyErr_Occurred() != nullptr) return nullptr;
  }
  if (!check_closed()) return nullptr;
  if (debug_ && !check_call(call, "call_at", true)) return nullptr;
  return add_timer(deadline, when.ptr(), call);
}

PyObject* Loop::call_at(PyObject* when, const Call& call) {
  if (when == Py_None) {
    PyErr_SetString(PyExc_TypeError, "when cannot be None");
    return nullptr;
  }
  if (!check_closed()) return nullptr;
  if (debug_ && !check_call(call, "call_at", true)) return nullptr;
  const double deadline = PyFloat_AsDouble(when);
  if (deadline == -1.0 && PyErr_Occurred() != nullptr) return nullptr;
  return add_timer(deadline, when, call);
}

void Loop::cancel_timer(TimerHandle* timer) {
  if (TimerQueue::holds(timer)) timers_.remove(timer);
}

// Descriptors

bool Loop::watch(int fd, FdWatchers::Direction direction, const Call& call, PyObject** handle) {
  if (!own_poll_set()) return false;
  Handle* const made = make(HandleKind::kPlain, call);
  if (made == nullptr) return false;
  Ref owned = py::reinterpret_steal<Ref>(made->object());
  const int error = fds_.set(fd, direction, made, debug_);
  if (error == 0) {
    pace_.expect_events();
    *handle = owned.release().ptr();
    return true;
  }
  raise_os_error(error);
  return false;
}

bool Loop::watch(int fd, FdWatchers::Direction direction, EventTarget* target) {
  if (!own_poll_set()) return false;
  const int error = fds_.set(fd, direction, target);
  if (error == 0) {
    pace_.expect_events();
    return true;
  }
  raise_os_error(error);
  return false;
}

bool Loop::unwatch(int fd, FdWatchers::Direction direction) {
  if (!own_poll_set()) PyErr_WriteUnraisable(self_);
  return fds_.remove(fd, direction, debug_);
}

char* Loop::read_buffer() {
  if (!read_buffer_) read_buffer_ = std::make_unique_for_overwrite<char[]>(kReadBufferSize);
  return read_buffer_.get();
}

char* Loop::batch_buffer() {
  // Memory that no read has touched is not there yet.
  if (!batch_buffer_) batch_buffer_ = std::make_unique_for_overwrite<char[]>(kBatchBufferSize);
  return batch_buffer_.get();
}

}  // namespace cxxloop
