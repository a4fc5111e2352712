#pragma once

#ifdef __linux__

#include "poll/poller.h"

namespace cxxloop {

// An epoll set of our own. libuv's own epoll code abort()s the process when a
// descriptor was closed behind its back, waits in whole milliseconds, and makes
// four more system calls for each descriptor's life; see docs/decisions.
class EpollPoller final : public Poller {
 public:
  EpollPoller();
  ~EpollPoller() override;

  int watch(int fd, unsigned before, unsigned after) override;
  int wait(std::int64_t timeout, PollResult* results, int capacity) override;
  int restart_after_fork() override;
  [[nodiscard]] const char* backend() const override { return "epoll"; }

 private:
  int epoll_fd_;
};

}  // namespace cxxloop

#endif
