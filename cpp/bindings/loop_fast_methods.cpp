#include <array>
#include <vector>

#include "bindings/bindings.h"
#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/ref.h"
#include "cpython/stdlib.h"
#include "loop/futures.h"
#include "loop/loop.h"
#include "sockets/socket_operation.h"

namespace cxxloop {

namespace {

// Puts a parameter's value into `place`. False with a TypeError set where there is one already.
bool fill(const char* method, PyObject* name, PyObject** place, PyObject* value) {
  if (*place == nullptr) {
    *place = value;
    return true;
  }
  PyErr_Format(PyExc_TypeError, "Loop.%s() got multiple values for argument '%U'", method, name);
  return false;
}

// Reads (callback, *args, context=None), after `leading` parameters of the given name.
// Returns false with a TypeError set.
bool read_call(const char* method, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords,
               PyObject* leading_name, PyObject** leading, Call& call) {
  Py_ssize_t taken = 0;
  if (leading_name != nullptr && taken < count) *leading = arguments[taken++];
  if (taken < count) call.callback = arguments[taken++];
  const Py_ssize_t keyword_count = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < keyword_count; ++i) {
    PyObject* const keyword = PyTuple_GET_ITEM(keywords, i);
    PyObject* const value = arguments[count + i];
    if (keyword == names.context || PyUnicode_Compare(keyword, names.context) == 0) {
      call.context = value;
    } else if (PyUnicode_Compare(keyword, names.callback) == 0) {
      if (!fill(method, names.callback, &call.callback, value)) return false;
    } else if (leading_name != nullptr && PyUnicode_Compare(keyword, leading_name) == 0) {
      if (!fill(method, leading_name, leading, value)) return false;
    } else {
      PyErr_Format(PyExc_TypeError, "Loop.%s() got an unexpected keyword argument '%U'", method,
                   keyword);
      return false;
    }
  }
  const bool lacks_leading = leading_name != nullptr && *leading == nullptr;
  const bool lacks_callback = call.callback == nullptr;
  if (lacks_leading && lacks_callback) {
    PyErr_Format(PyExc_TypeError,
                 "Loop.%s() missing 2 required positional arguments: '%U' and 'callback'", method,
                 leading_name);
    return false;
  }
  if (lacks_leading || lacks_callback) {
    PyErr_Format(PyExc_TypeError, "Loop.%s() missing 1 required positional argument: '%U'", method,
                 lacks_leading ? leading_name : names.callback);
    return false;
  }
  call.arguments = arguments + taken;
  call.count = count - taken;
  return true;
}

// The keyword names with which futures and tasks call: always the same tuple, whose "context" need
// not be the interned one. Owned, so that nothing else can be at its place.
PyObject* context_keywords = nullptr;

// As futures and tasks call: no keyword, or the context alone.
bool has_only_context(PyObject* keywords) {
  if (keywords == nullptr || keywords == context_keywords) return true;
  if (PyTuple_GET_SIZE(keywords) != 1) return false;
  PyObject* const keyword = PyTuple_GET_ITEM(keywords, 0);
  if (keyword == names.context) return true;
  if (PyUnicode_Compare(keyword, names.context) != 0) return false;
  Py_XSETREF(context_keywords, Py_NewRef(keywords));
  return true;
}

PyObject* call_soon(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                    PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    Call call;
    if (count > 0 && has_only_context(keywords)) [[likely]] {
      call = {arguments[0], arguments + 1, count - 1,
              keywords == nullptr ? nullptr : arguments[count]};
    } else if (!read_call("call_soon", arguments, count, keywords, nullptr, nullptr, call)) {
      return nullptr;
    }
    return Loop::of(self).call_soon(call);
  });
}

PyObject* call_soon_threadsafe(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                               PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    Call call;
    if (!read_call("call_soon_threadsafe", arguments, count, keywords, nullptr, nullptr, call)) {
      return nullptr;
    }
    return Loop::of(self).call_soon_threadsafe(call);
  });
}

PyObject* call_later(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                     PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    Call call;
    PyObject* delay = nullptr;
    if (!read_call("call_later", arguments, count, keywords, names.delay, &delay, call)) {
      return nullptr;
    }
    return Loop::of(self).call_later(delay, call);
  });
}

PyObject* call_at(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                  PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    Call call;
    PyObject* when = nullptr;
    if (!read_call("call_at", arguments, count, keywords, names.when, &when, call)) return nullptr;
    return Loop::of(self).call_at(when, call);
  });
}

PyObject* time(PyObject* /*self*/, PyObject* /*unused*/) {
  return PyFloat_FromDouble(monotonic_seconds());
}

PyObject* stop(PyObject* self, PyObject* /*unused*/) {
  return guarded([self]() -> PyObject* {
    Loop::of(self).stop();
    Py_RETURN_NONE;
  });
}

PyObject* is_running(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return PyBool_FromLong(Loop::of(self).is_running()); });
}

PyObject* is_closed(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return PyBool_FromLong(Loop::of(self).is_closed()); });
}

PyObject* get_debug(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return PyBool_FromLong(Loop::of(self).debug()); });
}

PyObject* create_future(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return Loop::of(self).futures().make_future(); });
}

PyObject* create_task_by_factory(PyObject* self, PyObject* coro, PyObject* const* values,
                                 PyObject* keywords) {
  const Ref options = steal(PyDict_New());
  const Py_ssize_t count = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < count; ++i) {
    check(PyDict_SetItem(options.ptr(), PyTuple_GET_ITEM(keywords, i), values[i]));
  }
  return PyObject_CallMethodObjArgs(self, names._create_task_by_factory, coro, options.ptr(),
                                    nullptr);
}

// From 3.13.3 on create_task() hands every keyword on to the task; before, there are two.
bool takes_any_keyword() { return Py_Version >= 0x030D0300; }

bool check_task_keywords(PyObject* keywords) {
  if (takes_any_keyword()) return true;
  const Py_ssize_t count = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const keyword = PyTuple_GET_ITEM(keywords, i);
    if (keyword != names.name && keyword != names.context &&
        PyUnicode_Compare(keyword, names.context) != 0 &&
        PyUnicode_Compare(keyword, names.name) != 0) {
      PyErr_Format(PyExc_TypeError, "Loop.create_task() got an unexpected keyword argument '%U'",
                   keyword);
      return false;
    }
  }
  return true;
}

PyObject* create_task(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                      PyObject* keywords);

// The coroutine was given as coro=…
PyObject* create_task_by_keyword(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                                 PyObject* keywords) {
  const Py_ssize_t keyword_count = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  Ref others = steal(PyList_New(0));
  std::vector<PyObject*> values{nullptr};
  for (Py_ssize_t i = 0; count == 0 && i < keyword_count; ++i) {
    PyObject* const keyword = PyTuple_GET_ITEM(keywords, i);
    if (PyUnicode_CompareWithASCIIString(keyword, "coro") == 0) {
      values.front() = arguments[i];
    } else {
      check(PyList_Append(others.ptr(), keyword));
      values.push_back(arguments[i]);
    }
  }
  if (values.front() == nullptr) {
    PyErr_Format(PyExc_TypeError,
                 "Loop.create_task() takes exactly one positional argument (%zd given)", count);
    return nullptr;
  }
  others = steal(PyList_AsTuple(others.ptr()));
  return create_task(self, values.data(), 1, others.ptr());
}

PyObject* create_task(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                      PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    if (count != 1) [[unlikely]]
      return create_task_by_keyword(self, arguments, count, keywords);
    Loop& loop = Loop::of(self);
    if (!loop.check_closed() || !check_task_keywords(keywords)) return nullptr;
    if (loop.task_factory) {
      return create_task_by_factory(self, arguments[0], arguments + 1, keywords);
    }
    return loop.futures().make_task(arguments[0], arguments + 1, keywords);
  });
}

// Descriptors. `file` is a number or has a fileno(); returns -1 with asyncio's error set.
int descriptor_of(PyObject* file) {
  if (PyLong_Check(file)) {
    int overflow = 0;
    const long fd = PyLong_AsLongAndOverflow(file, &overflow);
    if (overflow > 0 || fd > INT_MAX) {
      PyErr_SetString(PyExc_OverflowError, "signed integer is greater than maximum");
      return -1;
    }
    if (overflow < 0 || fd < 0) {
      PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %S", file);
      return -1;
    }
    return static_cast<int>(fd);
  }
  PyObject* number = PyObject_CallMethodNoArgs(file, names.fileno);
  if (number != nullptr) Py_SETREF(number, PyNumber_Long(number));
  if (number == nullptr) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError) == 0 &&
        PyErr_ExceptionMatches(PyExc_TypeError) == 0 &&
        PyErr_ExceptionMatches(PyExc_ValueError) == 0) {
      return -1;
    }
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError, "Invalid file object: %R", file);
    return -1;
  }
  const int fd = descriptor_of(number);
  Py_DECREF(number);
  return fd;
}

// The descriptor, unless an open transport uses it.
int free_descriptor_of(Loop& loop, PyObject* file) {
  const int fd = descriptor_of(file);
  if (fd < 0) return -1;
  const EventTarget* const transport = loop.transport(fd);
  if (transport == nullptr) return fd;
  PyErr_Format(PyExc_RuntimeError, "File descriptor %R is used by transport %R", file,
               transport->owner());
  return -1;
}

// The public methods refuse the descriptors of transports; the others return the handle.
PyObject* add_watcher(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                      PyObject* keywords, FdWatchers::Direction direction, bool is_public) {
  const char* const method = direction == FdWatchers::kReader ? "add_reader" : "add_writer";
  return guarded([&]() -> PyObject* {
    PyObject* file = nullptr;
    Call call;
    if (!read_call(method, arguments, count, keywords, names.fd, &file, call)) return nullptr;
    if (call.context != nullptr) {
      PyErr_Format(PyExc_TypeError, "Loop.%s() got an unexpected keyword argument 'context'",
                   method);
      return nullptr;
    }
    Loop& loop = Loop::of(self);
    const int fd = is_public ? free_descriptor_of(loop, file) : descriptor_of(file);
    if (fd < 0 || !loop.check_closed()) return nullptr;
    PyObject* handle = nullptr;
    if (!loop.watch(fd, direction, call, &handle)) return nullptr;
    if (!is_public) return handle;
    Py_DECREF(handle);
    Py_RETURN_NONE;
  });
}

// The only argument of a method, by its position or as fd=…; null with a TypeError set.
PyObject* only_argument(const char* method, PyObject* const* arguments, Py_ssize_t count,
                        PyObject* keywords) {
  const Py_ssize_t keyword_count = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
  if (keyword_count > 0 && PyUnicode_Compare(PyTuple_GET_ITEM(keywords, 0), names.fd) != 0) {
    PyErr_Format(PyExc_TypeError, "Loop.%s() got an unexpected keyword argument '%U'", method,
                 PyTuple_GET_ITEM(keywords, 0));
    return nullptr;
  }
  if (count + keyword_count == 1) return arguments[0];
  if (count + keyword_count == 0) {
    PyErr_Format(PyExc_TypeError, "Loop.%s() missing 1 required positional argument: 'fd'", method);
  } else {
    PyErr_Format(PyExc_TypeError, "Loop.%s() takes 2 positional arguments but %zd were given",
                 method, count + keyword_count + 1);
  }
  return nullptr;
}

PyObject* remove_watcher(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                         PyObject* keywords, FdWatchers::Direction direction,
                         bool check_transport) {
  const char* const method = direction == FdWatchers::kReader ? "remove_reader" : "remove_writer";
  return guarded([&]() -> PyObject* {
    Loop& loop = Loop::of(self);
    PyObject* const file = only_argument(method, arguments, count, keywords);
    if (file == nullptr) return nullptr;
    const int fd = check_transport ? free_descriptor_of(loop, file) : descriptor_of(file);
    if (fd < 0) {
      if (PyErr_ExceptionMatches(PyExc_OverflowError) == 0) return nullptr;
      PyErr_Clear();  // Nobody can have watched it.
      Py_RETURN_FALSE;
    }
    if (loop.is_closed()) Py_RETURN_FALSE;
    return PyBool_FromLong(loop.unwatch(fd, direction));
  });
}

template <FdWatchers::Direction direction, bool is_public>
PyObject* add_method_of(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                        PyObject* keywords) {
  return add_watcher(self, arguments, count, keywords, direction, is_public);
}

template <FdWatchers::Direction direction, bool check_transport>
PyObject* remove_method_of(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                           PyObject* keywords) {
  return remove_watcher(self, arguments, count, keywords, direction, check_transport);
}

PyObject* ensure_fd_no_transport(PyObject* self, PyObject* file) {
  return guarded([&]() -> PyObject* {
    if (free_descriptor_of(Loop::of(self), file) < 0) return nullptr;
    Py_RETURN_NONE;
  });
}

// Natively for plain sockets; the Python coroutine checks and serves everything else.
PyObject* sock_operation(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                         PyObject* keywords, SocketOperation::Kind kind, PyObject* python_method) {
  return guarded([&]() -> PyObject* {
    Loop& loop = Loop::of(self);
    if (count == 2 && keywords == nullptr && !loop.debug() &&
        Py_IS_TYPE(arguments[0], reinterpret_cast<PyTypeObject*>(stdlib.socket_type))) {
      return make_socket_operation(loop, kind, arguments[0], arguments[1]);
    }
    const Ref method = steal(PyObject_GetAttr(self, python_method));
    return PyObject_Vectorcall(method.ptr(), arguments, static_cast<std::size_t>(count), keywords);
  });
}

PyObject* sock_recv(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                    PyObject* keywords) {
  return sock_operation(self, arguments, count, keywords, SocketOperation::Kind::kReceive,
                        names._sock_recv);
}

PyObject* sock_recv_into(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                         PyObject* keywords) {
  return sock_operation(self, arguments, count, keywords, SocketOperation::Kind::kReceiveInto,
                        names._sock_recv_into);
}

PyObject* sock_sendall(PyObject* self, PyObject* const* arguments, Py_ssize_t count,
                       PyObject* keywords) {
  return sock_operation(self, arguments, count, keywords, SocketOperation::Kind::kSendAll,
                        names._sock_sendall);
}

template <class Function>
PyCFunction function(Function* method) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method));
}

constexpr int kKeywords = METH_FASTCALL | METH_KEYWORDS;

PyMethodDef time_method = {
    "time", time, METH_NOARGS,
    "time($self, /)\n--\n\nReturn time.monotonic(), in seconds, as asyncio's loop.time() does."};

PyObject* time_descriptor = nullptr;

const char* const kCreateTask =
    "create_task($self, coro, **kwargs)\n--\n\n"
    "Schedule a coroutine; return its asyncio.Task, or what the task factory returns.";
const char* const kCreateTaskBefore =
    "create_task($self, coro, *, name=None, context=None)\n--\n\n"
    "Schedule a coroutine; return its asyncio.Task, or what the task factory returns.";

PyMethodDef fast_methods[] = {
    {"call_soon", function(call_soon), kKeywords,
     "call_soon($self, callback, *args, context=None)\n--\n\n"
     "Run callback(*args) in the next turn; return an asyncio.Handle.\n\n"
     "Raises RuntimeError when the loop is closed. Stands in for asyncio's loop.call_soon()."},
    {"call_soon_threadsafe", function(call_soon_threadsafe), kKeywords,
     "call_soon_threadsafe($self, callback, *args, context=None)\n--\n\n"
     "call_soon() for other threads: wakes the loop if it waits."},
    {"call_later", function(call_later), kKeywords,
     "call_later($self, delay, callback, *args, context=None)\n--\n\n"
     "Run callback(*args) after `delay` seconds; return an asyncio.TimerHandle."},
    {"call_at", function(call_at), kKeywords,
     "call_at($self, when, callback, *args, context=None)\n--\n\n"
     "Run callback(*args) at the time `when` of loop.time(); return an asyncio.TimerHandle."},
    {"stop", stop, METH_NOARGS, "stop($self, /)\n--\n\nEnd run_forever() after the current turn."},
    {"is_running", is_running, METH_NOARGS,
     "is_running($self, /)\n--\n\nReturn whether the loop runs."},
    {"is_closed", is_closed, METH_NOARGS,
     "is_closed($self, /)\n--\n\nReturn whether the loop was closed."},
    {"get_debug", get_debug, METH_NOARGS,
     "get_debug($self, /)\n--\n\nReturn whether debug mode is on."},
    {"create_future", create_future, METH_NOARGS,
     "create_future($self, /)\n--\n\nReturn a new asyncio.Future of this loop."},
    {"create_task", function(create_task), kKeywords, kCreateTask},
    {"add_reader", function(add_method_of<FdWatchers::kReader, true>), kKeywords,
     "add_reader($self, fd, callback, *args)\n--\n\n"
     "Call callback(*args) whenever `fd` is readable."},
    {"add_writer", function(add_method_of<FdWatchers::kWriter, true>), kKeywords,
     "add_writer($self, fd, callback, *args)\n--\n\n"
     "Call callback(*args) whenever `fd` is writable."},
    {"remove_reader", function(remove_method_of<FdWatchers::kReader, true>), kKeywords,
     "remove_reader($self, fd)\n--\n\nStop watching; return whether `fd` had a reader."},
    {"remove_writer", function(remove_method_of<FdWatchers::kWriter, true>), kKeywords,
     "remove_writer($self, fd)\n--\n\nStop watching; return whether `fd` had a writer."},
    {"_add_reader", function(add_method_of<FdWatchers::kReader, false>), kKeywords, nullptr},
    {"_add_writer", function(add_method_of<FdWatchers::kWriter, false>), kKeywords, nullptr},
    {"_remove_reader", function(remove_method_of<FdWatchers::kReader, false>), kKeywords, nullptr},
    {"_remove_writer", function(remove_method_of<FdWatchers::kWriter, false>), kKeywords, nullptr},
    {"sock_recv", function(sock_recv), kKeywords,
     "sock_recv($self, sock, n)\n--\n\n"
     "Return at most `n` bytes from a non-blocking socket; b'' at the end of the stream."},
    {"sock_recv_into", function(sock_recv_into), kKeywords,
     "sock_recv_into($self, sock, buf)\n--\n\n"
     "Receive into a writable buffer; return the number of bytes."},
    {"sock_sendall", function(sock_sendall), kKeywords,
     "sock_sendall($self, sock, data)\n--\n\nSend everything."},
    {"_ensure_fd_no_transport", ensure_fd_no_transport, METH_O, nullptr},
};

Ref add_method(PyTypeObject* type, PyMethodDef& method) {
  Ref descriptor = steal(PyDescr_NewMethod(type, &method));
  check(
      PyObject_SetAttrString(reinterpret_cast<PyObject*>(type), method.ml_name, descriptor.ptr()));
  return descriptor;
}

}  // namespace

Loop& Loop::of(PyObject* self) {
  auto* const instance = reinterpret_cast<py::detail::instance*>(self);
  void* const loop = instance->simple_layout ? instance->simple_value_holder[0] : nullptr;
  if (loop == nullptr) [[unlikely]] {
    throw std::runtime_error("the loop's __init__() was not called");
  }
  return *static_cast<Loop*>(loop);
}

void add_fast_methods(PyTypeObject* loop_type) {
  for (PyMethodDef& method : fast_methods) {
    if (method.ml_doc == kCreateTask && !takes_any_keyword()) method.ml_doc = kCreateTaskBefore;
    add_method(loop_type, method);
  }
  time_descriptor = add_method(loop_type, time_method).release().ptr();
}

PyObject* native_time_method() { return time_descriptor; }

}  // namespace cxxloop
