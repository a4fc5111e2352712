#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <vector>

#include "meter.h"
#include "options.h"

namespace load {

// One UDP client that keeps as many datagrams under way as there would be connections: for each
// answer it sends the next one. A datagram that is lost is an error; on the loopback none is.
class Datagrams {
 public:
  explicit Datagrams(const Options& options)
      : options_(options), fd_(open(options)), buffer_(options.response + 1) {}
  ~Datagrams() { close(fd_); }
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;

  void run(Meter& meter) {
    for (int i = 0; i < options_.connections; ++i) send_one();
    while (!meter.done()) {
      if (!receive_one(!meter.measuring())) {
        wait();
        continue;
      }
      meter.answered(sent_at_.front());
      sent_at_.pop_front();
      send_one();
    }
  }

 private:
  static int open(const Options& options) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    check(fd >= 0, "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(options.port));
    check(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
    return fd;
  }

  void send_one() {
    sent_at_.push_back(now());
    const ssize_t n = send(fd_, options_.message.data(), options_.message.size(), 0);
    check(n == static_cast<ssize_t>(options_.message.size()), "send");
  }

  bool receive_one(bool verify) {
    const ssize_t n = recv(fd_, buffer_.data(), buffer_.size(), 0);
    if (n < 0) {
      check(errno == EAGAIN, "recv");
      return false;
    }
    const size_t size = static_cast<size_t>(n);
    const bool same =
        !verify || !options_.echo || options_.message.compare(0, size, buffer_.data(), size) == 0;
    if (size != options_.response || !same) {
      std::fprintf(stderr, "wrong answer: %zd bytes instead of %zu\n", n, options_.response);
      std::exit(1);
    }
    return true;
  }

  void wait() {
    pollfd waited{fd_, POLLIN, 0};
    const int n = poll(&waited, 1, 10000);
    check(n >= 0 || errno == EINTR, "poll");
    if (n == 0) {
      std::fprintf(stderr, "the server has not answered for ten seconds\n");
      std::exit(1);
    }
  }

  const Options& options_;
  int fd_;
  std::vector<char> buffer_;
  std::deque<double> sent_at_;
};

inline void exchange_datagrams(const Options& options) {
  Datagrams client(options);
  Meter meter(options);
  client.run(meter);
  meter.report();
}

}  // namespace load
