#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <new>

#include "cpython/context.h"
#include "cpython/ref.h"
#include "loop/event_target.h"
#include "loop/loop.h"
#include "transports/transport_object.h"
#include "transports/transport_reports.h"

namespace cxxloop {

// What a pipe's transport is made of; the references are borrowed, `waiter` may be null. `fd`
// is the pipe's, and set to non-blocking already.
struct PipeParts {
  Loop* loop = nullptr;
  int fd = -1;
  PyObject* pipe = nullptr;
  PyObject* protocol = nullptr;
  PyObject* waiter = nullptr;
};

// What the two transports of pipes have in common: their life, from connection_made() to
// connection_lost().
//
// The Python file object keeps the descriptor and is closed at the end. The loop's watchers and
// queue keep an open transport alive that waits for something; after connection_lost() it holds
// nothing any more. Everything runs on the loop's thread with the GIL. Methods that return bool
// or PyObject* report a Python exception with false or null; the on_…() ones only what must
// leave run_forever().
class PipeTransport : public EventTarget {
 public:
  PipeTransport(PyObject* self, const PipeParts& parts, CapturedContext context);
  PipeTransport(const PipeTransport&) = delete;
  PipeTransport& operator=(const PipeTransport&) = delete;

  // Ready queue
  bool on_deferred() override;
  bool on_flush() override { return true; }
  [[nodiscard]] PyObject* owner() const override { return self_; }

  // asyncio.BaseTransport
  [[nodiscard]] bool is_closing() const { return closing_; }
  void set_protocol(PyObject* protocol) { protocol_ = borrow(protocol); }
  [[nodiscard]] PyObject* protocol() const { return protocol_.ptr(); }

  // What the tests and libraries read
  [[nodiscard]] PyObject* loop_object() const { return loop_object_.ptr(); }
  [[nodiscard]] PyObject* pipe() const { return pipe_.ptr(); }
  void set_pipe(PyObject* pipe) { pipe_ = pipe == nullptr ? Ref() : borrow(pipe); }
  [[nodiscard]] int fd() const { return fd_; }
  virtual PyObject* repr() = 0;

  // Calls connection_lost() and closes the pipe; raises what they raise.
  bool connection_lost(PyObject* exception);

  // Called by the garbage collector or the last reference while still open.
  void finalize();

 protected:
  ~PipeTransport() { clear_common(); }

  // What both kinds refer to
  int traverse_common(visitproc visit, void* arg) const;
  void clear_common();

  // Has the pipe watched, unless there is no reason; what comes after connection_made().
  virtual bool start_watching() = 0;
  // What is still to be told before connection_lost().
  virtual bool before_connection_lost() { return true; }
  // Whether the exception is the pipe's doing and not worth a report.
  virtual bool is_expected(PyObject* exception) = 0;
  // Stops everything, and has connection_lost() called in a later turn.
  virtual bool end(PyObject* exception) = 0;

  bool schedule_connection_lost(PyObject* exception);
  // Ends the transport with the exception that is set.
  bool fatal_error(const char* message);
  // Reports the exception that is set as the failure of a callback, which a method of this
  // transport was.
  bool report_failure(PyObject* method) const;
  bool watch_failed() const;  // when it was to be watched from the beginning
  bool log(const char* method, const char* format) const;
  // <WritePipeTransport fd=5 polling>; `details` only count while it is open.
  [[nodiscard]] PyObject* shown(const char* details) const;

  PyObject* self_;  // borrowed: we are a part of it
  Loop* loop_;      // null after connection_lost()
  Ref loop_object_;
  Ref pipe_;  // empty after connection_lost()
  Ref protocol_;
  Ref waiter_;
  Ref lost_exception_;
  CapturedContext context_;  // of what is watched from the beginning
  CapturedContext lost_context_;
  int fd_;
  bool closing_ = false;
  bool lost_scheduled_ = false;

 private:
  enum class Start : std::uint8_t { kConnectionMade, kWatching, kDone };

  bool start();
  bool release();

  Start start_ = Start::kConnectionMade;
};

// The Python object of a transport, whose start is scheduled; throws what fails.
template <class Transport, class... More>
py::object make_pipe_transport(PyTypeObject* type, const PipeParts& parts, More... more) {
  if (!has_connection_made(parts.protocol)) throw py::error_already_set();
  const Ref extra = steal(PyDict_New());
  check(PyDict_SetItemString(extra.ptr(), "pipe", parts.pipe));
  CapturedContext context = parts.loop->contexts().capture();
  if (context.context == nullptr) throw py::error_already_set();
  Ref object = py::reinterpret_steal<Ref>(type->tp_alloc(type, 0));
  if (!object) {
    Py_DECREF(context.context);
    throw py::error_already_set();
  }
  auto* const memory = reinterpret_cast<TransportObject<Transport>*>(object.ptr());
  auto* const transport = new (memory->storage) Transport(object.ptr(), parts, context, more...);
  memory->constructed = true;
  memory->extra = Py_NewRef(extra.ptr());
  parts.loop->defer(transport);
  return object;
}

}  // namespace cxxloop
