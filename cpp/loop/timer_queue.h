#pragma once

#include <cstdint>

#include "containers/deadline_heap.h"
#include "loop/handle.h"
#include "loop/ready_queue.h"

namespace cxxloop {

// The timers that are waiting, in the order of their deadlines; owns a reference to each.
// A cancelled timer goes at once. Needs the GIL, on the loop's thread.
class TimerQueue {
 public:
  TimerQueue() = default;
  ~TimerQueue() { clear(); }
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }
  [[nodiscard]] double next_deadline() const { return heap_.next_deadline(); }

  // A deadline that isn't a number is due at once, as with asyncio.
  void add(TimerHandle* timer);
  void remove(TimerHandle* timer);
  [[nodiscard]] static bool holds(const TimerHandle* timer) {
    return timer->heap_place != Heap::kNowhere;
  }

  // Moves the timers whose deadline is before `end` to the ready queue.
  void expire(double end, ReadyQueue& ready);

  void clear();
  int traverse(visitproc visit, void* arg) const;

 private:
  struct Place {
    static std::uint32_t& of(TimerHandle* timer) { return timer->heap_place; }
  };
  using Heap = DeadlineHeap<TimerHandle*, Place>;

  Heap heap_;
};

}  // namespace cxxloop
