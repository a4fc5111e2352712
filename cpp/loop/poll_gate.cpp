#include "loop/poll_gate.h"

#include <pybind11/pybind11.h>

#include "loop/clock.h"

namespace cxxloop {

int PollGate::wait(Poller& poller, std::int64_t timeout, PollResult* results, int capacity) {
  if (timeout == 0) return poller.wait(0, results, capacity);
  if (contended_ && still_ours()) {
    const bool patient = timeout < 0 || timeout > kPatience;
    const int count = poller.wait(patient ? kPatience : timeout, results, capacity);
    returned_at_ = monotonic_nanoseconds();
    if (count != 0 || !patient) return count;
  }
  waiting_ = true;
  PyThreadState* const state = PyEval_SaveThread();
  const int count = poller.wait(timeout, results, capacity);
  const std::int64_t asked = monotonic_nanoseconds();
  PyEval_RestoreThread(state);
  held_since_ = returned_at_ = monotonic_nanoseconds();
  waiting_ = false;
  contended_ = held_since_ - asked > kContended;
  return count;
}

// Whether the GIL has been held for less than a switch interval.
bool PollGate::still_ours() {
  const std::int64_t now = monotonic_nanoseconds();
  // So much time since the last wait means that a callback had to hand the GIL over, and that
  // the other thread has had its turn.
  if (now - returned_at_ > kSwitchInterval / 2) held_since_ = now;
  return now - held_since_ < kSwitchInterval;
}

}  // namespace cxxloop
