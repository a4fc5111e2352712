#pragma once

#include <cstddef>
#include <cstdint>

#include "loop/clock.h"

namespace cxxloop {

// Says when a loop that always has callbacks to run looks at its descriptors.
//
// asyncio does so in every turn, at the price of a system call. So do we, until that has been in
// vain many times in a row; from then on a poll is put off for a number of callbacks, though
// never longer than a tick of the coarse clock, and never when the loop itself has just done
// something to a socket, whose other end may be its own. The first event that is found
// in passing brings every turn's poll back.
class PollPace {
 public:
  // The next turn has to poll.
  void expect_events() { due_ = true; }

  void ran(std::size_t callbacks) { callbacks_ += callbacks; }

  void polled(bool in_passing, int events) {
    callbacks_ = 0;
    tick_ = coarse_tick();
    due_ = events > 0;
    if (events > 0 && in_passing) {
      in_vain_ = 0;
    } else if (in_passing && in_vain_ < kPatience) {
      ++in_vain_;
    }
  }

  [[nodiscard]] bool may_put_off(bool watching) {
    if (due_ || in_vain_ < kPatience) return false;
    if (callbacks_ >= (watching ? kMostWhileWatching : kMost)) return false;
    // To read the clock costs as much as to run a callback: once in a few turns is enough.
    return ++turns_ % kTurnsPerTick != 0 || coarse_tick() == tick_;
  }

 private:
  static constexpr int kPatience = 32;
  static constexpr unsigned kTurnsPerTick = 4;
  static constexpr std::size_t kMost = 1024;
  static constexpr std::size_t kMostWhileWatching = 64;

  std::size_t callbacks_ = 0;  // since the last poll
  std::int64_t tick_ = 0;      // of the last poll
  unsigned turns_ = 0;
  int in_vain_ = 0;  // polls in passing that found nothing, in a row
  bool due_ = true;
};

}  // namespace cxxloop
