#include "loop/timer_queue.h"

#include <cmath>
#include <limits>

namespace cxxloop {

void TimerQueue::add(TimerHandle* timer) {
  const double deadline = timer->deadline;
  heap_.push(std::isnan(deadline) ? -std::numeric_limits<double>::infinity() : deadline, timer);
  Py_INCREF(timer->object());
}

void TimerQueue::remove(TimerHandle* timer) {
  heap_.remove(timer->heap_place);
  Py_DECREF(timer->object());
}

void TimerQueue::expire(double end, ReadyQueue& ready) {
  while (!heap_.empty() && heap_.next_deadline() < end) ready.push_owned(heap_.pop());
}

void TimerQueue::clear() {
  while (!heap_.empty()) Py_DECREF(heap_.pop()->object());
}

int TimerQueue::traverse(visitproc visit, void* arg) const {
  for (std::size_t i = 0; i < heap_.size(); ++i) {
    const int status = traverse_owned_handle(heap_.at(i), visit, arg);
    if (status != 0) return status;
  }
  return 0;
}

}  // namespace cxxloop
