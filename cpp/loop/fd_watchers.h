#pragma once

#include <cstddef>
#include <vector>

#include "loop/event_target.h"
#include "loop/handle.h"
#include "loop/ready_queue.h"
#include "poll/poller.h"

namespace cxxloop {

// Who is to be told about which descriptor. For each direction either a user's handle
// (add_reader) or a native target; owns a reference to it, which is what keeps an open
// transport alive. Belongs to the loop's thread.
class FdWatchers {
 public:
  enum Direction { kReader = 0, kWriter = 1 };

  explicit FdWatchers(Poller& poller) : poller_(poller) {}
  ~FdWatchers() { clear(); }
  FdWatchers(const FdWatchers&) = delete;
  FdWatchers& operator=(const FdWatchers&) = delete;

  // Replaces what watches `fd` in that direction; a replaced handle is cancelled. Returns
  // 0 or an errno value, and then nothing has changed. Takes a reference of its own.
  int set(int fd, Direction direction, Handle* handle, bool debug);
  int set(int fd, Direction direction, EventTarget* target);

  // Returns whether something watched. A handle is cancelled.
  bool remove(int fd, Direction direction, bool debug);

  // The native target that watches `fd` in that direction, or null.
  [[nodiscard]] EventTarget* target(int fd, Direction direction) const;

  // The transport that owns `fd`, or null; the watchers only remember it.
  [[nodiscard]] EventTarget* transport(int fd) const;
  void set_transport(int fd, EventTarget* transport);
  // Others may use the number from now on. Nothing where it is not this transport's, as after the
  // collector has closed the descriptor.
  void forget_transport(int fd, const EventTarget* transport);

  [[nodiscard]] bool empty() const { return watched_ == 0; }

  // Calls visit(direction, target) for each direction of a descriptor that is watched; `target`
  // is null where a user's handle watches.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const Watch& watch : watches_) {
      for (const Direction direction : {kReader, kWriter}) {
        if (watch.has(direction)) visit(direction, watch.target[direction]);
      }
    }
  }

  // Queues what waits for this event.
  void dispatch(const PollResult& result, ReadyQueue& ready);

  // In a forked child: watches everything again, in a set that isn't the parent's.
  void watch_again();

  void clear();
  int traverse(visitproc visit, void* arg) const;

 private:
  struct Watch {
    // Of each direction at most one is not null.
    Handle* handle[2] = {};
    EventTarget* target[2] = {};
    EventTarget* transport = nullptr;

    [[nodiscard]] bool has(int direction) const {
      return handle[direction] != nullptr || target[direction] != nullptr;
    }
    [[nodiscard]] unsigned events() const {
      return (has(kReader) ? kPollReadable : 0U) | (has(kWriter) ? kPollWritable : 0U);
    }
  };

  Watch& at(int fd);
  [[nodiscard]] Watch current(int fd) const;
  int arm(int fd, const Watch& watch, Direction direction);
  static void drop(const Watch& watch, Direction direction, bool debug);
  bool dispatch(Watch& watch, Direction direction, ReadyQueue& ready);

  Poller& poller_;
  std::vector<Watch> watches_;  // by descriptor
  std::size_t watched_ = 0;     // directions
};

}  // namespace cxxloop
