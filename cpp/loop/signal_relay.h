#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

#include "loop/wakeup.h"

namespace cxxloop {

// Lets signals end the wait of a loop that runs on the main thread.
//
// While the loop runs, the interpreter's signal handler writes to our pipe, whichever thread
// the system chose for the signal; the descriptor that was set before gets it back afterwards,
// and a copy of every byte meanwhile.
class SignalRelay {
 public:
  explicit SignalRelay(const Wakeup& wakeup) : wakeup_(wakeup) {}
  SignalRelay(const SignalRelay&) = delete;
  SignalRelay& operator=(const SignalRelay&) = delete;

  // For the time of a run; only on the main thread.
  void attach();
  void detach();

  // Whether the pipe stays the wake-up descriptor between runs: while the loop has
  // signal handlers, whose signals it must not miss.
  void keep(bool keep) { kept_ = keep; }

  // Reads what has arrived, runs Python's own signal handlers, then the loop's
  // (`loop._handle_signal(number)`). Returns false with the exception that a handler raised.
  bool deliver(PyObject* loop);

 private:
  const Wakeup& wakeup_;
  std::vector<std::uint8_t> arrived_;
  int previous_fd_ = -1;
  bool attached_ = false;
  bool kept_ = false;
};

}  // namespace cxxloop
