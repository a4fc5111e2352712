#pragma once

#include <pybind11/pybind11.h>
#include <sys/socket.h>

#include <memory>

namespace cxxloop {

// A socket's address as the system gave it; kept raw because hardly anybody asks for it.
class SocketAddress {
 public:
  SocketAddress() = default;
  SocketAddress(const sockaddr_storage& address, socklen_t size);

  [[nodiscard]] bool known() const { return bytes_ != nullptr; }

  // As the socket module gives it; None when unknown. New reference, null on error.
  [[nodiscard]] PyObject* to_python() const;

  // What getsockname(2) and getpeername(2) answer; unknown when they fail.
  static SocketAddress local(int fd);
  static SocketAddress peer(int fd);

 private:
  std::unique_ptr<char[]> bytes_;
  socklen_t size_ = 0;
};

}  // namespace cxxloop
