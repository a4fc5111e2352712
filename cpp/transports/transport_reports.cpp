#include "transports/transport_reports.h"

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"

namespace cxxloop {

namespace {

constexpr Py_ssize_t kLogThresholdForLostWrites = 5;

}  // namespace

bool call_protocol(Loop& loop, PyObject* protocol, PyObject* name, PyObject* argument) {
  const Ref kept = borrow(protocol);  // It may be replaced while it runs.
  PyObject* const result = argument == nullptr
                               ? PyObject_CallMethodNoArgs(protocol, name)
                               : PyObject_CallMethodOneArg(protocol, name, argument);
  if (result == nullptr) return report_method(loop, protocol, name, argument);
  Py_DECREF(result);
  return true;
}

bool has_connection_made(PyObject* protocol) {
  PyObject* const method = PyObject_GetAttr(protocol, names.connection_made);
  Py_XDECREF(method);
  return method != nullptr;
}

bool report_method(Loop& loop, PyObject* object, PyObject* name, PyObject* argument) {
  if (must_leave_loop()) return false;
  const Ref exception = steal(take_exception());
  Ref method = py::reinterpret_steal<Ref>(PyObject_GetAttr(object, name));
  if (!method) {
    if (must_leave_loop()) return false;
    PyErr_Clear();  // The exception says that there is none.
    method = borrow(object);
  }
  const Ref arguments = steal(argument == nullptr ? PyTuple_New(0) : PyTuple_Pack(1, argument));
  raise_exception(Ref(exception).release().ptr());
  return loop.report_callback(method.ptr(), arguments.ptr());
}

bool call_flow_control(Loop& loop, PyObject* transport, PyObject* protocol, PyObject* name,
                       const char* message) {
  const Ref kept = borrow(protocol);
  PyObject* const result = PyObject_CallMethodNoArgs(protocol, name);
  Py_XDECREF(result);
  return result != nullptr || loop.report(message, names.transport, transport, protocol);
}

bool report_fatal_error(Loop& loop, const char* message, PyObject* transport, PyObject* protocol,
                        Ref* exception) {
  if (must_leave_loop()) return false;
  *exception = steal(take_exception());
  if (PyErr_GivenExceptionMatches(exception->ptr(), PyExc_OSError) == 0) {
    raise_exception(Ref(*exception).release().ptr());
    return loop.report(message, names.transport, transport, protocol);
  }
  return log_failure(loop, transport, message, *exception);
}

bool log_failure(Loop& loop, PyObject* subject, const char* message, const Ref& exception) {
  if (!loop.debug()) return true;
  const Ref method = steal(PyObject_GetAttrString(stdlib.logger, "debug"));
  const Ref arguments = steal(Py_BuildValue("(sOs)", "%r: %s", subject, message));
  const Ref keywords = steal(Py_BuildValue("{sO}", "exc_info", exception.ptr()));
  PyObject* const result = PyObject_Call(method.ptr(), arguments.ptr(), keywords.ptr());
  Py_XDECREF(result);
  return result != nullptr;
}

bool log_debug(Loop& loop, PyObject* transport, const char* format) {
  if (!loop.debug()) return true;
  PyObject* const result = PyObject_CallMethod(stdlib.logger, "debug", "sO", format, transport);
  Py_XDECREF(result);
  return result != nullptr;
}

bool count_lost_write(Py_ssize_t& lost, const char* message) {
  if (lost++ < kLogThresholdForLostWrites) return true;
  PyObject* const logged = PyObject_CallMethod(stdlib.logger, "warning", "s", message);
  Py_XDECREF(logged);
  return logged != nullptr;
}

}  // namespace cxxloop
