#pragma once

#include <cstdint>
#include <vector>

namespace cxxloop {

// A pipe that ends the loop's wait. Other threads write a zero byte, the interpreter's
// signal handler writes the number of the signal.
class Wakeup {
 public:
  Wakeup();  // throws std::system_error
  ~Wakeup();
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;

  [[nodiscard]] int read_fd() const { return read_fd_; }
  [[nodiscard]] int write_fd() const { return write_fd_; }

  // From any thread. A full pipe wakes as well as one more byte would.
  void wake() const noexcept;

  // Empties the pipe and appends the signal numbers that were in it.
  void drain(std::vector<std::uint8_t>& signals) const;

  // In a forked child: a pipe of its own, so that it can't wake the parent.
  void restart_after_fork();

 private:
  void open();
  void close() noexcept;

  int read_fd_ = -1;
  int write_fd_ = -1;
};

}  // namespace cxxloop
