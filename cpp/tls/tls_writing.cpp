// From the application to ciphertext.

#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "tls/tls_protocol.h"

namespace cxxloop {

namespace {

// Ciphertext is taken out of the engine after this much: its buffers never shrink.
constexpr std::size_t kTakeAfter = 64 * 1024;

constexpr Py_ssize_t kLogThresholdForLostWrites = 5;

class BufferView {
 public:
  explicit BufferView(PyObject* object) { check(PyObject_GetBuffer(object, &view_, PyBUF_SIMPLE)); }
  ~BufferView() { PyBuffer_Release(&view_); }
  BufferView(const BufferView&) = delete;
  BufferView& operator=(const BufferView&) = delete;

  [[nodiscard]] const char* data() const { return static_cast<const char*>(view_.buf); }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(view_.len); }

 private:
  Py_buffer view_{};
};

}  // namespace

// Whether it is too late to write; says so in the log once there were many such writes.
bool TlsProtocol::refuses_writing() {
  if (state_ == State::kHandshake || state_ == State::kWrapped) return false;
  if (lost_ >= kLogThresholdForLostWrites) {
    const Ref logged =
        steal(PyObject_CallMethod(stdlib.logger, "warning", "s", "SSL connection is closed"));
  }
  ++lost_;
  return true;
}

void TlsProtocol::write(PyObject* data) {
  if (refuses_writing()) return;
  const BufferView view(data);
  if (state_ != State::kWrapped || !backlog_.empty()) {
    append(data, view.data(), view.size(), 0);
    if (state_ == State::kWrapped) encrypt_backlog();
    return;
  }
  try {
    const std::size_t done = encrypt(view.data(), view.size());
    append(data, view.data(), view.size(), done);
    process_outgoing();
  } catch (py::error_already_set& error) {
    write_failed(error);
  }
}

void TlsProtocol::writelines(PyObject* list) {
  if (refuses_writing()) return;
  // All or nothing: a wrong item must not leave the ones before it half written.
  const Ref items = steal(PySequence_List(list));
  const Py_ssize_t count = PyList_GET_SIZE(items.ptr());
  for (Py_ssize_t i = 0; i < count; ++i) const BufferView view(PyList_GET_ITEM(items.ptr(), i));
  for (Py_ssize_t i = 0; i < count; ++i) {
    append_to_backlog(PyList_GET_ITEM(items.ptr(), i));
  }
  if (state_ == State::kWrapped) encrypt_backlog();
}

void TlsProtocol::append_to_backlog(PyObject* data) {
  const BufferView view(data);
  append(data, view.data(), view.size(), 0);
}

// Keeps what follows `offset` until it can be encrypted: bytes objects as they are, of what could
// change a copy.
void TlsProtocol::append(PyObject* data, const char* bytes, std::size_t length,
                         std::size_t offset) {
  if (length == offset) return;
  const std::size_t rest = length - offset;
  if (PyBytes_CheckExact(data)) {
    backlog_.push_back({borrow(data), offset});
  } else {
    const auto size = static_cast<Py_ssize_t>(rest);
    backlog_.push_back({steal(PyBytes_FromStringAndSize(bytes + offset, size)), 0});
  }
  backlog_size_ += rest;
}

void TlsProtocol::encrypt_backlog() {
  try {
    do_write();
  } catch (py::error_already_set& error) {
    write_failed(error);
  }
}

void TlsProtocol::write_failed(py::error_already_set& error) {
  if (!error.matches(PyExc_Exception)) throw error;
  error.restore();
  fatal_error("Fatal error on SSL protocol");
}

// Encrypts as much of `data` as OpenSSL takes; returns how much that was.
std::size_t TlsProtocol::encrypt(const char* data, std::size_t length) {
  std::size_t done = 0;
  while (done < length) {
    std::size_t count = 0;
    if (engine_.write(data + done, length - done, &count) == SslEngine::Outcome::kAgain) break;
    done += count;
    untaken_ += count;
    if (untaken_ >= kTakeAfter) take_outgoing();
  }
  return done;
}

void TlsProtocol::do_write() {
  while (!backlog_.empty()) {
    Piece& piece = backlog_.front();
    const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(piece.bytes.ptr()));
    const std::size_t count =
        encrypt(PyBytes_AS_STRING(piece.bytes.ptr()) + piece.offset, size - piece.offset);
    piece.offset += count;
    backlog_size_ -= count;
    if (piece.offset < size) break;
    backlog_.pop_front();
  }
  process_outgoing();
}

void TlsProtocol::take_outgoing() {
  untaken_ = 0;
  Ref bytes = engine_.take_outgoing();
  const Py_ssize_t size = PyBytes_GET_SIZE(bytes.ptr());
  if (size == 0) return;
  encrypted_size_ += static_cast<std::size_t>(size);
  encrypted_.push_back(std::move(bytes));
}

void TlsProtocol::process_outgoing() {
  take_outgoing();
  if (!lower_writing_paused_ && !encrypted_.empty() && lower_) {
    const std::vector<Ref> pieces = std::move(encrypted_);
    encrypted_.clear();
    encrypted_size_ = 0;
    lower_.write(pieces);
  }
  control_app_writing();
}

void TlsProtocol::resume_writing() {
  lower_writing_paused_ = false;
  process_outgoing();
}

std::size_t TlsProtocol::write_buffer_size() const { return encrypted_size_ + backlog_size_; }

void TlsProtocol::control_app_writing() {
  const std::size_t size = write_buffer_size();
  if (size >= write_limits_.high() && !app_writing_paused_) {
    app_writing_paused_ = true;
    call_app(names.pause_writing, "protocol.pause_writing() failed");
  } else if (size <= write_limits_.low() && app_writing_paused_) {
    app_writing_paused_ = false;
    call_app(names.resume_writing, "protocol.resume_writing() failed");
  }
}

void TlsProtocol::call_app(PyObject* method, const char* failure) {
  if (!app_protocol_) return;
  const Ref transport = app_transport_;
  PyObject* const result = PyObject_CallMethodNoArgs(app_protocol_.ptr(), method);
  Py_XDECREF(result);
  if (result == nullptr) report(failure, transport ? transport.ptr() : Py_None);
}

void TlsProtocol::set_write_limits(PyObject* high, PyObject* low) {
  if (!write_limits_.set(high, low)) throw py::error_already_set();
  control_app_writing();
}

}  // namespace cxxloop
