#pragma once

#include <cstdint>

#include "poll/poller.h"

namespace cxxloop {

// Waits for the poller, and gives the GIL away only while that may take time.
//
// To get the GIL back from a busy thread takes a whole switch interval (5 ms). So once
// that was seen to happen, a wait first keeps the GIL for as long as the next event usually takes,
// which is at most kPatience; after a switch interval of that the GIL is given away
// in any case, so that the other threads keep their share.
class PollGate {
 public:
  // Whether a wait without the GIL goes on; only then another thread must wake the loop.
  [[nodiscard]] bool waiting() const { return waiting_; }

  // As Poller::wait(). Called with the GIL, returns with it.
  int wait(Poller& poller, std::int64_t timeout, PollResult* results, int capacity);

 private:
  static constexpr std::int64_t kPatience = 100'000;          // ns
  static constexpr std::int64_t kContended = 500'000;         // ns to get the GIL back
  static constexpr std::int64_t kSwitchInterval = 5'000'000;  // ns

  bool still_ours();

  bool waiting_ = false;
  bool contended_ = false;
  std::int64_t held_since_ = 0;
  std::int64_t returned_at_ = 0;  // from the last wait
};

}  // namespace cxxloop
