#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>

namespace cxxloop {

// A captured context: what a callback will run in. While `shared`, `context` is a
// snapshot that nobody ever enters, and several captures may hold the same one;
// otherwise it is the context itself. Owned by hand, as the fields of a handle are.
struct CapturedContext {
  PyObject* context = nullptr;
  // A whole word: a byte in a pair that travels in registers makes the processor wait for its
  // own store.
  std::uintptr_t shared = 0;
};

// Contexts for callbacks, copied only when somebody writes to one.
//
// contextvars.copy_context() makes an object for every callback, although nearly
// all callbacks of a turn start from the same variables. So captures share one
// snapshot as long as the current variables (an immutable mapping) are the same
// ones, and callbacks run in a scratch copy of it; a scratch that a callback wrote
// to, or that a Token refers to, is not used for another one. What a program can
// observe is the same as with private copies.
//
// One per loop. capture() may be called on any thread that holds the GIL, the
// rest on the loop's thread only.
class Contexts {
 public:
  Contexts() = default;
  ~Contexts() { clear(); }
  Contexts(const Contexts&) = delete;
  Contexts& operator=(const Contexts&) = delete;

  // The loop begins, and ends, to run on the calling thread.
  void enter_thread();
  void leave_thread();

  // Captures the calling thread's context; a null context is a Python error.
  CapturedContext capture();

  // Enters what was captured, unless the last callback left it entered. Returns
  // false with a Python error set.
  bool enter(const CapturedContext& captured);

  // To be called after the callback if what was captured is used again: a shared
  // context that was written to becomes private.
  void keep(CapturedContext& captured);

  // Leaves the context that is still entered, if any. Keeps a pending Python error.
  void leave();

  // Lets go of values that nobody else holds; called before the loop sleeps.
  void release_unused();

  // Makes a shared capture private; returns false with a Python error set.
  static bool make_private(CapturedContext& captured);

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  [[nodiscard]] bool scratch_is_clean(Py_ssize_t references) const;

  PyObject* snapshot_ = nullptr;        // what captures share now
  PyObject* scratch_ = nullptr;         // a copy of scratch_source_ to run in
  PyObject* scratch_source_ = nullptr;  // the snapshot that scratch_ was copied from
  PyObject* entered_ = nullptr;
  void* running_thread_ = nullptr;
  PyThreadState* running_state_ = nullptr;  // of running_thread_
};

// Whether Context objects have the layout that sharing relies on. When they don't,
// every capture is a copy.
bool probe_context_sharing();

}  // namespace cxxloop
