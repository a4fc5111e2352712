#include "transports/pipe_transport.h"

#include <cstring>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "loop/futures.h"
#include "transports/transport_reports.h"

namespace cxxloop {

PipeTransport::PipeTransport(PyObject* self, const PipeParts& parts, CapturedContext context)
    : self_(self),
      loop_(parts.loop),
      loop_object_(borrow(parts.loop->self())),
      pipe_(borrow(parts.pipe)),
      protocol_(borrow(parts.protocol)),
      context_(context),
      fd_(parts.fd) {
  if (parts.waiter != nullptr) waiter_ = borrow(parts.waiter);
}

// Life

// As asyncio's callbacks, each on its own: an exit from one leaves the next for the next run.
bool PipeTransport::on_deferred() {
  if (start_ != Start::kDone) return start();
  if (loop_ == nullptr) return true;
  if (!loop_->contexts().enter(lost_context_)) return report_failure(names._call_connection_lost);
  if (!before_connection_lost()) {
    loop_->defer(this);
    return false;
  }
  if (loop_ == nullptr) return true;
  // Two callbacks with asyncio: what the first one sets is not seen by the second.
  if (!loop_->contexts().enter(lost_context_)) return report_failure(names._call_connection_lost);
  const Ref exception = std::move(lost_exception_);
  PyObject* const reason = exception ? exception.ptr() : Py_None;
  Loop& loop = *loop_;
  return connection_lost(reason) || report_method(loop, self_, names._call_connection_lost, reason);
}

bool PipeTransport::start() {
  if (loop_ == nullptr) return true;
  if (start_ == Start::kConnectionMade) {
    start_ = Start::kWatching;
    if (!loop_->contexts().enter(context_)) return report_failure(names._read_ready);
    if (!call_protocol(*loop_, protocol_.ptr(), names.connection_made, self_)) {
      if (loop_ != nullptr) loop_->defer(this);
      return false;
    }
  }
  start_ = Start::kDone;
  if (!lost_scheduled_ && !start_watching()) return false;
  const Ref waiter = std::move(waiter_);
  if (!waiter || set_result_unless_done(waiter.ptr(), Py_None) || loop_ == nullptr) return true;
  return loop_->report("Exception while starting a transport", names.transport, self_);
}

bool PipeTransport::schedule_connection_lost(PyObject* exception) {
  if (lost_scheduled_) return true;
  if (!loop_->check_closed()) return false;
  lost_context_ = loop_->contexts().capture();
  if (lost_context_.context == nullptr) return false;
  lost_scheduled_ = true;
  if (exception != nullptr) lost_exception_ = borrow(exception);
  loop_->defer(this);
  return true;
}

bool PipeTransport::connection_lost(PyObject* exception) {
  if (loop_ == nullptr) return true;
  closing_ = lost_scheduled_ = true;
  const Ref protocol = protocol_;
  PyObject* const result =
      PyObject_CallMethodOneArg(protocol.ptr(), names.connection_lost, exception);
  Py_XDECREF(result);
  if (result != nullptr) return release();
  const Ref failure = steal(take_exception());
  if (release()) {
    raise_exception(Ref(failure).release().ptr());
    return false;
  }
  // Closing failed as well: that is raised, with the first failure as its context.
  PyObject* const closing = take_exception();
  PyException_SetContext(closing, Ref(failure).release().ptr());
  raise_exception(closing);
  return false;
}

// Closes the pipe and lets go of everything; raises what closing raises.
bool PipeTransport::release() {
  const Ref pipe = std::move(pipe_);
  const Ref protocol = std::move(protocol_);
  const Ref loop = std::move(loop_object_);
  loop_->expect_events();
  loop_ = nullptr;
  Py_CLEAR(context_.context);
  Py_CLEAR(lost_context_.context);
  if (!pipe) return true;  // Taken away by who knows what it does.
  PyObject* const closed = PyObject_CallMethodNoArgs(pipe.ptr(), names.close);
  Py_XDECREF(closed);
  return closed != nullptr;
}

bool PipeTransport::fatal_error(const char* message) {
  if (must_leave_loop()) return false;
  const Ref exception = steal(take_exception());
  if (!is_expected(exception.ptr())) {
    raise_exception(Ref(exception).release().ptr());
    if (!loop_->report(message, names.transport, self_, protocol_.ptr())) return false;
  } else if (loop_->debug()) {
    const Ref method = steal(PyObject_GetAttrString(stdlib.logger, "debug"));
    const Ref arguments = steal(Py_BuildValue("(sOs)", "%r: %s", self_, message));
    const Ref keywords = steal(Py_BuildValue("{sO}", "exc_info", exception.ptr()));
    const Ref logged = steal(PyObject_Call(method.ptr(), arguments.ptr(), keywords.ptr()));
  }
  return loop_ == nullptr || end(exception.ptr());
}

bool PipeTransport::report_failure(PyObject* method) const {
  return report_method(*loop_, self_, method, nullptr);
}

bool PipeTransport::watch_failed() const {
  if (must_leave_loop()) return false;
  const Ref exception = steal(take_exception());
  const Ref callback = steal(PyObject_GetAttrString(loop_->self(), "_add_reader"));
  const Ref handler = steal(PyObject_GetAttr(self_, names._read_ready));
  const Ref arguments = steal(Py_BuildValue("(iO)", fd_, handler.ptr()));
  raise_exception(Ref(exception).release().ptr());
  return loop_->report_callback(callback.ptr(), arguments.ptr());
}

bool PipeTransport::log(const char* method, const char* format) const {
  if (!loop_->debug()) return true;
  PyObject* const result = PyObject_CallMethod(stdlib.logger, method, "sO", format, self_);
  Py_XDECREF(result);
  return result != nullptr;
}

PyObject* PipeTransport::shown(const char* details) const {
  const char* const state = !pipe_ ? " closed" : closing_ ? " closing" : "";
  const char* const name = std::strrchr(Py_TYPE(self_)->tp_name, '.') + 1;
  if (!pipe_) {
    details = "closed";
  } else if (loop_ == nullptr || loop_->is_closed()) {
    details = "open";
  }
  return PyUnicode_FromFormat("<%s%s fd=%d %s>", name, state, fd_, details);
}

void PipeTransport::finalize() {
  if (!pipe_) return;
  const SavedError saved;
  PyObject* const text = repr();
  if (text == nullptr || PyErr_ResourceWarning(self_, 1, "unclosed transport %U", text) < 0) {
    PyErr_WriteUnraisable(self_);
  }
  Py_XDECREF(text);
  PyObject* const closed = PyObject_CallMethodNoArgs(pipe_.ptr(), names.close);
  if (closed == nullptr) PyErr_WriteUnraisable(self_);
  Py_XDECREF(closed);
}

int PipeTransport::traverse_common(visitproc visit, void* arg) const {
  Py_VISIT(loop_object_.ptr());
  Py_VISIT(pipe_.ptr());
  Py_VISIT(protocol_.ptr());
  Py_VISIT(waiter_.ptr());
  Py_VISIT(lost_exception_.ptr());
  Py_VISIT(context_.context);
  Py_VISIT(lost_context_.context);
  return 0;
}

void PipeTransport::clear_common() {
  loop_ = nullptr;
  loop_object_ = pipe_ = protocol_ = waiter_ = lost_exception_ = Ref();
  Py_CLEAR(context_.context);
  Py_CLEAR(lost_context_.context);
}

}  // namespace cxxloop
