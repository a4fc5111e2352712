// How bytes come into a StreamTransport.

#include <sys/socket.h>

#include <cerrno>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "transports/stream_transport.h"
#include "transports/system_calls.h"
#include "transports/transport_reports.h"

namespace cxxloop {

namespace {

// For a native protocol: what stays in the processor's cache until it is looked at.
constexpr std::size_t kNativeRead = 128 * 1024;

}  // namespace

bool StreamTransport::watch_reading() {
  if (reading_) return true;
  if (!loop_->watch(fd_, FdWatchers::kReader, this)) return false;
  reading_ = true;
  return true;
}

void StreamTransport::stop_watching_reading() {
  if (!reading_) return;
  reading_ = false;
  loop_->unwatch(fd_, FdWatchers::kReader);
}

bool StreamTransport::pause_reading() {
  if (!is_reading()) return true;
  paused_ = true;
  stop_watching_reading();
  return log_debug(*loop_, self_, "%r pauses reading");
}

bool StreamTransport::resume_reading() {
  if (closing_ || !paused_) return true;
  paused_ = false;
  if (start_ == Start::kDone && !watch_reading()) return false;
  return log_debug(*loop_, self_, "%r resumes reading");
}

bool StreamTransport::on_readable() {
  // It may have been paused or closed since the event was queued.
  if (!reading_ || lost_ != 0) return true;
  if (!loop_->contexts().enter(context_)) return fatal_error("Fatal error on transport");
  const Ref protocol = borrow(protocol_);  // It may be replaced while it runs.
  const bool succeeded = native_protocol_ != nullptr ? read_for_native()
                         : buffered_                 ? read_into_buffer()
                                                     : read_data();
  if (loop_ != nullptr) loop_->contexts().keep(context_);
  return succeeded;
}

bool StreamTransport::read_data() {
  int error = 0;
  PyObject* const data =
      reader_.read(loop_->read_buffer(), Loop::kReadBufferSize, &error,
                   [this](char* target, std::size_t size) { return recv(fd_, target, size, 0); });
  if (data == nullptr) {
    if (is_try_again(error)) return true;
    if (error != 0) raise_os_error(error);
    return fatal_error("Fatal read error on socket transport");
  }
  if (PyBytes_GET_SIZE(data) == 0) {
    Py_DECREF(data);
    return deliver_eof();
  }
  PyObject* const result = PyObject_CallMethodOneArg(protocol_, names.data_received, data);
  Py_DECREF(data);
  if (result == nullptr) return fatal_error("Fatal error: protocol.data_received() call failed.");
  Py_DECREF(result);
  return true;
}

bool StreamTransport::read_for_native() {
  char* const buffer = loop_->read_buffer();
  const ssize_t count = recv(fd_, buffer, kNativeRead, 0);
  if (count < 0) {
    if (is_try_again(errno)) return true;
    raise_os_error(errno);
    return fatal_error("Fatal read error on socket transport");
  }
  if (count == 0) return deliver_eof();
  return native_protocol_->bytes_received(buffer, static_cast<std::size_t>(count)) ||
         fatal_error("Fatal error: protocol.buffer_updated() call failed.");
}

namespace {

// The protocol's buffer, which is not empty; null with a Python error set.
Ref get_buffer(PyObject* protocol) {
  const Ref hint = py::reinterpret_steal<Ref>(PyLong_FromLong(-1));
  if (!hint) return Ref();
  Ref buffer =
      py::reinterpret_steal<Ref>(PyObject_CallMethodOneArg(protocol, names.get_buffer, hint.ptr()));
  if (!buffer) return Ref();
  const Py_ssize_t length = PyObject_Length(buffer.ptr());
  if (length > 0) return buffer;
  if (length == 0) {
    PyErr_SetString(PyExc_RuntimeError, "get_buffer() returned an empty buffer");
  }
  return Ref();
}

// As socket.recv_into() looks at its argument, whose exception programs get from asyncio.
bool view_writable(PyObject* buffer, Py_buffer* view) {
  if (PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE) == 0) return true;
  PyErr_Clear();
  PyErr_Format(PyExc_TypeError,
               "recv_into() argument 1 must be read-write bytes-like object, not %.50s",
               Py_TYPE(buffer)->tp_name);
  return false;
}

}  // namespace

bool StreamTransport::read_into_buffer() {
  const Ref buffer = get_buffer(protocol_);
  if (!buffer) return fatal_error("Fatal error: protocol.get_buffer() call failed.");
  if (fd_ < 0) return true;
  Py_buffer view;
  if (!view_writable(buffer.ptr(), &view)) {
    return fatal_error("Fatal read error on socket transport");
  }
  const ssize_t count = recv(fd_, view.buf, static_cast<std::size_t>(view.len), 0);
  const int error = errno;
  PyBuffer_Release(&view);  // The protocol may resize it from buffer_updated() on.
  if (count < 0) {
    if (is_try_again(error)) return true;
    raise_os_error(error);
    return fatal_error("Fatal read error on socket transport");
  }
  if (count == 0) return deliver_eof();
  const Ref length = steal(PyLong_FromSsize_t(count));
  PyObject* const result = PyObject_CallMethodOneArg(protocol_, names.buffer_updated, length.ptr());
  if (result == nullptr) return fatal_error("Fatal error: protocol.buffer_updated() call failed.");
  Py_DECREF(result);
  return true;
}

bool StreamTransport::deliver_eof() {
  if (!log_debug(*loop_, self_, "%r received EOF")) return false;
  PyObject* const answer = PyObject_CallMethodNoArgs(protocol_, names.eof_received);
  const int keep_open = answer == nullptr ? -1 : PyObject_IsTrue(answer);
  Py_XDECREF(answer);
  if (keep_open < 0) return fatal_error("Fatal error: protocol.eof_received() call failed.");
  if (loop_ == nullptr) return true;
  if (keep_open == 0) return close();
  // There is nothing more to read, but the protocol may go on writing.
  stop_watching_reading();
  return true;
}

}  // namespace cxxloop
