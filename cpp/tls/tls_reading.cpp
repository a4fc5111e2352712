// From ciphertext to the application.

#include <algorithm>
#include <cstring>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "tls/tls_protocol.h"

namespace cxxloop {

namespace {

// The engine gets this much ciphertext at a time, and hardly holds more: its buffers never shrink.
constexpr std::size_t kSlice = 16 * 1024;

// What get_buffer() gives, as asyncio's.
constexpr Py_ssize_t kReadBufferSize = 256 * 1024;

}  // namespace

bool TlsProtocol::bytes_received(const char* data, std::size_t length) {
  unfed_ = data;
  unfed_size_ = length;
  try {
    receive();
    feed_rest();
    return true;
  } catch (py::error_already_set& error) {
    unfed_size_ = 0;
    error.restore();
  } catch (...) {
    unfed_size_ = 0;
    raise_current_exception();
  }
  return false;
}

void TlsProtocol::receive() {
  // Only while application data is read it pays, and is safe, to hold some back.
  if (state_ != State::kWrapped) feed_rest();
  switch (state_) {
    case State::kHandshake:
      return do_handshake();
    case State::kWrapped:
      return do_read();
    case State::kFlushing:
      return do_flush();
    case State::kShutdown:
      return do_shutdown();
    case State::kUnwrapped:
      return;
  }
}

void TlsProtocol::feed_rest() {
  if (unfed_size_ > 0) engine_.feed(unfed_, unfed_size_);
  unfed_size_ = 0;
}

void TlsProtocol::feed(PyObject* bytes) {
  char* data = nullptr;
  Py_ssize_t length = 0;
  check(PyBytes_AsStringAndSize(bytes, &data, &length));
  engine_.feed(data, static_cast<std::size_t>(length));
}

bool TlsProtocol::feed_some() {
  if (unfed_size_ == 0) return false;
  const std::size_t part = std::min(unfed_size_, kSlice);
  engine_.feed(unfed_, part);
  unfed_ += part;
  unfed_size_ -= part;
  return true;
}

bool TlsProtocol::may_read() {
  while (!engine_.may_read()) {
    if (!feed_some()) return false;
  }
  return true;
}

void TlsProtocol::do_read() {
  if (state_ != State::kWrapped && state_ != State::kFlushing) return;
  try {
    if (!app_reading_paused_) {
      app_buffered_&& native_app_ == nullptr ? read_into_buffer() : read_data();
      backlog_.empty() ? process_outgoing() : do_write();
    }
    control_reading();
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_Exception)) throw;
    error.restore();
    fatal_error("Fatal error on SSL protocol");
  }
}

// All that has arrived, in one piece.
void TlsProtocol::read_data() {
  if (!may_read()) return;
  // Plaintext is shorter than what it came in, unless it was compressed. There may also be a rest
  // of a record that a smaller buffer had no room for.
  std::size_t room = engine_.incoming_pending() + unfed_size_;
  if (room == 0) room = kSlice;
  Ref bytes = steal(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(room)));
  std::size_t size = 0;
  bool closed = false;
  do {
    if (size == room) {
      room *= 2;
      PyObject* grown = bytes.release().ptr();
      check(_PyBytes_Resize(&grown, static_cast<Py_ssize_t>(room)));
      bytes = steal(grown);
    }
    std::size_t count = 0;
    if (engine_.read(PyBytes_AS_STRING(bytes.ptr()) + size, room - size, &count) ==
        SslEngine::Outcome::kAgain) {
      continue;
    }
    closed = count == 0;
    size += count;
  } while (!closed && may_read());
  if (size > 0) {
    PyObject* exact = bytes.release().ptr();
    check(_PyBytes_Resize(&exact, static_cast<Py_ssize_t>(size)));
    bytes = steal(exact);
    deliver(bytes);
  }
  if (!closed) return;
  call_eof_received();
  start_shutdown();
}

void TlsProtocol::deliver(const Ref& bytes) {
  const Ref protocol = app_protocol_;  // It may be replaced while it runs.
  if (native_app_ != nullptr) {
    if (!native_app_->bytes_received(PyBytes_AS_STRING(bytes.ptr()),
                                     static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr())))) {
      throw py::error_already_set();
    }
    return;
  }
  const Ref result =
      steal(PyObject_CallMethodOneArg(protocol.ptr(), names.data_received, bytes.ptr()));
}

void TlsProtocol::read_into_buffer() {
  feed_rest();
  const Ref protocol = app_protocol_;
  const Ref hint = steal(PyLong_FromSize_t(read_buffer_size()));
  const Ref buffer = steal(PyObject_CallMethodOneArg(protocol.ptr(), names.get_buffer, hint.ptr()));
  const Py_ssize_t length = PyObject_Length(buffer.ptr());
  if (length < 0) throw py::error_already_set();
  const auto wants = static_cast<std::size_t>(length);
  std::size_t offset = 0;
  bool closed = wants == 0;
  while (offset < wants && engine_.may_read()) {
    Ref rest = buffer;
    if (offset > 0) {
      // Of a bytearray a slice would be a copy, and what is read into that lost.
      rest = steal(PyMemoryView_FromObject(buffer.ptr()));
      rest = steal(PySequence_GetSlice(rest.ptr(), static_cast<Py_ssize_t>(offset), length));
    }
    std::size_t count = 0;
    if (engine_.read_into(rest.ptr(), wants - offset, &count) == SslEngine::Outcome::kAgain) break;
    closed = count == 0;
    if (closed) break;
    offset += count;
  }
  if (offset == wants && wants > 0) call_soon("_do_read");
  if (offset > 0) {
    const Ref count = steal(PyLong_FromSize_t(offset));
    const Ref result =
        steal(PyObject_CallMethodOneArg(protocol.ptr(), names.buffer_updated, count.ptr()));
  }
  if (!closed) return;
  call_eof_received();
  start_shutdown();
}

// Flow control

void TlsProtocol::control_reading() {
  if (unfed_size_ > 0 && app_reading_paused_) feed_rest();
  const std::size_t size = read_buffer_size();
  if (size >= read_limits_.high() && !lower_reading_paused_) {
    lower_reading_paused_ = true;
    lower_.pause_reading();
  } else if (size <= read_limits_.low() && lower_reading_paused_) {
    lower_reading_paused_ = false;
    lower_.resume_reading();
  }
}

void TlsProtocol::resume_reading() {
  if (!app_reading_paused_) return;
  app_reading_paused_ = false;
  call_soon("_go_on_reading");
}

void TlsProtocol::go_on_reading() {
  if (state_ != State::kHandshake) receive();
}

void TlsProtocol::set_read_limits(PyObject* high, PyObject* low) {
  if (!read_limits_.set(high, low)) throw py::error_already_set();
  if (lower_) control_reading();
}

// For transports that read into the protocol's buffer

PyObject* TlsProtocol::get_buffer(PyObject* hint) {
  Py_ssize_t wanted = PyNumber_AsSsize_t(hint, nullptr);
  if (wanted == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  if (wanted <= 0 || wanted > kReadBufferSize) wanted = kReadBufferSize;
  if (!read_buffer_ || PyByteArray_GET_SIZE(read_buffer_.ptr()) < wanted) {
    read_buffer_ = steal(PyByteArray_FromStringAndSize(nullptr, wanted));
  }
  return PyMemoryView_FromObject(read_buffer_.ptr());
}

void TlsProtocol::buffer_updated(std::size_t count) {
  if (!read_buffer_ || static_cast<std::size_t>(PyByteArray_GET_SIZE(read_buffer_.ptr())) < count) {
    PyErr_SetString(PyExc_ValueError, "more bytes than the buffer has room for");
    throw py::error_already_set();
  }
  const Ref buffer = read_buffer_;
  if (!bytes_received(PyByteArray_AS_STRING(buffer.ptr()), count)) throw py::error_already_set();
}

}  // namespace cxxloop
