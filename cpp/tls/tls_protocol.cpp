// The life of a TLS connection: what it is made of, its handshake, its end.

#include "tls/tls_protocol.h"

#include <new>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "loop/futures.h"
#include "tls/ssl_module.h"
#include "transports/transport_reports.h"

namespace cxxloop {

PyTypeObject* tls_protocol_type = nullptr;
PyTypeObject* tls_transport_type = nullptr;

namespace {

constexpr std::size_t kWriteHighWater = 512 * 1024;
constexpr std::size_t kReadHighWater = 256 * 1024;

void log(const char* level, const char* format, PyObject* subject) {
  const Ref logged = steal(PyObject_CallMethod(stdlib.logger, level, "sO", format, subject));
}

// A TlsTransport for a new protocol, which keeps it.
Ref make_transport(PyObject* protocol) {
  Ref transport = steal(tls_transport_type->tp_alloc(tls_transport_type, 0));
  reinterpret_cast<TlsTransportObject*>(transport.ptr())->protocol = Py_NewRef(protocol);
  return transport;
}

void mark_closed(const Ref& transport) {
  if (transport) reinterpret_cast<TlsTransportObject*>(transport.ptr())->closed = true;
}

}  // namespace

TlsProtocol::TlsProtocol(PyObject* self, Loop* loop, TlsParts parts)
    : self_(self),
      loop_(loop),
      loop_object_(borrow(loop->self())),
      extra_(steal(PyDict_New())),
      handshake_timeout_(std::move(parts.handshake_timeout)),
      shutdown_timeout_(std::move(parts.shutdown_timeout)),
      engine_(std::move(parts.ssl_object), std::move(parts.incoming), std::move(parts.outgoing)),
      write_limits_(kWriteHighWater),
      read_limits_(kReadHighWater),
      app_state_(parts.call_connection_made ? AppState::kInit : AppState::kConnected) {
  if (!parts.waiter.is_none()) waiter_ = std::move(parts.waiter);
  check(PyDict_SetItem(extra_.ptr(), names.sslcontext, parts.context.ptr()));
  set_app_protocol(parts.protocol.ptr());
}

PyObject* TlsProtocol::make(Loop* loop, TlsParts parts) {
  Ref object = steal(tls_protocol_type->tp_alloc(tls_protocol_type, 0));
  auto* const memory = reinterpret_cast<TlsProtocolObject*>(object.ptr());
  auto* const protocol = new (memory->storage) TlsProtocol(object.ptr(), loop, std::move(parts));
  memory->constructed = true;
  memory->base.native = protocol;
  protocol->app_transport_ = make_transport(object.ptr());
  return object.release().ptr();
}

void TlsProtocol::set_app_protocol(PyObject* protocol) {
  const int is_buffered = PyObject_IsInstance(protocol, stdlib.buffered_protocol_type);
  check(is_buffered);
  app_buffered_ = is_buffered != 0;
  native_app_ = native_part(protocol);
  app_protocol_ = borrow(protocol);
}

void TlsProtocol::set_state(State state) {
  const auto next = static_cast<int>(state);
  const auto now = static_cast<int>(state_);
  if (state != State::kUnwrapped && next != now + 1) {
    constexpr const char* kNames[] = {"UNWRAPPED", "DO_HANDSHAKE", "WRAPPED", "FLUSHING",
                                      "SHUTDOWN"};
    PyErr_Format(PyExc_RuntimeError,
                 "cannot switch state from SSLProtocolState.%s to SSLProtocolState.%s", kNames[now],
                 kNames[next]);
    throw py::error_already_set();
  }
  state_ = state;
}

// Called by the transport below

void TlsProtocol::connection_made(PyObject* transport) {
  lower_.set(transport);
  start_handshake();
}

void TlsProtocol::connection_lost(PyObject* exception) {
  backlog_.clear();
  encrypted_.clear();
  encrypted_size_ = 0;
  const Ref dropped = engine_.take_outgoing();
  ++lost_;
  mark_closed(app_transport_);
  if (state_ != State::kHandshake &&
      (app_state_ == AppState::kConnected || app_state_ == AppState::kEof)) {
    app_state_ = AppState::kLost;
    const Ref method = steal(PyObject_GetAttr(app_protocol_.ptr(), names.connection_lost));
    PyObject* const arguments[] = {exception};
    const Ref handle = steal(loop_->call_soon({method.ptr(), arguments, 1, nullptr}));
  }
  state_ = State::kUnwrapped;
  lower_.reset();
  app_transport_ = Ref();
  app_protocol_ = Ref();
  native_app_ = nullptr;
  wake_waiter(exception);
  cancel(shutdown_timer_);
  cancel(handshake_timer_);
}

bool TlsProtocol::eof_received() {
  eof_received_ = true;
  try {
    if (loop_->debug()) log("debug", "%r received EOF", self_);
    switch (state_) {
      case State::kHandshake:
        PyErr_SetNone(PyExc_ConnectionResetError);
        handshake_failed();
        break;
      case State::kWrapped:
        set_state(State::kFlushing);
        if (app_reading_paused_) return true;
        do_flush();
        break;
      case State::kFlushing:
        do_write();
        set_state(State::kShutdown);
        do_shutdown();
        break;
      case State::kShutdown:
        do_shutdown();
        break;
      case State::kUnwrapped:
        break;
    }
  } catch (py::error_already_set& error) {
    if (error.matches(PyExc_Exception) && lower_) lower_.close();
    throw;
  }
  return false;
}

void TlsProtocol::wake_waiter(PyObject* exception) {
  const Ref waiter = std::move(waiter_);
  waiter_ = Ref();
  if (!waiter) return;
  const bool succeeded = exception == nullptr || exception == Py_None
                             ? set_result_unless_done(waiter.ptr(), Py_None)
                             : set_exception_unless_done(waiter.ptr(), exception);
  if (!succeeded) throw py::error_already_set();
}

// The handshake

void TlsProtocol::start_handshake() {
  if (loop_->debug()) {
    log("debug", "%r starts SSL handshake", self_);
    if (!loop_->clock().now(handshake_started_)) throw py::error_already_set();
  }
  set_state(State::kHandshake);
  handshake_timer_ = call_later(handshake_timeout_, "_check_handshake_timeout");
  do_handshake();
}

void TlsProtocol::check_handshake_timeout() {
  if (state_ != State::kHandshake) return;
  const Ref seconds = steal(PyObject_Str(handshake_timeout_.ptr()));
  PyErr_Format(PyExc_ConnectionAbortedError,
               "SSL handshake is taking longer than %U seconds: aborting the connection",
               seconds.ptr());
  fatal_error("Fatal error on transport");
}

void TlsProtocol::do_handshake() {
  SslEngine::Outcome outcome = SslEngine::Outcome::kAgain;
  try {
    outcome = engine_.do_handshake();
  } catch (py::error_already_set& error) {
    if (!error.matches(ssl_module().error)) throw;
    error.restore();
    return handshake_failed();
  }
  outcome == SslEngine::Outcome::kAgain ? process_outgoing() : handshake_succeeded();
}

// Ends the connection with the exception that is set, and tells whoever waits for it.
void TlsProtocol::handshake_failed() {
  const bool is_certificate = PyErr_ExceptionMatches(ssl_module().certificate_error) != 0;
  const Ref exception = steal(take_exception());
  cancel(handshake_timer_);
  set_state(State::kUnwrapped);
  raise_exception(Ref(exception).release().ptr());
  fatal_error(is_certificate ? "SSL handshake failed on verifying the certificate"
                             : "SSL handshake failed");
  wake_waiter(exception.ptr());
}

void TlsProtocol::handshake_succeeded() {
  cancel(handshake_timer_);
  set_state(State::kWrapped);
  Ref peer_certificate;
  try {
    peer_certificate = steal(PyObject_CallMethodNoArgs(engine_.ssl_object(), names.getpeercert));
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_Exception)) throw;
    error.restore();
    return handshake_failed();
  }
  if (loop_->debug()) {
    double now = 0;
    if (!loop_->clock().now(now)) throw py::error_already_set();
    const double milliseconds = (now - handshake_started_) * 1e3;
    const Ref logged = steal(PyObject_CallMethod(
        stdlib.logger, "debug", "sOd", "%r: SSL handshake took %.1f ms", self_, milliseconds));
  }
  check(PyDict_SetItem(extra_.ptr(), names.peercert, peer_certificate.ptr()));
  update_extra();
  if (app_state_ == AppState::kInit) {
    app_state_ = AppState::kConnected;
    const Ref result = steal(PyObject_CallMethodOneArg(app_protocol_.ptr(), names.connection_made,
                                                       app_transport_.ptr()));
  }
  wake_waiter(nullptr);
  do_read();
}

void TlsProtocol::update_extra() {
  for (PyObject* const name : {names.cipher, names.compression}) {
    const Ref value = steal(PyObject_CallMethodNoArgs(engine_.ssl_object(), name));
    check(PyDict_SetItem(extra_.ptr(), name, value.ptr()));
  }
  check(PyDict_SetItem(extra_.ptr(), names.ssl_object, engine_.ssl_object()));
}

// The end

void TlsProtocol::start_shutdown() {
  if (state_ != State::kHandshake && state_ != State::kWrapped) return;
  mark_closed(app_transport_);
  if (state_ == State::kHandshake) return abort(nullptr);
  set_state(State::kFlushing);
  shutdown_timer_ = call_later(shutdown_timeout_, "_check_shutdown_timeout");
  do_flush();
}

void TlsProtocol::check_shutdown_timeout() {
  if (state_ != State::kFlushing && state_ != State::kShutdown) return;
  const Ref error = steal(PyObject_CallFunction(PyExc_TimeoutError, "s", "SSL shutdown timed out"));
  lower_.force_close(error.ptr());
}

void TlsProtocol::do_flush() {
  do_read();
  set_state(State::kShutdown);
  do_shutdown();
}

void TlsProtocol::do_shutdown() {
  SslEngine::Outcome outcome = SslEngine::Outcome::kDone;
  try {
    if (!eof_received_) outcome = engine_.unwrap();
  } catch (py::error_already_set& error) {
    if (!error.matches(ssl_module().error)) throw;
    error.restore();
    return shutdown_failed();
  }
  process_outgoing();
  if (outcome == SslEngine::Outcome::kAgain) return;
  call_eof_received();
  shutdown_completed();
}

void TlsProtocol::shutdown_failed() {
  {
    const SavedError saved;
    cancel(shutdown_timer_);
  }
  fatal_error("Fatal error on transport");
}

void TlsProtocol::shutdown_completed() {
#if PY_VERSION_HEX >= 0x030E0000
  // What is still to be sent may never be read; connection_lost() ends this.
  if (!shutdown_timer_) {
    shutdown_timer_ = call_later(shutdown_timeout_, "_check_shutdown_timeout");
  }
#else
  cancel(shutdown_timer_);
#endif
  call_soon("_close_lower");
}

void TlsProtocol::close_lower() {
  if (lower_) lower_.close();
}

void TlsProtocol::abort(PyObject* exception) {
  set_state(State::kUnwrapped);
  if (lower_) lower_.force_close(exception);
}

void TlsProtocol::call_eof_received() {
  if (app_state_ != AppState::kConnected) return;
  app_state_ = AppState::kEof;
  try {
    const Ref answer = steal(PyObject_CallMethodNoArgs(app_protocol_.ptr(), names.eof_received));
    const int keep_open = PyObject_IsTrue(answer.ptr());
    check(keep_open);
    if (keep_open == 0) return;
    const Ref logged = steal(
        PyObject_CallMethod(stdlib.logger, "warning", "s",
                            "returning true from eof_received() has no effect when using ssl"));
  } catch (py::error_already_set& error) {
    error.restore();
    fatal_error("Error calling eof_received()");
  }
}

// Failures

// Ends the connection with the exception that is set. An OSError is the network's doing and not
// worth a report.
void TlsProtocol::fatal_error(const char* message) {
  if (must_leave_loop()) throw py::error_already_set();
  const Ref exception = steal(take_exception());
  if (lower_) lower_.force_close(exception.ptr());
  if (PyErr_GivenExceptionMatches(exception.ptr(), PyExc_OSError) != 0) {
    if (!log_failure(*loop_, self_, message, exception)) throw py::error_already_set();
  } else if (PyErr_GivenExceptionMatches(exception.ptr(), ssl_module().cancelled_error) == 0) {
    raise_exception(Ref(exception).release().ptr());
    report(message, lower_ ? lower_.object() : Py_None);
  }
}

void TlsProtocol::report(const char* message, PyObject* transport) {
  if (!loop_->report(message, names.transport, transport, self_)) throw py::error_already_set();
}

// Callbacks of our own

Ref TlsProtocol::call_later(const Ref& delay, const char* method) {
  const Ref callback = steal(PyObject_GetAttrString(self_, method));
  return steal(loop_->call_later(delay.ptr(), {callback.ptr(), nullptr, 0, nullptr}));
}

void TlsProtocol::call_soon(const char* method) {
  const Ref callback = steal(PyObject_GetAttrString(self_, method));
  const Ref handle = steal(loop_->call_soon({callback.ptr(), nullptr, 0, nullptr}));
}

void TlsProtocol::cancel(Ref& timer) {
  const Ref handle = std::move(timer);
  timer = Ref();
  if (handle) const Ref cancelled = steal(PyObject_CallMethodNoArgs(handle.ptr(), names.cancel));
}

Ref TlsProtocol::extra_info(PyObject* name, PyObject* fallback) {
  PyObject* const known = PyDict_GetItemWithError(extra_.ptr(), name);
  if (known != nullptr) return borrow(known);
  if (PyErr_Occurred() != nullptr) throw py::error_already_set();
  return lower_ ? lower_.extra_info(name, fallback) : borrow(fallback);
}

// Garbage

int TlsProtocol::traverse(visitproc visit, void* arg) const {
  for (const Ref* const reference :
       {&loop_object_, &app_protocol_, &app_transport_, &waiter_, &extra_, &handshake_timeout_,
        &shutdown_timeout_, &handshake_timer_, &shutdown_timer_, &read_buffer_}) {
    Py_VISIT(reference->ptr());
  }
  const int status = lower_.traverse(visit, arg);
  return status != 0 ? status : engine_.traverse(visit, arg);
}

void TlsProtocol::clear() {
  native_app_ = nullptr;
  app_protocol_ = app_transport_ = waiter_ = extra_ = handshake_timer_ = shutdown_timer_ = Ref();
  read_buffer_ = Ref();
  backlog_.clear();
  encrypted_.clear();
  lower_.reset();
}

}  // namespace cxxloop
