#include "loop/loop.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <utility>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"

namespace cxxloop {

namespace {

constexpr double kClockResolution = 1e-9;
constexpr double kLongestWait = 24 * 3600.0;  // as asyncio: some systems refuse more

// Counts the forks that this process is the child of.
std::atomic<unsigned> fork_generation{0};

unsigned current_fork_generation() {
  static const int registered =
      pthread_atfork(nullptr, nullptr, [] { fork_generation.fetch_add(1); });
  static_cast<void>(registered);
  return fork_generation.load(std::memory_order_relaxed);
}

bool on_main_thread() {
  const Ref thread = steal(PyObject_CallNoArgs(stdlib.main_thread));
  const Ref ident = steal(PyObject_GetAttr(thread.ptr(), names.ident));
  return PyLong_AsUnsignedLong(ident.ptr()) == PyThread_get_thread_ident();
}

}  // namespace

std::vector<const Loop*> Loop::all_;

Loop::Loop(PyObject* self, PyObject* native_time)
    : self_(self),
      poller_(make_poller()),
      wakeup_(std::make_shared<Wakeup>()),
      fds_(*poller_),
      signals_(*wakeup_),
      clock_(self, native_time),
      futures_(self),
      fork_generation_(current_fork_generation()) {
  const int error = poller_->watch(wakeup_->read_fd(), kPollNothing, kPollReadable);
  if (error != 0) throw std::system_error(error, std::generic_category());
  all_.push_back(this);
}

Loop::~Loop() {
  if (!own_poll_set()) PyErr_WriteUnraisable(nullptr);
  clear();
  std::erase(all_, this);
}

// Running

bool Loop::check_closed() const {
  if (!closed_) return true;
  PyErr_SetString(PyExc_RuntimeError, "Event loop is closed");
  return false;
}

void Loop::enter_run() {
  const Ref result =
      steal(PyObject_CallMethodOneArg(stdlib.events, names._set_running_loop, self_));
  thread_id_ = PyThread_get_thread_ident();
  contexts_.enter_thread();
  pace_.expect_events();
  if (on_main_thread()) signals_.attach();
}

bool Loop::leave_run(bool succeeded) {
  contexts_.leave();
  contexts_.leave_thread();
  signals_.detach();
  running_target_ = nullptr;
  stopping_ = false;
  thread_id_ = 0;
  const SavedError saved;
  PyObject* const result =
      PyObject_CallMethodOneArg(stdlib.events, names._set_running_loop, Py_None);
  if (result == nullptr) PyErr_WriteUnraisable(self_);
  Py_XDECREF(result);
  return succeeded;
}

bool Loop::run() {
  if (!check_closed()) return false;
  if (is_running()) {
    PyErr_SetString(PyExc_RuntimeError, "This event loop is already running");
    return false;
  }
  bool succeeded = false;
  try {
    enter_run();  // An interrupt may end it half-way.
    do {
      succeeded = turn();
    } while (succeeded && !stopping_);
  } catch (...) {
    raise_current_exception();
    succeeded = false;
  }
  return leave_run(succeeded);
}

void Loop::stop() { stopping_ = true; }

bool Loop::close() {
  if (closed_) return true;
  if (is_running()) {
    PyErr_SetString(PyExc_RuntimeError, "Cannot close a running event loop");
    return false;
  }
  closed_ = true;
  if (!own_poll_set()) return false;
  clear();
  poller_.reset();
  wakeup_.reset();
  return true;
}

void Loop::clear() {
  ready_.clear();
  timers_.clear();
  fds_.clear();
  flushes_.clear();
  contexts_.clear();
  futures_.clear();
  task_factory = Ref();
}

bool Loop::own_poll_set() {
  const bool is_ours = fork_generation_ == fork_generation.load(std::memory_order_relaxed);
  return is_ours || poller_ == nullptr || restart_after_fork();
}

bool Loop::restart_after_fork() {
  // The set and the pipe are the parent's too. From here on we have our own.
  fork_generation_ = current_fork_generation();
  int error = poller_->restart_after_fork();
  if (error == 0) {
    wakeup_->restart_after_fork();
    error = poller_->watch(wakeup_->read_fd(), kPollNothing, kPollReadable);
  }
  if (error != 0) {
    raise_os_error(error);
    return false;
  }
  fds_.watch_again();
  return true;
}

// One turn

bool Loop::turn() {
  if (!ready_.empty() || stopping_) {
    if ((debug_ || !pace_.may_put_off(!fds_.empty())) && !poll(0)) return false;
  } else {
    std::int64_t timeout = -1;
    if (!timers_.empty() && !time_to_next_timer(timeout)) return false;
    if (timeout != 0) {
      contexts_.release_unused();
      handle_pool.trim();
    }
    if (!poll(timeout)) return false;
  }
  if (!timers_.empty() && !expire_timers()) return false;
  return run_batch();
}

bool Loop::time_to_next_timer(std::int64_t& timeout) {
  double now = 0;
  if (!clock_.now(now)) return false;
  const double seconds = std::min(timers_.next_deadline() - now, kLongestWait);
  // Rounded up, so that the timer is due when the wait ends.
  timeout = seconds > 0 ? static_cast<std::int64_t>(std::ceil(seconds * 1e9)) : 0;
  return true;
}

bool Loop::poll(std::int64_t timeout) {
  constexpr int kCapacity = 256;
  PollResult results[kCapacity];
  if (!own_poll_set()) return false;
  const int count = gate_.wait(*poller_, timeout, results, kCapacity);
  woken_ = false;
  pace_.polled(timeout == 0, count);
  if (count < 0) {
    if (count == -EINTR) return PyErr_CheckSignals() == 0;
    raise_os_error(-count);
    return false;
  }
  bool delivered = true;
  for (int i = 0; i < count; ++i) {
    if (results[i].fd == wakeup_->read_fd()) {
      delivered = signals_.deliver(self_);
    } else {
      fds_.dispatch(results[i], ready_);
    }
  }
  return delivered;
}

bool Loop::expire_timers() {
  double now = 0;
  if (!clock_.now(now)) return false;
  timers_.expire(now + kClockResolution, ready_);
  return true;
}

bool Loop::run_batch() {
  std::size_t count = ready_.size();
  pace_.ran(count);
  bool succeeded = true;
  in_batch_ = true;
  flushes_.begin(debug_ ? 1 : count);
  for (; succeeded && count != 0 && !ready_.empty(); --count) {
    const Ready ready = ready_.pop();
    ++serial_;
    succeeded = ready.kind() == Ready::kHandle ? run(ready.handle()) : run(ready);
    succeeded = flushes_.after_callback() && succeeded;
  }
  succeeded = flushes_.end() && succeeded;
  in_batch_ = false;
  contexts_.leave();
  handle_pool.settle();
  return succeeded;
}

bool Loop::run(Handle* handle) {
  handle_pool.settle();
  handle->flags &= static_cast<std::uint8_t>(~Handle::kQueued);
  bool succeeded = true;
  if (!handle->cancelled()) [[likely]] {
    succeeded = debug_ ? run_timed(handle) : call(handle);
  }
  Py_DECREF(handle->object());
  return succeeded;
}

bool Loop::call(Handle* handle) {
  if (!contexts_.enter(handle->captured())) return handle_failed(handle);
  handle->flags |= Handle::kRunning;
  PyObject* const result = call_handle(handle);
  handle->flags &= static_cast<std::uint8_t>(~Handle::kRunning);
  bool succeeded = true;
  if (result != nullptr) [[likely]] {
    Py_DECREF(result);
  } else {
    succeeded = handle_failed(handle);
  }
  if (Py_REFCNT(handle->object()) > 1) {
    // Somebody keeps it: its context has to show what the callback set.
    keep_context(handle);
    if (handle->cancelled()) clear_call(handle);
  }
  return succeeded;
}

void Loop::keep_context(Handle* handle) {
  CapturedContext captured = handle->captured();
  contexts_.keep(captured);
  handle->context = captured.context;
  if (!captured.shared) handle->flags &= static_cast<std::uint8_t>(~Handle::kSharedContext);
}

bool Loop::run_timed(Handle* handle) {
  double started = 0;
  double ended = 0;
  if (!clock_.now(started)) return false;
  HandlePool::expose(handle);
  current_handle_ = handle;
  const bool succeeded = call(handle);
  current_handle_ = nullptr;
  if (!succeeded) return false;
  contexts_.leave();
  if (!clock_.now(ended)) return false;
  if (ended - started < slow_callback_duration) return true;
  const Ref elapsed = steal(PyFloat_FromDouble(ended - started));
  const Ref result = steal(PyObject_CallMethodObjArgs(self_, names._report_slow_callback,
                                                      handle->object(), elapsed.ptr(), nullptr));
  return true;
}

bool Loop::handle_failed(Handle* handle) {
  if (must_leave_loop()) return false;
  PyObject* const exception = take_exception();
  keep_context(handle);
  contexts_.leave();  // The exception handler enters the handle's context itself.
  HandlePool::expose(handle);
  PyObject* const result = PyObject_CallMethodObjArgs(self_, names._report_callback_failure,
                                                      handle->object(), exception, nullptr);
  Py_XDECREF(exception);
  Py_XDECREF(result);
  if (result != nullptr) return true;
  if (must_leave_loop()) return false;
  PyErr_WriteUnraisable(self_);
  return true;
}

bool Loop::run(const Ready& ready) {
  EventTarget* const target = ready.target();
  const Ref owner = py::reinterpret_steal<Ref>(target->owner());
  running_target_ = target;
  const bool succeeded = run(target, ready.kind());
  running_target_ = nullptr;
  return succeeded;
}

bool Loop::run(EventTarget* target, Ready::Kind kind) {
  switch (kind) {
    case Ready::kReadable:
      target->readable_queued = false;
      return target->on_readable();
    case Ready::kWritable:
      target->writable_queued = false;
      return target->on_writable();
    default:
      return target->on_deferred();
  }
}

bool Loop::send_held_back() {
  const bool succeeded = running_target_ == nullptr || running_target_->on_flush();
  return flushes_.flush() && succeeded;
}

void Loop::defer_reading(EventTarget* target) {
  if (target->readable_queued) return;
  ready_.push(target, Ready::kReadable);
  target->readable_queued = true;
}

bool Loop::end_callback() {
  ++serial_;
  return flushes_.after_callback();
}

// Failures

bool Loop::report(const char* message, PyObject* key, PyObject* object, PyObject* protocol) {
  if (must_leave_loop()) return false;
  const Ref exception = steal(take_exception());
  const Ref text = steal(PyUnicode_FromString(message));
  const Ref context = steal(PyDict_New());
  check(PyDict_SetItem(context.ptr(), names.message, text.ptr()));
  check(PyDict_SetItem(context.ptr(), names.exception, exception.ptr()));
  if (object != nullptr) check(PyDict_SetItem(context.ptr(), key, object));
  if (protocol != nullptr) check(PyDict_SetItem(context.ptr(), names.protocol, protocol));
  PyObject* const result =
      PyObject_CallMethodOneArg(self_, names.call_exception_handler, context.ptr());
  Py_XDECREF(result);
  if (result != nullptr) return true;
  if (must_leave_loop()) return false;
  PyErr_WriteUnraisable(self_);
  return true;
}

bool Loop::report_callback(PyObject* callback, PyObject* arguments) {
  if (must_leave_loop()) return false;
  const Ref exception = steal(take_exception());
  const Call call{callback, &PyTuple_GET_ITEM(arguments, 0), PyTuple_GET_SIZE(arguments), nullptr};
  const Ref handle = steal(mint_handle(call));
  raise_exception(Ref(exception).release().ptr());
  return handle_failed(reinterpret_cast<Handle*>(handle.ptr()));
}

int Loop::traverse(visitproc visit, void* arg) const {
  int status = ready_.traverse(visit, arg);
  if (status == 0) status = timers_.traverse(visit, arg);
  if (status == 0) status = fds_.traverse(visit, arg);
  if (status == 0) status = contexts_.traverse(visit, arg);
  if (status == 0) status = futures_.traverse(visit, arg);
  if (status != 0) return status;
  status = flushes_.traverse(visit, arg);
  if (status != 0) return status;
  Py_VISIT(task_factory.ptr());
  return 0;
}

}  // namespace cxxloop
