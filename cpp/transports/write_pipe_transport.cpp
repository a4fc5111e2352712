#include "transports/write_pipe_transport.h"

#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "transports/system_calls.h"
#include "transports/transport_reports.h"

namespace cxxloop {

PyTypeObject* write_pipe_transport_type = nullptr;

WritePipeTransport::WritePipeTransport(PyObject* self, const PipeParts& parts,
                                       CapturedContext context, bool notices_close)
    : PipeTransport(self, parts, context), notices_close_(notices_close) {}

py::object make_write_pipe_transport(Loop& loop, const py::object& pipe, int fd,
                                     const py::object& protocol, const py::object& waiter,
                                     bool notices_close) {
  if (!loop.check_closed()) throw py::error_already_set();
  const PipeParts parts{&loop, fd, pipe.ptr(), protocol.ptr(),
                        waiter.is_none() ? nullptr : waiter.ptr()};
  return make_pipe_transport<WritePipeTransport>(write_pipe_transport_type, parts, notices_close);
}

// Watching

bool WritePipeTransport::start_watching() {
  if (!notices_close_) return true;
  if (!loop_->watch(fd_, FdWatchers::kReader, this)) return watch_failed();
  reading_ = true;
  return true;
}

bool WritePipeTransport::watch_writing() {
  if (!loop_->watch(fd_, FdWatchers::kWriter, this)) return false;
  writing_ = true;
  Py_CLEAR(write_context_.context);
  write_context_ = loop_->contexts().capture();
  return write_context_.context != nullptr;
}

void WritePipeTransport::unwatch_writing() {
  if (!std::exchange(writing_, false)) return;
  loop_->unwatch(fd_, FdWatchers::kWriter);
  Py_CLEAR(write_context_.context);
}

void WritePipeTransport::unwatch() {
  unwatch_writing();
  if (!std::exchange(reading_, false)) return;
  loop_->unwatch(fd_, FdWatchers::kReader);
}

bool WritePipeTransport::on_readable() {
  if (!reading_) return true;
  Loop& loop = *loop_;
  if (!loop.contexts().enter(context_)) return report_failure(names._read_ready);
  return read_ready() || report_method(loop, self_, names._read_ready, nullptr);
}

bool WritePipeTransport::read_ready() {
  if (loop_ == nullptr) return true;
  if (!log("info", "%r was closed by peer")) return false;
  if (outgoing_.empty()) return end(nullptr);
  return end(steal(PyObject_CallNoArgs(PyExc_BrokenPipeError)).ptr());
}

// Writing

bool WritePipeTransport::write(PyObject* data) {
  if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
    PyErr_SetObject(PyExc_AssertionError, steal(PyObject_Repr(data)).ptr());
    return false;
  }
  const Py_ssize_t items = PyObject_Length(data);
  if (items <= 0) return items == 0;
  if (lost_ != 0 || closing_) return discard();
  Py_buffer view;
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return write_failed();
  const bool written =
      write_bytes(data, static_cast<const char*>(view.buf), static_cast<std::size_t>(view.len));
  PyBuffer_Release(&view);
  return written;
}

// Counts a write that can't arrive any more, and says so once in a while.
bool WritePipeTransport::discard() {
  return count_lost_write(lost_, "pipe closed by peer or os.write(pipe, data) raised exception.");
}

bool WritePipeTransport::write_bytes(PyObject* owner, const char* data, std::size_t length) {
  std::size_t done = 0;
  if (outgoing_.empty()) {
    const ssize_t sent = ::write(fd_, data, length);
    loop_->expect_events();
    if (sent < 0 && !is_try_again(errno)) {
      raise_os_error(errno);
      return write_failed();
    }
    if (sent > 0) done = static_cast<std::size_t>(sent);
    if (done == length) return true;
    if (!watch_writing()) return false;
  }
  return outgoing_.append(owner, data, length, done) && maybe_pause_protocol();
}

// Ends the transport with the exception that is set.
bool WritePipeTransport::write_failed() {
  ++lost_;
  return fatal_error("Fatal write error on pipe transport");
}

// Sends as much as the pipe takes. False: `error` is an errno value.
bool WritePipeTransport::send_outgoing(int* error) {
  *error = outgoing_.send_with([this](const iovec* vectors, int count) {
    loop_->expect_events();
    return writev(fd_, vectors, count);
  });
  return *error == 0;
}

bool WritePipeTransport::on_writable() {
  if (!writing_) return true;
  Loop& loop = *loop_;
  if (!loop.contexts().enter(write_context_)) return report_failure(names._write_ready);
  if (!write_ready()) return report_method(loop, self_, names._write_ready, nullptr);
  if (writing_) loop.contexts().keep(write_context_);
  return true;
}

bool WritePipeTransport::write_ready() {
  if (loop_ == nullptr || outgoing_.empty()) return true;
  int error = 0;
  if (!send_outgoing(&error)) {
    outgoing_.clear();
    unwatch_writing();
    raise_os_error(error);
    return write_failed();
  }
  if (!outgoing_.empty()) return true;
  unwatch_writing();
  if (!maybe_resume_protocol()) return false;  // It may have written more, or closed.
  if (!closing_ || lost_scheduled_ || !outgoing_.empty()) return true;
  unwatch();
  return connection_lost(Py_None);
}

// The end

bool WritePipeTransport::write_eof() {
  if (closing_ || loop_ == nullptr) return true;
  closing_ = true;
  if (!outgoing_.empty()) return true;
  unwatch();
  return schedule_connection_lost(nullptr);
}

bool WritePipeTransport::end(PyObject* exception) {
  if (loop_ == nullptr) return true;
  closing_ = true;
  unwatch();
  outgoing_.clear();
  return schedule_connection_lost(exception);
}

bool WritePipeTransport::is_expected(PyObject* exception) {
  return PyErr_GivenExceptionMatches(exception, PyExc_OSError) != 0;
}

// Flow control

bool WritePipeTransport::maybe_pause_protocol() {
  if (outgoing_.size() <= marks_.high() || protocol_paused_ || loop_ == nullptr) return true;
  protocol_paused_ = true;
  return call_flow_control(*loop_, self_, protocol_.ptr(), names.pause_writing,
                           "protocol.pause_writing() failed");
}

bool WritePipeTransport::maybe_resume_protocol() {
  if (!protocol_paused_ || outgoing_.size() > marks_.low()) return true;
  protocol_paused_ = false;
  return call_flow_control(*loop_, self_, protocol_.ptr(), names.resume_writing,
                           "protocol.resume_writing() failed");
}

bool WritePipeTransport::set_write_buffer_limits(PyObject* high, PyObject* low) {
  return marks_.set(high, low) && maybe_pause_protocol();
}

// What is told about itself

PyObject* WritePipeTransport::repr() {
  const Ref details = steal(
      PyUnicode_FromFormat("%s bufsize=%zu", writing_ ? "polling" : "idle", outgoing_.size()));
  return shown(PyUnicode_AsUTF8(details.ptr()));
}

int WritePipeTransport::traverse(visitproc visit, void* arg) const {
  Py_VISIT(write_context_.context);
  return traverse_common(visit, arg);
}

void WritePipeTransport::clear() {
  outgoing_.clear();
  Py_CLEAR(write_context_.context);
  clear_common();
}

}  // namespace cxxloop
