#pragma once

#include <cstdint>
#include <memory>

namespace cxxloop {

// What a descriptor is watched for, and what happened to it.
enum PollEvents : unsigned { kPollNothing = 0, kPollReadable = 1, kPollWritable = 2 };

struct PollResult {
  int fd;
  unsigned events;
};

// A level-triggered set of descriptors; the seam between the loop and the platform.
//
// Belongs to one thread at a time. wait() neither needs the GIL nor touches Python.
// Errors are errno values, so that the caller can raise what asyncio's selectors raise.
class Poller {
 public:
  Poller() = default;
  virtual ~Poller() = default;
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Changes what `fd` is watched for; nothing forgets it. Returns 0 or an errno value.
  virtual int watch(int fd, unsigned before, unsigned after) = 0;

  // Waits at most `timeout` nanoseconds (negative: for ever). Returns how many of
  // `results` were filled, or a negative errno value (-EINTR: a signal came first).
  virtual int wait(std::int64_t timeout, PollResult* results, int capacity) = 0;

  // Called in a forked child before anything else: from then on nothing done here
  // reaches the parent's set. What was watched is forgotten.
  virtual int restart_after_fork() = 0;

  [[nodiscard]] virtual const char* backend() const = 0;
};

// The best backend of this platform, or the one that CXXLOOP_POLL_BACKEND names.
// Throws std::system_error when the system refuses.
std::unique_ptr<Poller> make_poller();

// The name of the backend that make_poller() chooses.
const char* default_poll_backend();

}  // namespace cxxloop
