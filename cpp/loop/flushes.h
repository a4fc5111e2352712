#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "loop/event_target.h"

namespace cxxloop {

// The targets that hold something back to send it together with what comes after it, and how
// long that may be: until the end of the callback or, while many callbacks are ready, until the
// last of them, but hardly longer than a quarter of a millisecond.
//
// Needs the GIL and the loop's thread. Methods that return bool report an exception that has to
// leave run_forever() with false.
class Flushes {
 public:
  Flushes() = default;
  ~Flushes() { clear(); }
  Flushes(const Flushes&) = delete;
  Flushes& operator=(const Flushes&) = delete;

  // A batch of so many callbacks begins, and ends.
  void begin(std::size_t callbacks) { large_batch_ = callbacks >= kLargeBatch; }
  bool end();

  // Whether every target may hold back what it sends.
  [[nodiscard]] bool in_large_batch() const { return large_batch_; }

  // on_flush() will be called; until then this owns a reference to the target's owner.
  void add(EventTarget* target);

  // To be called after each callback.
  bool after_callback() { return targets_.empty() || (large_batch_ && !is_due()) || flush(); }

  bool flush();

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  static constexpr std::size_t kLargeBatch = 4;
  static constexpr std::int64_t kLongestWait = 250'000;  // nanoseconds

  bool is_due();
  bool flush_targets();

  std::vector<EventTarget*> targets_;
  std::int64_t due_ = 0;  // when the first of targets_ has waited long enough; 0: not known yet
  bool large_batch_ = false;
};

}  // namespace cxxloop
