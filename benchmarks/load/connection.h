#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "meter.h"
#include "options.h"
#include "tls.h"

namespace load {

// One client: sends the message, reads the whole response, and begins again.
class Connection {
 public:
  explicit Connection(const Options& options) : options_(options) {}

  int fd() const { return fd_; }

  // Connects to the server; a TCP client takes a new local address each time, so that closed
  // connections that linger never use up the ports.
  void open() {
    fd_ = options_.path.empty() ? open_tcp() : open_unix();
    if (options_.tls) session_ = tls.open(fd_);
    begin();
  }

  void close() {
    if (session_ != nullptr) tls.forget(session_);
    session_ = nullptr;
    check(::close(fd_) == 0, "close");
    fd_ = -1;
  }

  // Ready for the next exchange; sending starts with send_some() or pump().
  void begin() {
    sent_ = received_ = 0;
    began_at_ = now();
  }

  double began_at() const { return began_at_; }

  // Sends and reads what is possible; true when the response is complete.
  bool pump(std::vector<char>& buffer, bool verify) {
    for (;;) {
      const bool stuck = !send_some();
      const ssize_t n = receive_some(buffer, verify);
      if (received_ == options_.response && sent_ == options_.message.size()) return true;
      if (n < 0 && (stuck || sent_ == options_.message.size())) return false;
    }
  }

  // False when the kernel takes no more, or nothing is left to send. TLS sends record by record.
  bool send_some() {
    while (const size_t left = options_.message.size() - sent_) {
      const ssize_t n = send_now(options_.message.data() + sent_, left);
      if (n < 0) return false;
      sent_ += static_cast<size_t>(n);
      if (session_ == nullptr) return static_cast<size_t>(n) == left;
    }
    return false;
  }

 private:
  int open_tcp() {
    static uint32_t turn = 0;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    check(fd >= 0, "socket");
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % 250);
    check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "bind");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(options_.port));
    const int result = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address);
    check(result == 0 || errno == EINPROGRESS, "connect");
    return fd;
  }

  int open_unix() {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0, "socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    options_.path.copy(address.sun_path, sizeof address.sun_path - 1);
    check(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
    return fd;
  }

  // Both return -1 when that would block.
  ssize_t send_now(const char* from, size_t size) {
    if (session_ != nullptr) return tls.send(session_, from, size);
    const ssize_t n = send(fd_, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    check(n >= 0 || errno == EAGAIN || errno == ENOTCONN, "send");
    return n;
  }

  ssize_t receive_now(std::vector<char>& buffer) {
    if (session_ != nullptr) return tls.receive(session_, buffer.data(), buffer.size());
    const ssize_t n = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    check(n >= 0 || errno == EAGAIN || errno == ENOTCONN, "recv");
    return n;
  }

  ssize_t receive_some(std::vector<char>& buffer, bool verify) {
    if (sent_ == 0 || received_ == options_.response) return -1;
    const ssize_t n = receive_now(buffer);
    if (n < 0) return -1;
    const size_t size = static_cast<size_t>(n);
    const bool expected = n > 0 && received_ + size <= options_.response;
    const bool same =
        !verify || options_.message.compare(received_, size, buffer.data(), size) == 0;
    if (!expected || !same) {
      std::fprintf(stderr, "wrong answer: %zd bytes after %zu of %zu\n", n, received_,
                   options_.response);
      std::exit(1);
    }
    received_ += size;
    return n;
  }

  const Options& options_;
  int fd_ = -1;
  Tls::Session* session_ = nullptr;
  size_t sent_ = 0;
  size_t received_ = 0;
  double began_at_ = 0.0;
};

// An edge-triggered epoll set of connections.
class Watch {
 public:
  Watch() : set_(epoll_create1(EPOLL_CLOEXEC)), events_(256) { check(set_ >= 0, "epoll"); }

  void add(Connection& connection) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = &connection;
    check(epoll_ctl(set_, EPOLL_CTL_ADD, connection.fd(), &event) == 0, "epoll_ctl");
  }

  // Calls `ready` for each connection that can go on; waits at most ten seconds.
  template <class Ready>
  void wait(Ready ready) {
    const int n = epoll_wait(set_, events_.data(), static_cast<int>(events_.size()), 10000);
    if (n < 0 && errno == EINTR) return;
    check(n >= 0, "epoll_wait");
    if (n == 0) {
      std::fprintf(stderr, "the server has not answered for ten seconds\n");
      std::exit(1);
    }
    for (int i = 0; i < n; ++i) ready(*static_cast<Connection*>(events_[i].data.ptr));
  }

 private:
  int set_;
  std::vector<epoll_event> events_;
};

}  // namespace load
