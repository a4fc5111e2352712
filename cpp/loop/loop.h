#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "cpython/context.h"
#include "cpython/ref.h"
#include "loop/clock.h"
#include "loop/fd_watchers.h"
#include "loop/flushes.h"
#include "loop/futures.h"
#include "loop/handle.h"
#include "loop/poll_gate.h"
#include "loop/poll_pace.h"
#include "loop/ready_queue.h"
#include "loop/signal_relay.h"
#include "loop/timer_queue.h"
#include "loop/wakeup.h"
#include "poll/poller.h"

namespace cxxloop {

// A callback as call_soon() and its like receive it; everything is borrowed.
struct Call {
  PyObject* callback = nullptr;
  PyObject* const* arguments = nullptr;
  Py_ssize_t count = 0;
  PyObject* context = nullptr;  // null: the current one is captured
};

// The native part of cxxloop.Loop: owns the parts below and says in which order they
// act. One turn is poll, due timers, then exactly the callbacks that are ready by then.
//
// Lives inside its Python object `self`. Everything needs the GIL and, but for
// call_soon_threadsafe(), the loop's thread. Methods that return PyObject* or bool
// report a Python exception with null or false.
class Loop {
 public:
  Loop(PyObject* self, PyObject* native_time);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // The C++ part of a Python object that is known to be a loop; throws RuntimeError when
  // its __init__() was never called.
  static Loop& of(PyObject* self);
  // Every loop that exists, of whatever thread. Needs the GIL.
  static const std::vector<const Loop*>& all() { return all_; }

  // Scheduling; each returns a new reference to the handle.
  PyObject* call_soon(const Call& call);
  PyObject* call_soon_threadsafe(const Call& call);
  PyObject* call_later(PyObject* delay, const Call& call);
  PyObject* call_at(PyObject* when, const Call& call);
  PyObject* mint_handle(const Call& call);
  void add_callback(Handle* handle) { ready_.push(handle); }
  void cancel_timer(TimerHandle* timer);

  // Running
  bool run();
  void stop();
  bool close();
  [[nodiscard]] bool is_running() const { return thread_id_ != 0; }
  [[nodiscard]] bool is_closed() const { return closed_; }
  [[nodiscard]] bool check_closed() const;
  [[nodiscard]] unsigned long thread_id() const { return thread_id_; }
  [[nodiscard]] bool stopping() const { return stopping_; }

  // Descriptors
  bool watch(int fd, FdWatchers::Direction direction, const Call& call, PyObject** handle);
  bool watch(int fd, FdWatchers::Direction direction, EventTarget* target);
  bool unwatch(int fd, FdWatchers::Direction direction);
  [[nodiscard]] EventTarget* watched(int fd, FdWatchers::Direction direction) const {
    return fds_.target(fd, direction);
  }
  void set_transport(int fd, EventTarget* transport) { fds_.set_transport(fd, transport); }
  void forget_transport(int fd, const EventTarget* transport) {
    fds_.forget_transport(fd, transport);
  }
  [[nodiscard]] EventTarget* transport(int fd) const { return fds_.transport(fd); }

  // For native targets
  void defer(EventTarget* target) { ready_.push(target, Ready::kDeferred); }
  // Queues a target that still has something to deliver, as if its descriptor were readable.
  void defer_reading(EventTarget* target);
  void flush_later(EventTarget* target) { flushes_.add(target); }  // only while in_batch()
  // Before a fork: what is held back would be sent by both processes.
  bool send_held_back();
  // A target begins another callback within its event: what the last one gathered leaves first.
  bool end_callback();
  // Whether a ready callback is running, and a number that differs for each.
  [[nodiscard]] bool in_batch() const { return in_batch_; }
  // Whether so many callbacks are ready that what each sends may wait for those behind it.
  [[nodiscard]] bool in_large_batch() const { return flushes_.in_large_batch(); }
  [[nodiscard]] std::uint64_t serial() const { return serial_; }
  // Something was sent, so an answer may come: the next turn polls.
  void expect_events() { pace_.expect_events(); }
  // Room for one read; what it holds is gone with the next one.
  char* read_buffer();
  static constexpr std::size_t kReadBufferSize = 256 * 1024;
  // The same for a batch of reads.
  char* batch_buffer();
  static constexpr std::size_t kBatchBufferSize = 2 * 1024 * 1024;

  // Tells the exception handler, in the words that asyncio uses, of the exception that is
  // set; `key` names what `object` is. False: an exception is set that leaves the loop.
  bool report(const char* message, PyObject* key, PyObject* object, PyObject* protocol = nullptr);
  // Reports the exception set as a failure of `callback(*arguments)`.
  bool report_callback(PyObject* callback, PyObject* arguments);

  [[nodiscard]] PyObject* self() const { return self_; }
  [[nodiscard]] bool debug() const { return debug_; }
  void set_debug(bool debug) { debug_ = debug; }
  [[nodiscard]] Handle* current_handle() const { return current_handle_; }
  Clock& clock() { return clock_; }
  Futures& futures() { return futures_; }
  Contexts& contexts() { return contexts_; }
  [[nodiscard]] const ReadyQueue& ready() const { return ready_; }
  [[nodiscard]] const TimerQueue& timers() const { return timers_; }
  [[nodiscard]] const FdWatchers& descriptors() const { return fds_; }
  SignalRelay& signals() { return signals_; }
  [[nodiscard]] const Wakeup* wakeup() const { return wakeup_.get(); }

  double slow_callback_duration = 0.1;  // seconds
  Ref task_factory;                     // empty: none

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  Handle* make(HandleKind kind, const Call& call);
  bool check_call(const Call& call, const char* method, bool check_thread);
  bool add_source_traceback(Handle* handle);
  PyObject* add_timer(double deadline, PyObject* when, const Call& call);

  bool turn();
  bool poll(std::int64_t timeout);
  bool time_to_next_timer(std::int64_t& timeout);
  bool expire_timers();
  bool run_batch();
  bool run(Handle* handle);
  bool run_timed(Handle* handle);
  bool call(Handle* handle);
  bool handle_failed(Handle* handle);
  void keep_context(Handle* handle);
  bool run(const Ready& ready);
  static bool run(EventTarget* target, Ready::Kind kind);
  // In a forked child: first makes a poll set that is not the parent's.
  bool own_poll_set();
  bool restart_after_fork();
  void enter_run();
  bool leave_run(bool succeeded);

  static std::vector<const Loop*> all_;

  PyObject* self_;  // borrowed: we are a part of it
  std::unique_ptr<Poller> poller_;
  std::shared_ptr<Wakeup> wakeup_;  // null once closed, as is poller_; shared with who wakes us
  ReadyQueue ready_;
  TimerQueue timers_;
  FdWatchers fds_;
  SignalRelay signals_;
  PollGate gate_;
  PollPace pace_;
  Contexts contexts_;
  Clock clock_;
  Futures futures_;
  Flushes flushes_;
  EventTarget* running_target_ = nullptr;  // whose event is being handled
  std::unique_ptr<char[]> read_buffer_;
  std::unique_ptr<char[]> batch_buffer_;

  Handle* current_handle_ = nullptr;  // debug mode: the one that runs; borrowed
  unsigned long thread_id_ = 0;
  unsigned fork_generation_;  // of the process that the poll set belongs to
  std::uint64_t serial_ = 0;
  bool in_batch_ = false;
  bool woken_ = false;
  bool stopping_ = false;
  bool closed_ = false;
  bool debug_ = false;
};

}  // namespace cxxloop
