#include "loop/signal_relay.h"

#include <unistd.h>

#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"

namespace cxxloop {

namespace {

// Exchanges the descriptor that Python's signal handler writes to. Only on the main thread.
int set_wakeup_fd(int fd) {
#if PY_VERSION_HEX >= 0x030D0000
  return PySignal_SetWakeupFd(fd);
#else
  // Before 3.13 the function above isn't exported, and the method has two system calls more.
  const SavedError saved;
  PyObject* const previous = PyObject_CallFunction(stdlib.set_wakeup_fd, "i", fd);
  if (previous == nullptr) {
    // `fd` was closed by its owner meanwhile.
    PyErr_Clear();
    return fd < 0 ? -1 : set_wakeup_fd(-1);
  }
  const int number = static_cast<int>(PyLong_AsLong(previous));
  Py_DECREF(previous);
  return number;
#endif
}

}  // namespace

void SignalRelay::attach() {
  const int previous = set_wakeup_fd(wakeup_.write_fd());
  if (previous != wakeup_.write_fd()) previous_fd_ = previous;
  attached_ = true;
}

void SignalRelay::detach() {
  if (!attached_) return;
  attached_ = false;
  if (kept_) return;
  const int current = set_wakeup_fd(previous_fd_);
  // Somebody chose another one during the run: theirs stays, as it would with asyncio.
  if (current != wakeup_.write_fd()) set_wakeup_fd(current);
  previous_fd_ = -1;
}

bool SignalRelay::deliver(PyObject* loop) {
  arrived_.clear();
  wakeup_.drain(arrived_);
  if (arrived_.empty()) return true;
  if (attached_ && previous_fd_ >= 0 && previous_fd_ != wakeup_.write_fd()) {
    // A full or closed descriptor is its owner's affair.
    [[maybe_unused]] const ssize_t written = write(previous_fd_, arrived_.data(), arrived_.size());
  }
  if (PyErr_CheckSignals() < 0) return false;
  for (const std::uint8_t number : arrived_) {
    const Ref argument = steal(PyLong_FromLong(number));
    PyObject* const result = PyObject_CallMethodOneArg(loop, names._handle_signal, argument.ptr());
    if (result == nullptr) return false;
    Py_DECREF(result);
  }
  return true;
}

}  // namespace cxxloop
