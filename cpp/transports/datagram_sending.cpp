// How datagrams leave a DatagramTransport: at once, or one by one when the socket takes more.

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "cpython/buffer_view.h"
#include "cpython/errors.h"
#include "cpython/names.h"
#include "transports/datagram_transport.h"
#include "transports/system_calls.h"
#include "transports/transport_reports.h"

namespace cxxloop {

namespace {

// What a datagram that waits counts beside its data, since Python 3.13.
#if PY_VERSION_HEX >= 0x030D0000
constexpr Py_ssize_t kHeaderSize = 8;
#else
constexpr Py_ssize_t kHeaderSize = 0;
#endif

}  // namespace

// sendto()

bool DatagramTransport::check_data(PyObject* data) {
  if (PyBytes_Check(data) || PyByteArray_Check(data) || PyMemoryView_Check(data)) return true;
  const Ref name = steal(PyType_GetName(Py_TYPE(data)));
  PyErr_Format(PyExc_TypeError, "data argument must be a bytes-like object, not %R", name.ptr());
  return false;
}

// Where everything goes to one address, no other one may be named.
bool DatagramTransport::check_target(PyObject** address) {
  if (!target_) return true;
  if (*address != Py_None && *address != target_.ptr()) {
    int same = PyObject_RichCompareBool(*address, Py_None, Py_EQ);
    if (same == 0) same = PyObject_RichCompareBool(*address, target_.ptr(), Py_EQ);
    if (same < 0) return false;
    if (same == 0) {
      PyErr_Format(PyExc_ValueError, "Invalid address: must be None or %S", target_.ptr());
      return false;
    }
  }
  *address = target_.ptr();
  return true;
}

PyObject* DatagramTransport::sendto(PyObject* data, PyObject* address) {
  if (!check_data(data)) return nullptr;
#if PY_VERSION_HEX < 0x030D0000
  const int anything = PyObject_IsTrue(data);
  if (anything <= 0) return anything < 0 ? nullptr : Py_NewRef(Py_None);
#endif
  if (!check_target(&address)) return nullptr;
  if (lost_ != 0 && target_) return count_lost_write(lost_) ? Py_NewRef(Py_None) : nullptr;
  if (loop_ == nullptr) {
    // What comes of asyncio's transport, which has let go of its loop by now.
    PyErr_SetString(PyExc_AttributeError,
                    "'NoneType' object has no attribute 'call_exception_handler'");
    return nullptr;
  }
  if (waiting_.empty()) {
    if (should_gather(data, address)) {
      bool gathered = false;
      if (!gather(data, address, &gathered)) return nullptr;
      if (gathered) Py_RETURN_NONE;
    }
    if (!flush()) return nullptr;
    if (waiting_.empty()) {
      const Sent sent = send_now(data, address);
      if (sent == Sent::kYes) Py_RETURN_NONE;
      if (sent != Sent::kTryAgain) return send_failed(sent) ? Py_NewRef(Py_None) : nullptr;
      if (!watch_writing()) return nullptr;
    }
  }
  return enqueue(data, address) ? Py_NewRef(Py_None) : nullptr;
}

DatagramTransport::Sent DatagramTransport::send_now(PyObject* data, PyObject* address) {
  const BufferView view(data);
  ssize_t sent = 0;
  if (connected_) {
    sent = send(fd_, view.data(), view.size(), kSendFlags);
  } else {
    const RawAddress* const raw = addresses_.destination(address);
    if (raw == nullptr) return send_by_python(data, address);
    sent = ::sendto(fd_, view.data(), view.size(), kSendFlags, raw->get(), raw->size);
  }
  const int error = errno;
  loop_->expect_events();
  if (sent >= 0) return Sent::kYes;
  if (is_try_again(error)) return Sent::kTryAgain;
  raise_os_error(error);
  return Sent::kFailed;
}

// Addresses that need a closer look: names, which are looked up here and now as with asyncio, the
// families of the socket module, and everything that it has an exception for.
DatagramTransport::Sent DatagramTransport::send_by_python(PyObject* data, PyObject* address) {
  const Ref result = py::reinterpret_steal<Ref>(
      PyObject_CallMethodObjArgs(socket_.ptr(), names.sendto, data, address, nullptr));
  if (loop_ != nullptr) loop_->expect_events();
  if (result) return Sent::kYes;
  if (PyErr_ExceptionMatches(PyExc_BlockingIOError) != 0 ||
      PyErr_ExceptionMatches(PyExc_InterruptedError) != 0) {
    PyErr_Clear();
    return Sent::kTryAgain;
  }
  return PyErr_ExceptionMatches(PyExc_OSError) != 0 ? Sent::kFailed : Sent::kBroken;
}

// An OSError is the protocol's, anything else ends the transport. What error_received() raises is
// for the caller.
bool DatagramTransport::send_failed(Sent sent) {
  if (sent == Sent::kFailed) return error_received();
  return fatal_error("Fatal write error on datagram transport");
}

// Datagrams that wait

bool DatagramTransport::enqueue(PyObject* data, PyObject* address) {
  const Py_ssize_t length = PyObject_Size(data);
  if (length < 0) return false;
  waiting_.push_back({steal(PyBytes_FromObject(data)), borrow(address)});
  buffer_size_ += length + kHeaderSize;
  return maybe_pause_protocol();
}

bool DatagramTransport::watch_writing() {
  if (writing_) return true;
  if (!loop_->watch(fd_, FdWatchers::kWriter, this)) return false;
  writing_ = true;
  Py_CLEAR(write_context_.context);
  write_context_ = loop_->contexts().capture();
  return write_context_.context != nullptr;
}

void DatagramTransport::stop_watching_writing() {
  if (!writing_) return;
  writing_ = false;
  loop_->unwatch(fd_, FdWatchers::kWriter);
}

bool DatagramTransport::on_writable() {
  if (!writing_ || lost_ != 0) return true;
  if (!loop_->contexts().enter(write_context_)) return fatal_error("Fatal error on transport");
  bool go_on = false;
  const bool succeeded = send_waiting(&go_on) && (!go_on || after_sending());
  if (loop_ != nullptr) loop_->contexts().keep(write_context_);
  return succeeded;
}

// Sends until the socket takes no more. After an error the rest waits for the next turn.
bool DatagramTransport::send_waiting(bool* go_on) {
  while (!waiting_.empty()) {
    Waiting datagram = std::move(waiting_.front());
    waiting_.pop_front();
    const Py_ssize_t counted = PyBytes_GET_SIZE(datagram.data.ptr()) + kHeaderSize;
    buffer_size_ -= counted;
    const Sent sent = send_now(datagram.data.ptr(), datagram.address.ptr());
    if (sent == Sent::kTryAgain) {
      waiting_.push_front(std::move(datagram));
      buffer_size_ += counted;
      break;
    }
    if (sent != Sent::kYes) return send_failed(sent) || report_failure(names._sendto_ready);
  }
  *go_on = true;
  return true;
}

bool DatagramTransport::after_sending() {
  if (!maybe_resume_protocol()) return false;  // It may have sent more.
  if (!waiting_.empty() || lost_ != 0) return true;
  stop_watching_writing();
  if (!closing_) return true;
  ++lost_;
  return connection_lost(nullptr);
}

// Flow control

bool DatagramTransport::maybe_pause_protocol() {
  if (protocol_paused_ || buffer_size_ <= static_cast<Py_ssize_t>(water_marks_.high())) return true;
  protocol_paused_ = true;
  PyObject* const result = PyObject_CallMethodNoArgs(protocol_, names.pause_writing);
  Py_XDECREF(result);
  return result != nullptr ||
         loop_->report("protocol.pause_writing() failed", names.transport, self_, protocol_);
}

bool DatagramTransport::maybe_resume_protocol() {
  if (!protocol_paused_ || buffer_size_ > static_cast<Py_ssize_t>(water_marks_.low())) return true;
  protocol_paused_ = false;
  PyObject* const result = PyObject_CallMethodNoArgs(protocol_, names.resume_writing);
  Py_XDECREF(result);
  return result != nullptr ||
         loop_->report("protocol.resume_writing() failed", names.transport, self_, protocol_);
}

}  // namespace cxxloop
