#pragma once

#include <unordered_map>
#include <vector>

#include "poll/poller.h"
#include "uv/loop.h"

namespace cxxloop {

// The portable backend: a uv_poll_t for each descriptor, and a uv_timer_t that ends
// the wait.
//
// libuv waits in milliseconds and swallows EINTR (signals come through the wake-up
// descriptor, which is watched like any other). A descriptor must not be closed while it is
// watched: libuv would abort, where the epoll backend just forgets it.
class UvPoller final : public Poller {
 public:
  UvPoller();

  int watch(int fd, unsigned before, unsigned after) override;
  int wait(std::int64_t timeout, PollResult* results, int capacity) override;
  int restart_after_fork() override;
  [[nodiscard]] const char* backend() const override { return "libuv"; }

 private:
  static void on_event(uv_poll_t* poll, int status, int events) noexcept;
  static void on_timeout(uv_timer_t* timer) noexcept;

  // Members die in reverse order: the handles ask to be closed, then the loop lets
  // them finish.
  std::unique_ptr<uv::Loop> loop_;
  uv::Handle<uv_timer_t> timer_;
  std::unordered_map<int, uv::Handle<uv_poll_t>> polls_;
  std::vector<PollResult> arrived_;
};

}  // namespace cxxloop
