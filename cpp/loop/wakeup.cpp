#include "loop/wakeup.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace cxxloop {

namespace {

int open_pipe(int (&ends)[2]) {
#ifdef __linux__
  return pipe2(ends, O_CLOEXEC | O_NONBLOCK);
#else
  if (pipe(ends) != 0) return -1;
  for (const int fd : ends) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  return 0;
#endif
}

}  // namespace

Wakeup::Wakeup() { open(); }

Wakeup::~Wakeup() { close(); }

void Wakeup::open() {
  int ends[2];
  if (open_pipe(ends) != 0) throw std::system_error(errno, std::generic_category());
  read_fd_ = ends[0];
  write_fd_ = ends[1];
}

void Wakeup::close() noexcept {
  ::close(read_fd_);
  ::close(write_fd_);
}

void Wakeup::wake() const noexcept {
  const char byte = 0;
  while (write(write_fd_, &byte, 1) < 0 && errno == EINTR) {
  }
}

void Wakeup::drain(std::vector<std::uint8_t>& signals) const {
  std::uint8_t bytes[256];
  for (;;) {
    const ssize_t count = read(read_fd_, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    for (ssize_t i = 0; i < count; ++i) {
      if (bytes[i] != 0) signals.push_back(bytes[i]);
    }
    if (count < static_cast<ssize_t>(sizeof bytes)) return;
  }
}

void Wakeup::restart_after_fork() {
  close();
  open();
}

}  // namespace cxxloop
