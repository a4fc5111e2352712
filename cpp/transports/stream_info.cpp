// What a StreamTransport tells about itself.

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "transports/stream_transport.h"

namespace cxxloop {

PyObject* StreamTransport::python_socket() {
  if (!socket_ && fd_ >= 0) {
    const Ref made = steal(PyObject_CallFunction(stdlib.socket_type, "iiii", family_,
                                                 int{SOCK_STREAM}, protocol_number_, fd_));
    if (!socket_.hold(made.ptr())) return nullptr;
    const Ref result = steal(PyObject_CallMethod(made.ptr(), "settimeout", "i", 0));
  }
  return socket_ ? socket_.ptr() : Py_None;
}

PyObject* StreamTransport::extra() {
  if (!extra_) extra_ = steal(PyDict_New());
  for (PyObject* const name : {names.socket, names.sockname, names.peername}) {
    const Ref value = steal(extra_info(name, Py_None));
  }
  return Py_NewRef(extra_.ptr());
}

PyObject* StreamTransport::extra_info(PyObject* name, PyObject* fallback) {
  // Whoever asks for the socket may do something to it.
  if (!flush()) return nullptr;
  if (!extra_) extra_ = steal(PyDict_New());
  if (PyObject* const known = PyDict_GetItemWithError(extra_.ptr(), name)) {
    return Py_NewRef(known);
  }
  if (PyErr_Occurred() != nullptr) return nullptr;
  if (!PyUnicode_Check(name)) return Py_NewRef(fallback);
  Ref value;
  if (PyUnicode_Compare(name, names.peername) == 0) {
    value = steal(peer_.to_python());
  } else if (PyUnicode_Compare(name, names.sockname) == 0) {
    if (!local_.known() && fd_ >= 0) local_ = SocketAddress::local(fd_);
    value = steal(local_.to_python());
  } else if (PyUnicode_Compare(name, names.socket) == 0) {
    PyObject* const socket = python_socket();
    if (socket == Py_None) return Py_NewRef(fallback);
    value = steal(PyObject_CallOneArg(stdlib.transport_socket_type, socket));
  } else {
    return Py_NewRef(fallback);
  }
  check(PyDict_SetItem(extra_.ptr(), name, value.ptr()));
  return value.release().ptr();
}

PyObject* StreamTransport::write_buffer_size() {
  // What only waits to be gathered counts as sent, as it would be with asyncio.
  if (!flush()) return nullptr;
  return PyLong_FromSize_t(outgoing_.size());
}

bool StreamTransport::set_write_buffer_limits(PyObject* high, PyObject* low) {
  return water_marks_.set(high, low) && flush() && maybe_pause_protocol();
}

PyObject* StreamTransport::repr() {
  const char* const state = fd_ < 0 ? " closed" : closing_ ? " closing" : "";
  if (loop_ == nullptr || loop_->is_closed()) {
    return PyUnicode_FromFormat("<%s%s fd=%d>", "StreamTransport", state, fd_);
  }
  return PyUnicode_FromFormat("<%s%s fd=%d read=%s write=<%s, bufsize=%zu>>", "StreamTransport",
                              state, fd_, reading_ ? "polling" : "idle",
                              writing_ ? "polling" : "idle", outgoing_.size());
}

}  // namespace cxxloop
