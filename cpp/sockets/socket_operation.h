#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

#include "cpython/ref.h"
#include "loop/event_target.h"
#include "loop/loop.h"

namespace cxxloop {

// One sock_recv(), sock_recv_into() or sock_sendall(): a coroutine written in C++.
//
// Nothing happens before it is awaited. It tries at once; if that would block it watches the
// descriptor, lets the task wait for a future and tries again when the descriptor is
// ready. However the wait ends, nothing stays watched, and bytes are taken from the socket only
// when somebody is there to get them. Part of the Python object SocketOperation.
class SocketOperation final : public EventTarget {
 public:
  enum class Kind : unsigned char { kReceive, kReceiveInto, kSendAll };

  SocketOperation(PyObject* self, Loop& loop, Kind kind, PyObject* sock, PyObject* argument);
  ~SocketOperation() { clear(); }
  SocketOperation(const SocketOperation&) = delete;
  SocketOperation& operator=(const SocketOperation&) = delete;

  // coroutine.send(None): the answer is in `result`.
  PySendResult send(PyObject** result);
  // coroutine.throw() and coroutine.close(), as far as the wait is concerned.
  void abandon();
  [[nodiscard]] bool finished() const { return state_ == State::kFinished; }
  [[nodiscard]] bool started() const { return state_ != State::kNew; }
  // Of the method that made it, as in "coroutine 'Loop.sock_recv' was never awaited".
  [[nodiscard]] const char* name() const;

  bool on_readable() override { return on_ready(); }
  bool on_writable() override { return on_ready(); }
  bool on_deferred() override { return true; }
  bool on_flush() override { return true; }
  [[nodiscard]] PyObject* owner() const override { return self_; }

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  enum class State : unsigned char { kNew, kWaiting, kReady, kFinished };
  enum class Attempt { kDone, kWouldBlock, kFailed };

  bool on_ready();
  [[nodiscard]] int descriptor() const;
  bool begin();
  bool begin_receive_into();
  Attempt attempt();
  Attempt attempt_again();
  Attempt receive();
  Attempt receive_into();
  Attempt send_all();
  PySendResult wait(PyObject** result);
  PySendResult finish(PyObject** result);
  void unwatch();
  [[nodiscard]] FdWatchers::Direction direction() const {
    return kind_ == Kind::kSendAll ? FdWatchers::kWriter : FdWatchers::kReader;
  }

  PyObject* self_;  // borrowed: we are a part of it
  Loop* loop_;
  Ref loop_object_;
  Ref sock_;
  Ref argument_;
  Ref waiter_;
  Ref result_;
  Ref failure_;
  Py_buffer buffer_{};  // of argument_, for all kinds but kReceive
  std::size_t sent_ = 0;
  Py_ssize_t size_ = 0;
  int fd_ = -1;
  Kind kind_;
  State state_ = State::kNew;
};

struct SocketOperationObject {
  PyObject_HEAD
  PyObject* weak_references;
  bool constructed;
  alignas(SocketOperation) unsigned char storage[sizeof(SocketOperation)];

  SocketOperation* operation() { return reinterpret_cast<SocketOperation*>(storage); }
};

// The heap type; set once by the bindings.
extern PyTypeObject* socket_operation_type;

// The coroutine object; null is a Python error.
PyObject* make_socket_operation(Loop& loop, SocketOperation::Kind kind, PyObject* sock,
                                PyObject* argument);

}  // namespace cxxloop
