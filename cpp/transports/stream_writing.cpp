// How bytes leave a StreamTransport.
//
// A write goes out at once if nothing waits. Where a transport was seen to write twice in
// one callback (a response's head and body), its next writes wait for the end of the
// callback and leave in one system call. While many callbacks are ready writes wait for the
// last of them, for a fraction of a millisecond at most: peers are woken when the loop has done
// its work, not in the middle of it. Whatever could show the difference to the program
// flushes first.

#include <sys/socket.h>

#include <cerrno>
#include <climits>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "loop/futures.h"
#include "transports/stream_transport.h"
#include "transports/system_calls.h"
#include "transports/transport_reports.h"

namespace cxxloop {

namespace {

constexpr std::size_t kGatherAtMost = 64 * 1024;    // bytes, of several writes
constexpr std::size_t kHoldBackAtMost = 16 * 1024;  // bytes, of one
constexpr std::uint8_t kGatherWrites = 64;
constexpr std::uint8_t kSingleFlushesToStop = 8;

#if PY_VERSION_HEX >= 0x030E0000
constexpr const char* kWrongType =
    "data argument must be a bytes, bytearray, or memoryview object, not %R";
#else
constexpr const char* kWrongType = "data argument must be a bytes-like object, not %R";
#endif

}  // namespace

// write()

bool StreamTransport::check_writable(PyObject* data) {
  if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
    const Ref name = steal(PyType_GetName(Py_TYPE(data)));
    PyErr_Format(PyExc_TypeError, kWrongType, name.ptr());
    return false;
  }
  if (eof_) {
    PyErr_SetString(PyExc_RuntimeError, "Cannot call write() after write_eof()");
    return false;
  }
  if (empty_waiter_) {
    PyErr_SetString(PyExc_RuntimeError, "unable to write; sendfile is in progress");
    return false;
  }
  return true;
}

PyObject* StreamTransport::write(PyObject* data) {
  if (!check_writable(data)) return nullptr;
  if (PyBytes_CheckExact(data)) {
    const Py_ssize_t length = PyBytes_GET_SIZE(data);
    if (length == 0) Py_RETURN_NONE;
    const bool written =
        lost_ != 0 ? count_lost_write(lost_)
                   : send_or_queue(data, PyBytes_AS_STRING(data), static_cast<std::size_t>(length));
    return written ? Py_NewRef(Py_None) : nullptr;
  }
  const int anything = PyObject_IsTrue(data);
  if (anything < 0) return nullptr;
  if (anything == 0) Py_RETURN_NONE;
  Py_buffer view;
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return nullptr;
  const bool written =
      view.len == 0 || (lost_ != 0 ? count_lost_write(lost_)
                                   : send_or_queue(data, static_cast<const char*>(view.buf),
                                                   static_cast<std::size_t>(view.len)));
  PyBuffer_Release(&view);
  return written ? Py_NewRef(Py_None) : nullptr;
}

bool StreamTransport::should_gather() {
  if (gathering_) return loop_->in_batch();
  if (loop_->in_large_batch()) return true;
  const std::uint64_t serial = loop_->serial();
  if (loop_->in_batch() && serial == write_serial_) gathering_ = true;
  write_serial_ = serial;
  return false;
}

bool StreamTransport::gather(PyObject* owner, const char* data, std::size_t length) {
  if (!outgoing_.append(owner, data, length, 0)) return false;
  ++gathered_writes_;
  if (!flush_scheduled_) {
    flush_scheduled_ = true;
    loop_->flush_later(this);
  }
  return outgoing_.size() < kGatherAtMost && gathered_writes_ < kGatherWrites ? true : flush();
}

bool StreamTransport::send_or_queue(PyObject* owner, const char* data, std::size_t length) {
  if (writing_) return queue(owner, data, length, 0);
  // A large write gains nothing by waiting, and what isn't a bytes object would be copied.
  if (length <= kHoldBackAtMost && should_gather()) return gather(owner, data, length);
  if (!flush()) return false;
  if (lost_ != 0) return count_lost_write(lost_);
  if (writing_) return queue(owner, data, length, 0);
  const ssize_t sent = send(fd_, data, length, kSendFlags);
  loop_->expect_events();
  if (sent < 0 && !is_try_again(errno)) return write_failed(errno);
  const std::size_t done = sent < 0 ? 0 : static_cast<std::size_t>(sent);
  if (done == length) return true;
  return queue(owner, data, length, done);
}

bool StreamTransport::queue(PyObject* owner, const char* data, std::size_t length,
                            std::size_t offset) {
  if (!watch_writing() || !outgoing_.append(owner, data, length, offset)) return false;
  return maybe_pause_protocol();
}

bool StreamTransport::watch_writing() {
  if (writing_) return true;
  if (!loop_->watch(fd_, FdWatchers::kWriter, this)) return false;
  writing_ = true;
  Py_CLEAR(write_context_.context);
  if (explicit_context_) {
    write_context_ = {Py_NewRef(context_.context), false};
  } else {
    write_context_ = loop_->contexts().capture();
  }
  return write_context_.context != nullptr;
}

bool StreamTransport::write_failed(int error) {
  const Ref exception = steal(make_os_error(error));
  if (writing_) {
    loop_->unwatch(fd_, FdWatchers::kWriter);
    writing_ = false;
  }
  outgoing_.clear();
  gathered_writes_ = 0;
  raise_exception(Ref(exception).release().ptr());
  if (!fatal_error("Fatal write error on socket transport")) return false;
  return !empty_waiter_ || set_exception_unless_done(empty_waiter_.ptr(), exception.ptr());
}

// writelines()

PyObject* StreamTransport::writelines(PyObject* list) {
#if PY_VERSION_HEX < 0x030C0000
  const Ref separator = steal(PyBytes_FromStringAndSize(nullptr, 0));
  const Ref joined = steal(PyObject_CallMethod(separator.ptr(), "join", "O", list));
  return write(joined.ptr());
#else
  if (eof_ || empty_waiter_) {
    PyErr_SetString(PyExc_RuntimeError, eof_ ? "Cannot call writelines() after write_eof()"
                                             : "unable to writelines; sendfile is in progress");
    return nullptr;
  }
  const int anything = PyObject_IsTrue(list);
  if (anything < 0) return nullptr;
  if (anything == 0) Py_RETURN_NONE;
  if (lost_ != 0) return count_lost_write(lost_) ? Py_NewRef(Py_None) : nullptr;
  // All or nothing: a wrong item must not leave the ones before it half written.
  const Ref items = steal(PySequence_List(list));
  const Py_ssize_t count = PyList_GET_SIZE(items.ptr());
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const item = PyList_GET_ITEM(items.ptr(), i);
    if (!PyBytes_CheckExact(item)) {
      PyList_SetItem(items.ptr(), i, steal(PyMemoryView_FromObject(item)).release().ptr());
    }
  }
  // What made the items may have ended the connection.
  if (lost_ != 0) return count_lost_write(lost_) ? Py_NewRef(Py_None) : nullptr;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* const item = PyList_GET_ITEM(items.ptr(), i);
    Py_buffer view;
    if (PyObject_GetBuffer(item, &view, PyBUF_SIMPLE) < 0) return nullptr;
    const bool appended =
        view.len == 0 || outgoing_.append(item, static_cast<const char*>(view.buf),
                                          static_cast<std::size_t>(view.len), 0);
    PyBuffer_Release(&view);
    if (!appended) return nullptr;
  }
  if (outgoing_.empty() || writing_) return maybe_pause_protocol() ? Py_NewRef(Py_None) : nullptr;
  int error = 0;
  if (!send_outgoing(&error)) return write_failed(error) ? Py_NewRef(Py_None) : nullptr;
  if (outgoing_.empty()) Py_RETURN_NONE;
  return watch_writing() && maybe_pause_protocol() ? Py_NewRef(Py_None) : nullptr;
#endif
}

// Sending what is queued

// Sends as much as the socket takes. False: `error` is an errno value.
bool StreamTransport::send_outgoing(int* error) {
  *error = outgoing_.send_with([this](iovec* vectors, int count) {
    loop_->expect_events();
    if (count == 1) return send(fd_, vectors[0].iov_base, vectors[0].iov_len, kSendFlags);
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = static_cast<std::size_t>(count);
    return sendmsg(fd_, &message, kSendFlags);
  });
  return *error == 0;
}

bool StreamTransport::on_flush() {
  if (!flush_scheduled_) return true;
  flush_scheduled_ = false;
  return flush();
}

// Sends what was gathered; nothing happens where nothing was.
bool StreamTransport::flush() {
  if (gathered_writes_ == 0 || loop_ == nullptr) return true;
  single_flushes_ =
      gathered_writes_ > 1 ? std::uint8_t{0} : static_cast<std::uint8_t>(single_flushes_ + 1);
  if (single_flushes_ >= kSingleFlushesToStop) {
    gathering_ = false;
    single_flushes_ = 0;
    write_serial_ = loop_->serial();
  }
  gathered_writes_ = 0;
  if (outgoing_.empty() || writing_ || lost_ != 0) return true;
  int error = 0;
  if (!send_outgoing(&error)) return write_failed(error);
  if (outgoing_.empty()) return true;
  return watch_writing() && maybe_pause_protocol();
}

bool StreamTransport::on_writable() {
  if (!writing_ || lost_ != 0) return true;
  if (!loop_->contexts().enter(write_context_)) return fatal_error("Fatal error on transport");
  gathered_writes_ = 0;
  int error = 0;
  if (!send_outgoing(&error)) return write_failed(error);
  if (!maybe_resume_protocol()) return false;  // It may have written more.
  if (loop_ == nullptr) return true;
  loop_->contexts().keep(write_context_);
  return !outgoing_.empty() || lost_ != 0 || after_write_ready();
}

bool StreamTransport::after_write_ready() {
  loop_->unwatch(fd_, FdWatchers::kWriter);
  writing_ = false;
  if (empty_waiter_ && !set_result_unless_done(empty_waiter_.ptr(), Py_None)) return false;
  if (closing_) {
    ++lost_;
    return connection_lost(nullptr);
  }
  return !eof_ || shut_down_writing() ||
         loop_->report("Fatal error on transport", names.transport, self_, protocol_);
}

// The end of the stream

bool StreamTransport::shut_down_writing() {
  loop_->expect_events();
  if (shutdown(fd_, SHUT_WR) == 0) return true;
  raise_os_error(errno);
  return false;
}

PyObject* StreamTransport::write_eof() {
  if (closing_ || eof_) Py_RETURN_NONE;
  if (!flush()) return nullptr;
  if (closing_) Py_RETURN_NONE;
  eof_ = true;
  if (outgoing_.empty() && !shut_down_writing()) return nullptr;
  Py_RETURN_NONE;
}

PyObject* StreamTransport::make_empty_waiter() {
  if (empty_waiter_) {
    PyErr_SetString(PyExc_RuntimeError, "Empty waiter is already set");
    return nullptr;
  }
  if (!flush()) return nullptr;
  empty_waiter_ = steal(loop_->futures().make_future());
  if (outgoing_.empty() && !set_result_unless_done(empty_waiter_.ptr(), Py_None)) return nullptr;
  return Py_NewRef(empty_waiter_.ptr());
}

// Flow control

bool StreamTransport::maybe_pause_protocol() {
  if (outgoing_.size() <= water_marks_.high() || protocol_paused_) return true;
  protocol_paused_ = true;
  return call_flow_control(*loop_, self_, protocol_, names.pause_writing,
                           "protocol.pause_writing() failed");
}

bool StreamTransport::maybe_resume_protocol() {
  if (!protocol_paused_ || outgoing_.size() > water_marks_.low()) return true;
  protocol_paused_ = false;
  return call_flow_control(*loop_, self_, protocol_, names.resume_writing,
                           "protocol.resume_writing() failed");
}

}  // namespace cxxloop
