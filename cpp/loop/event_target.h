#pragma once

#include <pybind11/pybind11.h>

namespace cxxloop {

// A native object that the ready queue can run: a transport or a listener.
//
// While it waits in the queue or is watched, the queue or the watchers own a reference to
// owner(). Each on_…() runs on the loop's thread with the GIL; it returns false, with
// a Python exception set, only for what must leave run_forever().
class EventTarget {
 public:
  virtual bool on_readable() = 0;
  virtual bool on_writable() = 0;
  // What the target asked for with Loop::defer().
  virtual bool on_deferred() = 0;
  // What the target asked for with Loop::flush_later().
  virtual bool on_flush() = 0;

  // The Python object that this target is a part of.
  [[nodiscard]] virtual PyObject* owner() const = 0;

  // Whether a readiness event already waits in the queue; kept by FdWatchers.
  bool readable_queued = false;
  bool writable_queued = false;

 protected:
  ~EventTarget() = default;
};

}  // namespace cxxloop
