#include "transports/stream_transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <new>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "loop/futures.h"
#include "transports/transport_reports.h"

namespace cxxloop {

PyTypeObject* stream_transport_type = nullptr;
PyTypeObject* native_protocol_type = nullptr;

namespace {

Ref borrow_or_empty(PyObject* object) { return object == nullptr ? Ref() : borrow(object); }

PyObject* none_is_null(const py::object& object) {
  return object.is_none() ? nullptr : object.ptr();
}

}  // namespace

StreamTransport::StreamTransport(PyObject* self, const StreamParts& parts, SocketAddress peer)
    : self_(self),
      loop_(parts.loop),
      loop_object_(borrow(parts.loop->self())),
      protocol_(Py_NewRef(parts.protocol)),
      native_protocol_(native_part(parts.protocol)),
      server_(borrow_or_empty(parts.server)),
      waiter_(borrow_or_empty(parts.waiter)),
      extra_(borrow_or_empty(parts.extra)),
      peer_(std::move(peer)),
      fd_(parts.fd),
      family_(parts.family),
      protocol_number_(parts.protocol_number) {
  const int is_buffered = PyObject_IsInstance(protocol_, stdlib.buffered_protocol_type);
  buffered_ = is_buffered > 0;
  if (is_buffered < 0) PyErr_Clear();
}

StreamTransport::~StreamTransport() {
  close_descriptor();
  clear();
}

PyObject* StreamTransport::make(const StreamParts& parts, SocketAddress peer) {
  if (!has_connection_made(parts.protocol)) return nullptr;
  CapturedContext context;
  if (parts.context != nullptr) {
    context.context = Py_NewRef(parts.context);
  } else {
    context = parts.loop->contexts().capture();
    if (context.context == nullptr) return nullptr;
  }
  PyObject* const object = stream_transport_type->tp_alloc(stream_transport_type, 0);
  if (object == nullptr) {
    Py_DECREF(context.context);
    return nullptr;
  }
  auto* const memory = reinterpret_cast<StreamTransportObject*>(object);
  auto* const transport = new (memory->storage) StreamTransport(object, parts, std::move(peer));
  memory->constructed = true;
  transport->context_ = context;
  transport->explicit_context_ = parts.context != nullptr;
  bool entered = false;
  try {
    entered = transport->enter_loop(parts);
  } catch (...) {
    raise_current_exception();
  }
  if (entered) return object;
  transport->disown();
  Py_DECREF(object);
  return nullptr;
}

// What begins its life. False, or an exception: disown() undoes it.
bool StreamTransport::enter_loop(const StreamParts& parts) {
  if (parts.sock != nullptr && !socket_.hold(parts.sock)) return false;
  loop_->set_transport(fd_, this);
  if (server_) {
    PyObject* const attached = PyObject_CallMethodOneArg(server_.ptr(), names._attach, self_);
    if (attached == nullptr) {
      server_ = Ref();
      return false;
    }
    Py_DECREF(attached);
  }
  loop_->defer(this);
  return true;
}

// The descriptor stays the caller's. Keeps the exception that is set.
void StreamTransport::disown() {
  const SavedError saved;
  loop_->forget_transport(fd_, this);
  fd_ = -1;
  if (socket_) socket_.close();
  const Ref server = std::move(server_);
  if (!server) return;
  PyObject* const detached = PyObject_CallMethodOneArg(server.ptr(), names._detach, self_);
  if (detached == nullptr) PyErr_WriteUnraisable(self_);
  Py_XDECREF(detached);
}

// Life

bool StreamTransport::on_deferred() {
  if (start_ != Start::kDone) return start();
  const Ref exception = std::move(lost_exception_);
  if (!loop_->contexts().enter(lost_context_)) return release();
  return connection_lost(exception.ptr());
}

// What asyncio does in three callbacks that always follow each other; the second part runs even
// if an exit leaves the loop from the first, in the next run.
bool StreamTransport::start() {
  if (start_ == Start::kConnectionMade) {
    start_ = Start::kReading;
    if (!loop_->contexts().enter(context_)) return fatal_error("Fatal error on transport");
    if (!call_protocol(*loop_, protocol_, names.connection_made, self_)) {
      loop_->defer(this);
      return false;
    }
  }
  start_ = Start::kDone;
  return start_reading();
}

bool StreamTransport::start_reading() {
  const Ref waiter = std::move(waiter_);
  if (loop_ != nullptr && is_reading() && !watch_reading() &&
      !fatal_error("Fatal error on transport")) {
    return false;
  }
  if (!waiter || loop_ == nullptr || set_result_unless_done(waiter.ptr(), Py_None)) return true;
  return loop_->report("Exception while starting a transport", names.transport, self_);
}

bool StreamTransport::schedule_connection_lost(PyObject* exception) {
  ++lost_;
  lost_exception_ = borrow_or_empty(exception);
  if (explicit_context_) {
    lost_context_ = {Py_NewRef(context_.context), false};
  } else {
    lost_context_ = loop_->contexts().capture();
    if (lost_context_.context == nullptr) return false;
  }
  loop_->defer(this);
  return true;
}

bool StreamTransport::connection_lost(PyObject* exception) {
  const bool succeeded = call_protocol(*loop_, protocol_, names.connection_lost,
                                       exception == nullptr ? Py_None : exception);
  return release() && succeeded;
}

// Lets go of everything, in asyncio's order. Keeps an exception that is set.
bool StreamTransport::release() {
  Ref exit;  // what has to leave the loop
  {
    const SavedError saved;
    close_descriptor();
    const Ref server = std::move(server_);
    const Ref waiter = std::move(empty_waiter_);
    const Ref loop = std::move(loop_object_);
    Loop* const native_loop = loop_;
    loop_ = nullptr;
    outgoing_.clear();
    gathered_writes_ = 0;
    native_protocol_ = nullptr;
    Py_CLEAR(protocol_);
    Py_CLEAR(write_context_.context);
    Py_CLEAR(lost_context_.context);
    Py_CLEAR(context_.context);
    if (server) {
      PyObject* const detached = PyObject_CallMethodOneArg(server.ptr(), names._detach, self_);
      if (detached == nullptr &&
          !native_loop->report("Error on detaching a transport", names.transport, self_)) {
        exit = py::reinterpret_steal<Ref>(take_exception());
      }
      Py_XDECREF(detached);
    }
    if (waiter) {
      const Ref error = py::reinterpret_steal<Ref>(
          PyObject_CallFunction(PyExc_ConnectionError, "s", "Connection is closed by peer"));
      if (!error || !set_exception_unless_done(waiter.ptr(), error.ptr())) {
        PyErr_WriteUnraisable(self_);
      }
    }
  }
  if (!exit) return true;
  if (PyErr_Occurred() == nullptr) raise_exception(exit.release().ptr());
  return false;
}

void StreamTransport::close_descriptor() {
  if (fd_ < 0) return;
  const int fd = fd_;
  if (loop_ != nullptr) {
    stop_watching_reading();
    loop_->unwatch(fd, FdWatchers::kWriter);  // We may do it ourselves, or sendfile.
    writing_ = false;
    loop_->forget_transport(fd, this);
    loop_->expect_events();
  }
  fd_ = -1;
  if (socket_) {
    socket_.close();
  } else {
    ::close(fd);
  }
}

bool StreamTransport::close() {
  if (closing_) return true;
  if (!flush()) return false;
  if (closing_) return true;
  closing_ = true;
  if (loop_ != nullptr) loop_->forget_transport(fd_, this);
  stop_watching_reading();
  if (!outgoing_.empty()) return true;
  if (writing_) {
    loop_->unwatch(fd_, FdWatchers::kWriter);
    writing_ = false;
  }
  return schedule_connection_lost(nullptr);
}

bool StreamTransport::force_close(PyObject* exception) {
  if (lost_ != 0 || loop_ == nullptr) return true;
  // What was written before has been sent, as far as the program knows.
  if (!flush()) return false;
  if (lost_ != 0) return true;
  outgoing_.clear();
  gathered_writes_ = 0;
  if (writing_) {
    loop_->unwatch(fd_, FdWatchers::kWriter);
    writing_ = false;
  }
  if (!closing_) {
    closing_ = true;
    loop_->forget_transport(fd_, this);
    stop_watching_reading();
  }
  return schedule_connection_lost(exception);
}

// Ends the connection with the exception that is set.
bool StreamTransport::fatal_error(const char* message) {
  Ref exception;
  if (!report_fatal_error(*loop_, message, self_, protocol_, &exception)) return false;
  return force_close(exception.ptr());
}

bool StreamTransport::set_protocol(PyObject* protocol) {
  const int is_buffered = PyObject_IsInstance(protocol, stdlib.buffered_protocol_type);
  if (is_buffered < 0) return false;
  buffered_ = is_buffered != 0;
  native_protocol_ = native_part(protocol);
  Py_XSETREF(protocol_, Py_NewRef(protocol));
  return true;
}

void StreamTransport::finalize() {
  if (fd_ < 0) return;
  const SavedError saved;
  PyObject* const text = repr();
  if (text == nullptr || PyErr_ResourceWarning(self_, 1, "unclosed transport %U", text) < 0) {
    PyErr_WriteUnraisable(self_);
  }
  Py_XDECREF(text);
  close_descriptor();
  const Ref server = std::move(server_);
  if (!server) return;
  PyObject* const detached = PyObject_CallMethodOneArg(server.ptr(), names._detach, self_);
  if (detached == nullptr) PyErr_WriteUnraisable(self_);
  Py_XDECREF(detached);
}

int StreamTransport::traverse(visitproc visit, void* arg) const {
  Py_VISIT(loop_object_.ptr());
  Py_VISIT(protocol_);
  Py_VISIT(server_.ptr());
  Py_VISIT(waiter_.ptr());
  Py_VISIT(extra_.ptr());
  Py_VISIT(socket_.ptr());
  Py_VISIT(empty_waiter_.ptr());
  Py_VISIT(lost_exception_.ptr());
  Py_VISIT(context_.context);
  Py_VISIT(write_context_.context);
  Py_VISIT(lost_context_.context);
  return 0;
}

void StreamTransport::clear() {
  loop_ = nullptr;
  loop_object_ = Ref();
  native_protocol_ = nullptr;
  Py_CLEAR(protocol_);
  server_ = waiter_ = extra_ = empty_waiter_ = lost_exception_ = Ref();
  socket_.clear();
  Py_CLEAR(context_.context);
  Py_CLEAR(write_context_.context);
  Py_CLEAR(lost_context_.context);
}

// Adoption

namespace {

long integer_attribute(const py::object& object, const char* name) {
  const Ref value = steal(PyObject_GetAttrString(object.ptr(), name));
  const long number = PyLong_AsLong(value.ptr());
  if (number == -1 && PyErr_Occurred() != nullptr) throw py::error_already_set();
  return number;
}

// Small writes shall not wait for acknowledgements; as asyncio, for TCP only.
void disable_nagle(int fd, int family, int type, int protocol_number) {
  if ((family != AF_INET && family != AF_INET6) || type != SOCK_STREAM ||
      protocol_number != IPPROTO_TCP) {
    return;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

py::object make_stream_transport(Loop& loop, const py::object& sock, const py::object& protocol,
                                 const py::object& waiter, const py::object& extra,
                                 const py::object& server, const py::object& context) {
  StreamParts parts;
  parts.loop = &loop;
  parts.fd = static_cast<int>(integer_attribute(sock.attr("fileno")(), "real"));
  parts.family = static_cast<int>(integer_attribute(sock, "family"));
  parts.protocol_number = static_cast<int>(integer_attribute(sock, "proto"));
  parts.sock = sock.ptr();
  parts.protocol = protocol.ptr();
  parts.waiter = none_is_null(waiter);
  parts.extra = none_is_null(extra);
  parts.server = none_is_null(server);
  parts.context = none_is_null(context);
  const auto type = static_cast<int>(integer_attribute(sock, "type"));
  if (!loop.check_closed() || !is_open_descriptor(parts.fd)) throw py::error_already_set();
  if (const EventTarget* const other = loop.transport(parts.fd)) {
    PyErr_Format(PyExc_RuntimeError, "File descriptor %d is used by transport %R", parts.fd,
                 other->owner());
    throw py::error_already_set();
  }
  SocketAddress peer = SocketAddress::peer(parts.fd);
  Ref transport = steal(StreamTransport::make(parts, std::move(peer)));
  disable_nagle(parts.fd, parts.family, type, parts.protocol_number);
  return transport;
}

}  // namespace cxxloop
