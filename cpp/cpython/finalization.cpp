#include "cpython/finalization.h"

#include <unistd.h>

namespace py = pybind11;

namespace cxxloop {

std::atomic<bool> interpreter_is_ending{false};

void watch_for_finalization() {
  py::module_::import("atexit").attr("register")(
      py::cpp_function([] { interpreter_is_ending.store(true, std::memory_order_relaxed); }));
}

void hang_thread() {
  for (;;) pause();
}

// AddressSanitizer prepares for a call that does not return, and fails: it still takes what was
// unwound for frames in use.
__attribute__((no_sanitize("address"))) void hang_without_gil() {
  if (PyGILState_Check() == 0) hang_thread();
}

}  // namespace cxxloop
