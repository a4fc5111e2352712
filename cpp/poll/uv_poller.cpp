#include "poll/uv_poller.h"

#include <algorithm>
#include <cerrno>

namespace cxxloop {

namespace {

constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;

int to_uv(unsigned events) {
  return ((events & kPollReadable) != 0 ? UV_READABLE : 0) |
         ((events & kPollWritable) != 0 ? UV_WRITABLE : 0);
}

int descriptor_of(const uv_poll_t* poll) {
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(poll), &fd);
  return fd;
}

}  // namespace

UvPoller::UvPoller() : loop_(std::make_unique<uv::Loop>()) {
  int status = 0;
  timer_ = uv::open<uv_timer_t>(status, uv_timer_init, loop_->get(), this);
  uv::check(status);
}

void UvPoller::on_event(uv_poll_t* poll, int status, int events) noexcept {
  auto* const self = static_cast<UvPoller*>(poll->data);
  if (self == nullptr) return;
  const unsigned happened = status < 0 ? kPollReadable | kPollWritable
                                       : ((events & UV_READABLE) != 0 ? kPollReadable : 0U) |
                                             ((events & UV_WRITABLE) != 0 ? kPollWritable : 0U);
  self->arrived_.push_back({descriptor_of(poll), happened});
}

void UvPoller::on_timeout(uv_timer_t* /*timer*/) noexcept {
  // Its only purpose is that uv_run() comes back.
}

int UvPoller::watch(int fd, unsigned /*before*/, unsigned after) {
  if (after == kPollNothing) {
    return polls_.erase(fd) == 1 ? 0 : ENOENT;
  }
  auto found = polls_.find(fd);
  if (found == polls_.end()) {
    int status = 0;
    uv::Handle<uv_poll_t> poll = uv::open<uv_poll_t>(status, uv_poll_init, loop_->get(), this, fd);
    if (status < 0) return -status;
    found = polls_.emplace(fd, std::move(poll)).first;
  }
  return -uv_poll_start(found->second.get(), to_uv(after), &UvPoller::on_event);
}

int UvPoller::wait(std::int64_t timeout, PollResult* results, int capacity) {
  if (arrived_.empty()) {
    uv_run_mode mode = UV_RUN_ONCE;
    if (timeout == 0) {
      mode = UV_RUN_NOWAIT;
    } else if (timeout > 0) {
      // Never zero: libuv 1.44 runs a due timer before the poll of UV_RUN_ONCE, which
      // then would wait for ever.
      const std::int64_t milliseconds =
          (timeout + kNanosecondsPerMillisecond - 1) / kNanosecondsPerMillisecond;
      uv_update_time(loop_->get());
      uv_timer_start(timer_.get(), &UvPoller::on_timeout, static_cast<std::uint64_t>(milliseconds),
                     0);
    }
    uv_run(loop_->get(), mode);
    uv_timer_stop(timer_.get());
  }
  const int count = static_cast<int>(std::min(arrived_.size(), static_cast<std::size_t>(capacity)));
  std::copy_n(arrived_.begin(), count, results);
  arrived_.erase(arrived_.begin(), arrived_.begin() + count);
  return count;
}

int UvPoller::restart_after_fork() {
  polls_.clear();
  arrived_.clear();
  return -uv_loop_fork(loop_->get());
}

}  // namespace cxxloop
