#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>

#include "cpython/context.h"

namespace cxxloop {

// A callback with its arguments and its context: the Python objects cxxloop._core.Handle,
// TimerHandle and ThreadSafeHandle, subclasses of asyncio's.
//
// The first fields are the __slots__ of asyncio.Handle and asyncio.TimerHandle, at the
// places where Python put them (verified at import), so the inherited __repr__ and
// comparisons work on our objects. The rest is ours. Every field is owned by hand.
//
// Handles come from a free list and are hidden from the garbage collector until
// somebody other than the loop's queue keeps one; see HandlePool.
struct Handle {
  enum Flag : std::uint8_t {
    kCancelled = 1,
    kRunning = 2,        // cancel() leaves callback and arguments to the run
    kSharedContext = 4,  // `context` is a snapshot; see Contexts
    kThreadSafe = 8,
    kTimer = 16,
    kQueued = 32,  // a watcher's handle that waits in the ready queue
  };
  static constexpr std::size_t kInlineArguments = 3;

  PyObject_HEAD
  // asyncio.Handle
  PyObject* arguments;  // _args: a tuple, if there are more than kInlineArguments
  PyObject* callback;   // _callback
  PyObject* unused_cancelled;
  PyObject* context;  // _context
  PyObject* loop;     // _loop
  PyObject* repr;     // _repr
  PyObject* source_traceback;
#if PY_VERSION_HEX < 0x030C0000
  PyObject* weak_references;
#endif
  // asyncio.TimerHandle; _ThreadSafeHandle has its lock in the first of the two
  PyObject* unused_scheduled;
  PyObject* when;  // _when, as it was passed or asked for
  // ours
  std::uint8_t flags;
  std::uint8_t inline_count;
  std::uint32_t heap_place;
  union {
    PyObject* vectorcall_scratch;  // PY_VECTORCALL_ARGUMENTS_OFFSET
    Handle* next_postponed;        // after its end, see HandlePool::give_back_kept()
  };
  PyObject* inline_arguments[kInlineArguments];

  [[nodiscard]] bool has(Flag flag) const { return (flags & flag) != 0; }
  [[nodiscard]] bool cancelled() const { return has(kCancelled); }
  [[nodiscard]] PyObject* object() { return reinterpret_cast<PyObject*>(this); }
  [[nodiscard]] CapturedContext captured() const { return {context, has(kSharedContext)}; }
};

// A Handle with a deadline.
struct TimerHandle : Handle {
  double deadline;  // seconds of the loop's clock
};

// What a new handle is made of; everything is borrowed but `context`, which is taken over.
struct HandleParts {
  PyObject* loop;
  PyObject* callback;
  PyObject* const* arguments;
  Py_ssize_t count;
  CapturedContext context;
};

enum class HandleKind : std::uint8_t { kPlain, kTimer, kThreadSafe };

// Makes a handle with one reference, the caller's; null is a Python error, and the
// context has been released.
Handle* make_handle(HandleKind kind, const HandleParts& parts);

// Calls the callback. Null is a Python error.
PyObject* call_handle(Handle* handle);

// What asyncio's Handle.cancel() does, apart from the timer queue.
void cancel_handle(Handle* handle, bool debug);

// The arguments as a tuple; None when cancelled. Null is a Python error.
PyObject* handle_arguments(Handle* handle);

// Drops callback and arguments of a handle that is not running.
void clear_call(Handle* handle);

int traverse_handle_fields(const Handle* handle, visitproc visit, void* arg);

// What the loop's traverse does with a handle that it owns: while the handle is hidden
// from the collector, what it holds counts as held by the loop.
int traverse_owned_handle(Handle* handle, visitproc visit, void* arg);

// Free lists of handles, and the rule that keeps them from the collector.
//
// Nearly every handle is dropped at once by the caller of call_soon(), so that the
// queue alone owns it. Telling the collector of each would cost more than running it.
// A new handle is therefore untracked, and remembered as the last one; before
// the next one is made and at the end of each turn it is tracked if its reference
// count shows that somebody kept it.
class HandlePool {
 public:
  // The heap types; set once by the bindings.
  PyTypeObject* types[3] = {};

  void settle() {
    if (last_ != nullptr) settle_last();
  }
  // Tracks `handle` now, because it is about to be seen.
  static void expose(Handle* handle);

  Handle* take(HandleKind kind) {
    FreeList& list = free_[static_cast<int>(kind)];
    Handle* const handle = list.first;
    if (handle == nullptr) [[unlikely]]
      return allocate(kind);
    list.first = reinterpret_cast<Handle*>(handle->callback);
    --list.count;
    handle->callback = nullptr;
    revive(handle->object());
    return handle;
  }
  void give_back(Handle* handle);  // tp_dealloc

  // How many handles of a kind exist, and how many more are kept to be used again.
  [[nodiscard]] std::size_t alive(HandleKind kind) const {
    const FreeList& list = free_[static_cast<int>(kind)];
    return list.allocated - list.count;
  }
  [[nodiscard]] std::size_t kept(HandleKind kind) const {
    return free_[static_cast<int>(kind)].count;
  }

  // Returns a part of the memory of a past burst; called when the loop goes to sleep.
  void trim() {
    for (FreeList& list : free_) {
      if (list.count > kKept) trim(list);
    }
  }

 private:
  struct FreeList {
    Handle* first = nullptr;  // linked through `callback`
    std::size_t count = 0;
    std::size_t allocated = 0;  // and not freed yet, those in the list too
  };
  static constexpr std::size_t kKept = 4096;
  static constexpr std::size_t kTrimmedShare = 8;

  static void revive(PyObject* object) {
#if defined(Py_REF_DEBUG) || defined(Py_TRACE_REFS)
    _Py_NewReference(object);
#else
    Py_SET_REFCNT(object, 1);
#endif
  }

  static constexpr int kMostNested = 50;

  Handle* allocate(HandleKind kind);
  // Of a handle that somebody kept, which may have been another handle: the end of a long chain
  // of them must not need as deep a stack. What is too deep waits for the outermost.
  void give_back_kept(Handle* handle);
  // Drops what it holds, and puts it into its free list.
  void empty(Handle* handle);
  void settle_last();
  static void trim(FreeList& list);
  static HandleKind kind_of(const Handle* handle);

  FreeList free_[3];
  Handle* last_ = nullptr;
  int nested_ = 0;
  Handle* postponed_ = nullptr;

  friend Handle* make_handle(HandleKind, const HandleParts&);
};

extern HandlePool handle_pool;

}  // namespace cxxloop
