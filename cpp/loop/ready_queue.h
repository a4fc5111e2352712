#pragma once

#include <cstddef>
#include <cstdint>

#include "containers/ring_queue.h"
#include "loop/event_target.h"
#include "loop/handle.h"

namespace cxxloop {

// Something that is ready to run: a handle, or an event of a native target. One word,
// with the kind in the two lowest bits. Owns nothing by itself.
class Ready {
 public:
  enum Kind : std::uintptr_t { kHandle = 0, kReadable = 1, kWritable = 2, kDeferred = 3 };

  Ready() = default;
  explicit Ready(Handle* handle) : word_(reinterpret_cast<std::uintptr_t>(handle)) {}
  Ready(EventTarget* target, Kind kind) : word_(reinterpret_cast<std::uintptr_t>(target) | kind) {}

  [[nodiscard]] Kind kind() const { return static_cast<Kind>(word_ & 3U); }
  [[nodiscard]] Handle* handle() const { return reinterpret_cast<Handle*>(word_); }
  [[nodiscard]] EventTarget* target() const {
    return reinterpret_cast<EventTarget*>(word_ & ~std::uintptr_t{3});
  }

 private:
  std::uintptr_t word_ = 0;
};

// The callbacks that are ready, in the order in which they became so. Owns a reference to
// each handle and to the owner of each target. Needs the GIL, on any thread.
class ReadyQueue {
 public:
  ReadyQueue() = default;
  ~ReadyQueue() { clear(); }
  ReadyQueue(const ReadyQueue&) = delete;
  ReadyQueue& operator=(const ReadyQueue&) = delete;

  [[nodiscard]] bool empty() const { return queue_.empty(); }
  [[nodiscard]] std::size_t size() const { return queue_.size(); }
  [[nodiscard]] const Ready& operator[](std::size_t index) const { return queue_[index]; }

  // Takes the reference over.
  void push_owned(Handle* handle) { queue_.push(Ready(handle)); }
  void push(Handle* handle) {
    queue_.push(Ready(handle));  // First, as it may throw.
    Py_INCREF(handle->object());
  }
  void push(EventTarget* target, Ready::Kind kind) {
    queue_.push(Ready(target, kind));
    Py_INCREF(target->owner());
  }
  // Hands the reference over. The queue isn't empty.
  Ready pop() { return queue_.pop(); }

  void clear();
  int traverse(visitproc visit, void* arg) const;

 private:
  RingQueue<Ready> queue_;
};

}  // namespace cxxloop
