#include "poll/uv_poller.h"

#include <sys/stat.h>

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
  const int fd = descriptor_of(poll);
  unsigned happened = ((events & UV_READABLE) != 0 ? kPollReadable : 0U) |
                      ((events & UV_WRITABLE) != 0 ? kPollWritable : 0U);
  if (status < 0) {
    happened = kPollReadable | kPollWritable;
    self->stopped_.push_back(fd);
  }
  // There is room for one event of each descriptor; what happens twice is told the next time.
  if (self->arrived_.size() < self->arrived_.capacity()) self->arrived_.push_back({fd, happened});
}

// Its only purpose is that uv_run() comes back. Up to libuv 1.44 a timer that is due already is run
// before UV_RUN_ONCE polls, which would wait for ever then, but for uv_stop().
void UvPoller::on_timeout(uv_timer_t* timer) noexcept { uv_stop(timer->loop); }

int UvPoller::watch(int fd, unsigned /*before*/, unsigned after) {
  if (after == kPollNothing) {
    return watches_.erase(fd) == 1 ? 0 : ENOENT;
  }
  auto found = watches_.find(fd);
  if (found == watches_.end()) {
    int status = 0;
    uv::Handle<uv_poll_t> poll = uv::open<uv_poll_t>(status, uv_poll_init, loop_->get(), this, fd);
    if (status < 0) return -status;
    make_room(watches_.size() + 1);
    found = watches_.emplace(fd, Watch{std::move(poll)}).first;
  }
  found->second.events = after;
  return start(fd, found->second.poll.get(), after);
}

// For on_event(), which libuv calls and nothing may unwind from.
void UvPoller::make_room(std::size_t watches) {
  if (stopped_.capacity() < watches) stopped_.reserve(2 * watches);
  if (arrived_.capacity() < watches) arrived_.reserve(2 * watches);
}

int UvPoller::start(int fd, uv_poll_t* poll, unsigned events) {
  // Stopped first, so that it is news to the kernel even if the number has become another file's.
  uv_poll_stop(poll);
  const int status = uv_poll_start(poll, to_uv(events), &UvPoller::on_event);
  if (status == 0) new_.push_back(fd);
  return -status;
}

// libuv stops a watch after an error, which may pass: a datagram that was refused, for example.
void UvPoller::start_again() {
  for (const int fd : stopped_) {
    const auto found = watches_.find(fd);
    if (found != watches_.end()) start(fd, found->second.poll.get(), found->second.events);
  }
  stopped_.clear();
}

void UvPoller::forget_closed() {
  for (const int fd : new_) {
    struct stat status{};
    const bool can_be_watched =
        fstat(fd, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
    const auto found = watches_.find(fd);
    if (!can_be_watched && found != watches_.end()) uv_poll_stop(found->second.poll.get());
  }
  new_.clear();
}

int UvPoller::wait(std::int64_t timeout, PollResult* results, int capacity) {
  if (arrived_.empty()) {
    uv_run_mode mode = UV_RUN_ONCE;
    if (timeout == 0) {
      mode = UV_RUN_NOWAIT;
    } else if (timeout > 0) {
      const std::int64_t milliseconds =
          (timeout + kNanosecondsPerMillisecond - 1) / kNanosecondsPerMillisecond;
      uv_update_time(loop_->get());
      uv_timer_start(timer_.get(), &UvPoller::on_timeout, static_cast<std::uint64_t>(milliseconds),
                     0);
    }
    start_again();
    forget_closed();
    uv_run(loop_->get(), mode);
    uv_timer_stop(timer_.get());
  }
  const int count = static_cast<int>(std::min(arrived_.size(), static_cast<std::size_t>(capacity)));
  std::copy_n(arrived_.begin(), count, results);
  arrived_.erase(arrived_.begin(), arrived_.begin() + count);
  return count;
}

int UvPoller::restart_after_fork() {
  // First of all, since the end of a watch is told to the set that libuv knows.
  const int status = uv_loop_fork(loop_->get());
  watches_.clear();
  arrived_.clear();
  new_.clear();
  stopped_.clear();
  return -status;
}

}  // namespace cxxloop
