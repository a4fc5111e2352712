#include "transports/datagram_transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <new>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "loop/futures.h"
#include "transports/transport_reports.h"

namespace cxxloop {

PyTypeObject* datagram_transport_type = nullptr;

DatagramTransport::DatagramTransport(PyObject* self, const DatagramParts& parts,
                                     CapturedContext context)
    : self_(self),
      loop_(parts.loop),
      loop_object_(borrow(parts.loop->self())),
      protocol_(Py_NewRef(parts.protocol)),
      target_(py::reinterpret_borrow<Ref>(parts.target)),
      waiter_(py::reinterpret_borrow<Ref>(parts.waiter)),
      context_(context),
      addresses_(parts.family),
      fd_(parts.fd),
      number_(parts.fd),
      family_(parts.family),
      type_(parts.type),
      connected_(parts.connected),
      shared_(parts.shared) {}

DatagramTransport::~DatagramTransport() {
  close_descriptor();
  clear();
}

// Life

// What asyncio does in three callbacks that always follow each other; the second part runs even
// if an exit leaves the loop from the first, in the next run.
bool DatagramTransport::start() {
  if (start_ == Start::kConnectionMade) {
    start_ = Start::kReading;
    if (!loop_->contexts().enter(context_)) return fatal_error("Fatal error on transport");
    if (!call_protocol(*loop_, protocol_, names.connection_made, self_)) {
      loop_->defer(this);
      return false;
    }
  }
  start_ = Start::kDone;
  const Ref waiter = std::move(waiter_);
  if (loop_ != nullptr && is_reading() && !watch_reading() &&
      !fatal_error("Fatal error on transport")) {
    return false;
  }
  if (!waiter || loop_ == nullptr || set_result_unless_done(waiter.ptr(), Py_None)) return true;
  return loop_->report("Exception while starting a transport", names.transport, self_);
}

bool DatagramTransport::on_deferred() {
  if (start_ != Start::kDone) return start();
  const Ref exception = std::move(lost_exception_);
  if (loop_->contexts().enter(lost_context_)) return connection_lost(exception.ptr());
  release();
  return false;
}

bool DatagramTransport::close() {
  if (closing_ || loop_ == nullptr || !flush()) return closing_ || loop_ == nullptr;
  if (closing_) return true;  // By what flush() reported.
  closing_ = true;
  loop_->forget_transport(fd_, this);
  stop_watching_reading();
  if (!waiting_.empty()) return true;
  stop_watching_writing();
  return schedule_connection_lost(nullptr);
}

bool DatagramTransport::abort() {
  if (lost_ != 0 || loop_ == nullptr) return true;
  return flush() && force_close(nullptr);
}

bool DatagramTransport::force_close(PyObject* exception) {
  if (lost_ != 0 || loop_ == nullptr) return true;
  waiting_.clear();
#if PY_VERSION_HEX >= 0x030F0000
  buffer_size_ = 0;
#endif
  stop_watching_writing();
  if (!closing_) {
    closing_ = true;
    loop_->forget_transport(fd_, this);
    stop_watching_reading();
  }
  return schedule_connection_lost(exception);
}

bool DatagramTransport::schedule_connection_lost(PyObject* exception) {
  ++lost_;
  lost_exception_ = py::reinterpret_borrow<Ref>(exception);
  lost_context_ = loop_->contexts().capture();
  if (lost_context_.context == nullptr) return false;
  loop_->defer(this);
  return true;
}

bool DatagramTransport::connection_lost(PyObject* exception) {
  const bool succeeded = call_protocol(*loop_, protocol_, names.connection_lost,
                                       exception == nullptr ? Py_None : exception);
  release();
  return succeeded;
}

// Lets go of everything. Keeps an exception that is set.
void DatagramTransport::release() {
  const SavedError saved;
  close_descriptor();
  loop_ = nullptr;
  const Ref loop = std::move(loop_object_);
  backlog_.clear();
  waiting_.clear();
  addresses_.clear();
  Py_CLEAR(protocol_);
  Py_CLEAR(write_context_.context);
  Py_CLEAR(lost_context_.context);
  Py_CLEAR(context_.context);
}

void DatagramTransport::close_descriptor() {
  if (fd_ < 0) return;
  if (loop_ != nullptr) {
    stop_watching_reading();
    stop_watching_writing();
    loop_->forget_transport(fd_, this);
    loop_->expect_events();
  }
  fd_ = -1;
  socket_.close();
}

void DatagramTransport::disown() {
  loop_->forget_transport(fd_, this);
  fd_ = -1;
  if (socket_) socket_.close();
}

// Failures

// Ends the transport with the exception that is set.
bool DatagramTransport::fatal_error(const char* message) {
  Ref exception;
  if (!report_fatal_error(*loop_, message, self_, protocol_, &exception)) return false;
  return force_close(exception.ptr());
}

// Hands the exception that is set to the protocol, which finds it in sys.exc_info() too.
bool DatagramTransport::error_received() {
  const Ref exception = steal(take_exception());
  const Ref protocol = borrow(protocol_);  // It may be replaced while it runs.
  const Ref handled = py::reinterpret_steal<Ref>(PyErr_GetHandledException());
  PyErr_SetHandledException(exception.ptr());
  PyObject* const result =
      PyObject_CallMethodOneArg(protocol.ptr(), names.error_received, exception.ptr());
  PyErr_SetHandledException(handled.ptr());
  Py_XDECREF(result);
  return result != nullptr;
}

// Reports the exception that is set as that of a callback of the loop: of the method of ours that
// would be the callback with asyncio.
bool DatagramTransport::report_failure(PyObject* method_name) {
  if (must_leave_loop() || loop_ == nullptr) return false;
  const Ref exception = steal(take_exception());
  const Ref method = steal(PyObject_GetAttr(self_, method_name));
  const Ref arguments = steal(PyTuple_New(0));
  raise_exception(Ref(exception).release().ptr());
  return loop_->report_callback(method.ptr(), arguments.ptr());
}

// What it tells about itself

PyObject* DatagramTransport::buffer() {
  if (!flush()) return nullptr;
  const Ref list = steal(PyList_New(0));
  for (const Waiting& datagram : waiting_) {
    const Ref pair = steal(PyTuple_Pack(2, datagram.data.ptr(), datagram.address.ptr()));
    check(PyList_Append(list.ptr(), pair.ptr()));
  }
  return Ref(list).release().ptr();
}

PyObject* DatagramTransport::write_buffer_size() {
  return flush() ? PyLong_FromSsize_t(buffer_size_) : nullptr;
}

bool DatagramTransport::set_write_buffer_limits(PyObject* high, PyObject* low) {
  return flush() && water_marks_.set(high, low) && maybe_pause_protocol();
}

bool DatagramTransport::share_socket() {
  shared_ = true;
  return flush();
}

PyObject* DatagramTransport::repr() {
  const char* const state = fd_ < 0 ? " closed" : closing_ ? " closing" : "";
  if (loop_ == nullptr || loop_->is_closed()) {
    return PyUnicode_FromFormat("<DatagramTransport%s fd=%d>", state, number_);
  }
  if (!flush()) return nullptr;
  return PyUnicode_FromFormat("<DatagramTransport%s fd=%d read=%s write=<%s, bufsize=%zd>>", state,
                              number_, reading_ ? "polling" : "idle", writing_ ? "polling" : "idle",
                              buffer_size_);
}

void DatagramTransport::finalize() {
  if (fd_ < 0) return;
  const SavedError saved;
  PyObject* const text = repr();
  if (text == nullptr || PyErr_ResourceWarning(self_, 1, "unclosed transport %U", text) < 0) {
    PyErr_WriteUnraisable(self_);
  }
  Py_XDECREF(text);
  close_descriptor();
}

int DatagramTransport::traverse(visitproc visit, void* arg) const {
  Py_VISIT(loop_object_.ptr());
  Py_VISIT(protocol_);
  Py_VISIT(target_.ptr());
  Py_VISIT(waiter_.ptr());
  Py_VISIT(lost_exception_.ptr());
  Py_VISIT(socket_.ptr());
  Py_VISIT(context_.context);
  Py_VISIT(write_context_.context);
  Py_VISIT(lost_context_.context);
  for (const Waiting& datagram : waiting_) Py_VISIT(datagram.address.ptr());
  for (const Received& datagram : backlog_) Py_VISIT(datagram.address.ptr());
  return 0;
}

void DatagramTransport::clear() {
  loop_ = nullptr;
  loop_object_ = target_ = waiter_ = lost_exception_ = Ref();
  socket_.clear();
  addresses_.clear();
  backlog_.clear();
  waiting_.clear();
  gathered_.clear();
  Py_CLEAR(protocol_);
  Py_CLEAR(context_.context);
  Py_CLEAR(write_context_.context);
  Py_CLEAR(lost_context_.context);
}

// Adoption

py::object make_datagram_transport(Loop& loop, const py::object& sock, const py::object& protocol,
                                   const py::object& target, const py::object& waiter,
                                   const py::dict& extra, bool shared) {
  DatagramParts parts;
  parts.loop = &loop;
  parts.fd = sock.attr("fileno")().cast<int>();
  parts.family = py::int_(sock.attr("family")).cast<int>();
  parts.type = py::int_(sock.attr("type")).cast<int>();
  parts.protocol = protocol.ptr();
  // As asyncio looks at them: an empty address is none.
  const int has_target = PyObject_IsTrue(target.ptr());
  const int connected = PyObject_IsTrue(extra["peername"].ptr());
  if (has_target < 0 || connected < 0) throw py::error_already_set();
  parts.target = has_target != 0 ? target.ptr() : nullptr;
  parts.waiter = waiter.is_none() ? nullptr : waiter.ptr();
  parts.connected = connected != 0;
  parts.shared = shared;
  if (!loop.check_closed() || !is_open_descriptor(parts.fd) ||
      !has_connection_made(parts.protocol)) {
    throw py::error_already_set();
  }
  const CapturedContext context = loop.contexts().capture();
  if (context.context == nullptr) throw py::error_already_set();
  PyObject* const made = datagram_transport_type->tp_alloc(datagram_transport_type, 0);
  if (made == nullptr) {
    Py_DECREF(context.context);
    throw py::error_already_set();
  }
  Ref owner = py::reinterpret_steal<Ref>(made);
  auto* const object = reinterpret_cast<DatagramTransportObject*>(made);
  auto* const transport = new (object->storage) DatagramTransport(made, parts, context);
  object->constructed = true;
  object->extra = Py_NewRef(extra.ptr());
  try {
    if (!transport->hold_python_socket(sock.ptr())) throw py::error_already_set();
    loop.set_transport(parts.fd, transport);
    loop.defer(transport);
  } catch (...) {
    transport->disown();
    throw;
  }
  return owner;
}

}  // namespace cxxloop
