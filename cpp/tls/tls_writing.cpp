// From the application to ciphertext.

#include <utility>

#include "cpython/buffer_view.h"
#include "cpython/errors.h"
#include "cpython/names.h"
#include "tls/tls_protocol.h"
#include "transports/transport_reports.h"

namespace cxxloop {

namespace {

// Ciphertext is sent after this much: the engine's buffers never shrink, and the kernel copies what
// is still in the processor's cache.
constexpr std::size_t kTakeAfter = 64 * 1024;

}  // namespace

// Whether it is too late to write; says so in the log once there were many such writes.
bool TlsProtocol::refuses_writing() {
  if (state_ == State::kHandshake || state_ == State::kWrapped) return false;
  if (!count_lost_write(lost_, "SSL connection is closed")) throw py::error_already_set();
  return true;
}

void TlsProtocol::write(PyObject* data) {
  if (refuses_writing()) return;
  const BufferView view(data);
  if (state_ != State::kWrapped || !backlog_.empty()) {
    keep(data, view, 0);
    if (state_ == State::kWrapped) encrypt_backlog();
    return;
  }
  try {
    const std::size_t done = encrypt(view.data(), view.size());
    keep(data, view, done);
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

// Keeps what follows `offset` until it can be encrypted.
void TlsProtocol::keep(PyObject* data, const BufferView& view, std::size_t offset) {
  if (offset == view.size()) return;
  if (!backlog_.append(data, view.data(), view.size(), offset)) throw py::error_already_set();
}

void TlsProtocol::append_to_backlog(PyObject* data) { keep(data, BufferView(data), 0); }

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
    if (untaken_ >= kTakeAfter) send_outgoing();
  }
  return done;
}

void TlsProtocol::do_write() {
  while (!backlog_.empty()) {
    iovec first{};
    backlog_.gather(&first, 1);
    const std::size_t done = encrypt(static_cast<const char*>(first.iov_base), first.iov_len);
    backlog_.consume(done);
    if (done < first.iov_len) break;
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
  send_outgoing();
  control_app_writing();
}

void TlsProtocol::send_outgoing() {
  take_outgoing();
  if (!lower_writing_paused_ && !encrypted_.empty() && lower_) {
    const std::vector<Ref> pieces = std::move(encrypted_);
    encrypted_.clear();
    encrypted_size_ = 0;
    lower_.write(pieces);
  }
}

void TlsProtocol::resume_writing() {
  lower_writing_paused_ = false;
  process_outgoing();
}

std::size_t TlsProtocol::write_buffer_size() const { return encrypted_size_ + backlog_.size(); }

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
