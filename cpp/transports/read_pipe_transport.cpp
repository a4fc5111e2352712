#include "transports/read_pipe_transport.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "transports/system_calls.h"
#include "transports/transport_reports.h"

namespace cxxloop {

PyTypeObject* read_pipe_transport_type = nullptr;

namespace {

// No read gives more than a pipe holds.
Py_ssize_t room_for_reads(int fd) {
#ifdef F_GETPIPE_SZ
  const int capacity = fcntl(fd, F_GETPIPE_SZ);
  if (capacity > 0) return std::min<Py_ssize_t>(capacity, ByteReader::kLargeRoom);
#else
  static_cast<void>(fd);
#endif
  return ByteReader::kLargeRoom;
}

}  // namespace

ReadPipeTransport::ReadPipeTransport(PyObject* self, const PipeParts& parts,
                                     CapturedContext context)
    : PipeTransport(self, parts, context), reader_(room_for_reads(parts.fd)) {}

py::object make_read_pipe_transport(Loop& loop, const py::object& pipe, int fd,
                                    const py::object& protocol, const py::object& waiter) {
  if (!loop.check_closed()) throw py::error_already_set();
  const PipeParts parts{&loop, fd, pipe.ptr(), protocol.ptr(),
                        waiter.is_none() ? nullptr : waiter.ptr()};
  return make_pipe_transport<ReadPipeTransport>(read_pipe_transport_type, parts);
}

// Watching

bool ReadPipeTransport::watch() {
  if (!loop_->watch(fd_, FdWatchers::kReader, this)) return false;
  reading_ = true;
  return true;
}

void ReadPipeTransport::unwatch() {
  reading_ = false;
  loop_->unwatch(fd_, FdWatchers::kReader);
}

bool ReadPipeTransport::start_watching() { return paused_ || watch() || watch_failed(); }

bool ReadPipeTransport::pause_reading() {
  if (!is_reading()) return true;
  paused_ = true;
  unwatch();
  return log("debug", "%r pauses reading");
}

bool ReadPipeTransport::resume_reading() {
  if (closing_ || !paused_) return true;
  // From now on it reads in the context of who resumes.
  CapturedContext context = loop_->contexts().capture();
  if (context.context == nullptr) return false;
  std::swap(context_, context);
  Py_DECREF(context.context);
  paused_ = false;
  return watch() && log("debug", "%r resumes reading");
}

// Reading

bool ReadPipeTransport::on_readable() {
  // It may have been paused or closed since the event was queued.
  if (!reading_ || closing_) return true;
  Loop& loop = *loop_;
  if (!loop.contexts().enter(context_)) return report_failure(names._read_ready);
  if (read_ready()) [[likely]] {
    if (loop_ != nullptr) loop.contexts().keep(context_);
    return true;
  }
  if (loop_ != nullptr) {
    const SavedError saved;
    loop.contexts().keep(context_);
  }
  return report_method(loop, self_, names._read_ready, nullptr);
}

bool ReadPipeTransport::read_ready() {
  if (loop_ == nullptr || !pipe_) return true;
  int error = 0;
  const Ref data = py::reinterpret_steal<Ref>(
      reader_.read(loop_->read_buffer(), Loop::kReadBufferSize, &error,
                   [this](char* target, std::size_t size) { return read(fd_, target, size); }));
  if (!data) {
    if (is_try_again(error)) return true;
    if (error == 0) return false;
    raise_os_error(error);
    return fatal_error("Fatal read error on pipe transport");
  }
  if (PyBytes_GET_SIZE(data.ptr()) == 0) return end_of_file();
  const Ref protocol = protocol_;  // It may be replaced while it runs.
  PyObject* const result =
      PyObject_CallMethodOneArg(protocol.ptr(), names.data_received, data.ptr());
  Py_XDECREF(result);
  return result != nullptr;
}

bool ReadPipeTransport::end_of_file() {
  if (!log("info", "%r was closed by peer")) return false;
  eof_to_tell_ = true;
  return end(nullptr);
}

bool ReadPipeTransport::before_connection_lost() {
  if (!std::exchange(eof_to_tell_, false)) return true;
  return call_protocol(*loop_, protocol_.ptr(), names.eof_received, nullptr);
}

bool ReadPipeTransport::end(PyObject* exception) {
  if (loop_ == nullptr) return true;
  closing_ = true;
  unwatch();
  return schedule_connection_lost(exception);
}

// A pseudo-terminal says EIO when its other side is closed.
bool ReadPipeTransport::is_expected(PyObject* exception) {
  if (PyErr_GivenExceptionMatches(exception, PyExc_OSError) == 0) return false;
  const Ref number = steal(PyObject_GetAttrString(exception, "errno"));
  return PyLong_Check(number.ptr()) && PyLong_AsLong(number.ptr()) == EIO;
}

PyObject* ReadPipeTransport::repr() { return shown(reading_ ? "polling" : "idle"); }

}  // namespace cxxloop
