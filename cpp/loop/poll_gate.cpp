#include "loop/poll_gate.h"

#include <pybind11/pybind11.h>

#include "loop/clock.h"

namespace cxxloop {

int PollGate::wait(Poller& poller, std::int64_t timeout, PollResult* results, int capacity) {
  if (timeout == 0) return poller.wait(0, results, capacity);
  if (contended_ && monotonic_nanoseconds() - held_since_ < kSwitchInterval) {
    const bool patient = timeout < 0 || timeout > kPatience;
    const int count = poller.wait(patient ? kPatience : timeout, results, capacity);
    if (count != 0 || !patient) return count;
  }
  waiting_ = true;
  PyThreadState* const state = PyEval_SaveThread();
  const int count = poller.wait(timeout, results, capacity);
  const std::int64_t asked = monotonic_nanoseconds();
  PyEval_RestoreThread(state);
  held_since_ = monotonic_nanoseconds();
  waiting_ = false;
  contended_ = held_since_ - asked > kContended;
  return count;
}

}  // namespace cxxloop
