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
// descriptor, which is watched like any other). It tells the kernel about a new watch in the
// next uv_run() only, and aborts where that fails; so what is no descriptor any more by
// then is taken out before.
class UvPoller final : public Poller {
 public:
  UvPoller();

  int watch(int fd, unsigned before, unsigned after) override;
  int wait(std::int64_t timeout, PollResult* results, int capacity) override;
  int restart_after_fork() override;
  [[nodiscard]] const char* backend() const override { return "libuv"; }

 private:
  int start(int fd, uv_poll_t* poll, unsigned events);
  void make_room(std::size_t watches);
  void start_again();
  void forget_closed();

  static void on_event(uv_poll_t* poll, int status, int events) noexcept;
  static void on_timeout(uv_timer_t* timer) noexcept;

  // Members die in reverse order: the handles ask to be closed, then the loop lets
  // them finish.
  std::unique_ptr<uv::Loop> loop_;
  uv::Handle<uv_timer_t> timer_;
  struct Watch {
    uv::Handle<uv_poll_t> poll;
    unsigned events = kPollNothing;
  };
  std::unordered_map<int, Watch> watches_;
  std::vector<int> new_;      // the kernel doesn't know them yet
  std::vector<int> stopped_;  // by libuv, because of an error
  std::vector<PollResult> arrived_;
};

}  // namespace cxxloop
