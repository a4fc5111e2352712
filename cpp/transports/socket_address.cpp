#include "transports/socket_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace cxxloop {

namespace {

PyObject* unix_address(const sockaddr_un& address, socklen_t size) {
  const std::size_t length = size - offsetof(sockaddr_un, sun_path);
  if (size <= offsetof(sockaddr_un, sun_path)) return PyUnicode_FromString("");
  if (address.sun_path[0] == '\0') {  // Linux's abstract namespace
    return PyBytes_FromStringAndSize(address.sun_path, static_cast<Py_ssize_t>(length));
  }
  return PyUnicode_DecodeFSDefaultAndSize(
      address.sun_path, static_cast<Py_ssize_t>(strnlen(address.sun_path, length)));
}

}  // namespace

SocketAddress::SocketAddress(const sockaddr_storage& address, socklen_t size)
    : bytes_(std::make_unique_for_overwrite<char[]>(size)), size_(size) {
  std::memcpy(bytes_.get(), &address, size);
}

PyObject* SocketAddress::to_python() const {
  if (!known()) Py_RETURN_NONE;
  sockaddr_storage address{};
  std::memcpy(&address, bytes_.get(), size_);
  char text[INET6_ADDRSTRLEN];
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return Py_BuildValue("si", text, int{ntohs(in.sin_port)});
  }
  if (address.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
    return Py_BuildValue("siII", text, int{ntohs(in.sin6_port)},
                         static_cast<unsigned>(ntohl(in.sin6_flowinfo)),
                         static_cast<unsigned>(in.sin6_scope_id));
  }
  if (address.ss_family == AF_UNIX) {
    return unix_address(reinterpret_cast<const sockaddr_un&>(address), size_);
  }
  Py_RETURN_NONE;
}

SocketAddress SocketAddress::local(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return {address, size};
}

SocketAddress SocketAddress::peer(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return {address, size};
}

}  // namespace cxxloop
