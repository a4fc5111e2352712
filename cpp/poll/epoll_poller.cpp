#include "poll/epoll_poller.h"

#ifdef __linux__

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <ctime>
#include <system_error>

namespace cxxloop {

namespace {

constexpr int kBatch = 256;
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;

// epoll_pwait2 came with Linux 5.11, and sandboxes may refuse what they don't know.
std::atomic<bool> has_epoll_pwait2{true};

int wait_in_milliseconds(int epoll_fd, epoll_event* events, int count, std::int64_t timeout) {
  int milliseconds = -1;
  if (timeout >= 0) {
    // Up: a timer may be late but never early.
    milliseconds = static_cast<int>(std::min<std::int64_t>(
        (timeout + kNanosecondsPerMillisecond - 1) / kNanosecondsPerMillisecond, INT_MAX));
  }
  return epoll_wait(epoll_fd, events, count, milliseconds);
}

int wait_for_events(int epoll_fd, epoll_event* events, int count, std::int64_t timeout) {
#ifdef SYS_epoll_pwait2
  if (timeout > 0 && has_epoll_pwait2.load(std::memory_order_relaxed)) {
    const timespec limit{static_cast<time_t>(timeout / kNanosecondsPerSecond),
                         static_cast<long>(timeout % kNanosecondsPerSecond)};
    const long ready = syscall(SYS_epoll_pwait2, epoll_fd, events, count, &limit, nullptr, 0);
    if (ready >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(ready);
    has_epoll_pwait2.store(false, std::memory_order_relaxed);
  }
#endif
  return wait_in_milliseconds(epoll_fd, events, count, timeout);
}

std::uint32_t to_epoll(unsigned events) {
  return ((events & kPollReadable) != 0 ? std::uint32_t{EPOLLIN} : 0U) |
         ((events & kPollWritable) != 0 ? std::uint32_t{EPOLLOUT} : 0U);
}

// An error or a hang-up wakes both sides, as it does with asyncio's selectors.
unsigned from_epoll(std::uint32_t events) {
  return ((events & ~std::uint32_t{EPOLLOUT}) != 0 ? kPollReadable : 0U) |
         ((events & ~std::uint32_t{EPOLLIN}) != 0 ? kPollWritable : 0U);
}

int make_set() {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::generic_category());
  return fd;
}

}  // namespace

EpollPoller::EpollPoller() : epoll_fd_(make_set()) {}

EpollPoller::~EpollPoller() { close(epoll_fd_); }

int EpollPoller::watch(int fd, unsigned before, unsigned after) {
  epoll_event event{};
  event.events = to_epoll(after);
  event.data.fd = fd;
  const int operation = after == kPollNothing    ? EPOLL_CTL_DEL
                        : before == kPollNothing ? EPOLL_CTL_ADD
                                                 : EPOLL_CTL_MOD;
  if (epoll_ctl(epoll_fd_, operation, fd, &event) == 0) return 0;
  // The descriptor was closed and its number given to another file meanwhile; the
  // kernel forgot the old one.
  if (operation == EPOLL_CTL_MOD && errno == ENOENT &&
      epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0) {
    return 0;
  }
  return errno;
}

int EpollPoller::wait(std::int64_t timeout, PollResult* results, int capacity) {
  epoll_event events[kBatch];
  const int count =
      wait_for_events(epoll_fd_, events, capacity < kBatch ? capacity : kBatch, timeout);
  if (count < 0) return -errno;
  for (int i = 0; i < count; ++i) {
    results[i] = {events[i].data.fd, from_epoll(events[i].events)};
  }
  return count;
}

int EpollPoller::restart_after_fork() {
  // Closing the child's copy doesn't touch the set, which the parent still holds.
  close(epoll_fd_);
  epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  return epoll_fd_ < 0 ? errno : 0;
}

}  // namespace cxxloop

#endif
