#include "loop/flushes.h"

#include "cpython/ref.h"
#include "loop/clock.h"

namespace cxxloop {

void Flushes::add(EventTarget* target) {
  targets_.push_back(target);
  Py_INCREF(target->owner());
}

bool Flushes::is_due() {
  const std::int64_t now = monotonic_nanoseconds();
  if (due_ == 0) due_ = now + kLongestWait;
  return now >= due_;
}

bool Flushes::end() {
  large_batch_ = false;
  return targets_.empty() || flush();
}

// Also while an exception that ends the run is on its way.
bool Flushes::flush() {
  if (PyErr_Occurred() == nullptr) return flush_targets();
  const SavedError saved;
  if (!flush_targets()) PyErr_WriteUnraisable(nullptr);
  return true;
}

bool Flushes::flush_targets() {
  bool succeeded = true;
  std::vector<EventTarget*> targets;
  targets.swap(targets_);
  due_ = 0;
  for (EventTarget* const target : targets) {
    const Ref owner = py::reinterpret_steal<Ref>(target->owner());
    succeeded = target->on_flush() && succeeded;
  }
  if (targets_.empty()) {
    targets.clear();
    targets_.swap(targets);  // Keeps the memory for the next time.
  }
  return succeeded;
}

int Flushes::traverse(visitproc visit, void* arg) const {
  for (const EventTarget* const target : targets_) Py_VISIT(target->owner());
  return 0;
}

void Flushes::clear() {
  std::vector<EventTarget*> targets;
  targets.swap(targets_);
  for (EventTarget* const target : targets) Py_DECREF(target->owner());
}

}  // namespace cxxloop
