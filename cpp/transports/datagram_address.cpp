#include "transports/datagram_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "transports/socket_address.h"

namespace cxxloop {

namespace {

// A number within 0 and `most`; false for other objects and other numbers.
bool read_number(PyObject* object, unsigned long most, unsigned long* number) {
  if (!PyLong_CheckExact(object)) return false;
  int overflow = 0;
  const long value = PyLong_AsLongAndOverflow(object, &overflow);
  if (overflow != 0 || value < 0 || static_cast<unsigned long>(value) > most) return false;
  *number = static_cast<unsigned long>(value);
  return true;
}

bool read_host(PyObject* host, int family, void* binary) {
  if (!PyUnicode_CheckExact(host) || !PyUnicode_IS_ASCII(host)) return false;
  const char* const text = reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(host));
  return std::strlen(text) == static_cast<std::size_t>(PyUnicode_GET_LENGTH(host)) &&
         inet_pton(family, text, binary) == 1;
}

constexpr unsigned long kMostPort = 0xffff;
constexpr unsigned long kMostFlow = 0xfffff;
constexpr unsigned long kMostScope = 0xffffffff;

bool read_ipv4(PyObject* address, RawAddress* raw) {
  if (!PyTuple_CheckExact(address) || PyTuple_GET_SIZE(address) != 2) return false;
  auto& in = reinterpret_cast<sockaddr_in&>(raw->storage);
  in = {};
  unsigned long port = 0;
  if (!read_host(PyTuple_GET_ITEM(address, 0), AF_INET, &in.sin_addr) ||
      !read_number(PyTuple_GET_ITEM(address, 1), kMostPort, &port)) {
    return false;
  }
  in.sin_family = AF_INET;
  in.sin_port = htons(static_cast<std::uint16_t>(port));
  raw->size = sizeof in;
  return true;
}

bool read_ipv6(PyObject* address, RawAddress* raw) {
  if (!PyTuple_CheckExact(address)) return false;
  const Py_ssize_t count = PyTuple_GET_SIZE(address);
  if (count < 2 || count > 4) return false;
  auto& in = reinterpret_cast<sockaddr_in6&>(raw->storage);
  in = {};
  unsigned long port = 0;
  unsigned long flow = 0;
  unsigned long scope = 0;
  if (!read_host(PyTuple_GET_ITEM(address, 0), AF_INET6, &in.sin6_addr) ||
      !read_number(PyTuple_GET_ITEM(address, 1), kMostPort, &port) ||
      (count > 2 && !read_number(PyTuple_GET_ITEM(address, 2), kMostFlow, &flow)) ||
      (count > 3 && !read_number(PyTuple_GET_ITEM(address, 3), kMostScope, &scope))) {
    return false;
  }
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(static_cast<std::uint16_t>(port));
  in.sin6_flowinfo = htonl(static_cast<std::uint32_t>(flow));
  in.sin6_scope_id = static_cast<std::uint32_t>(scope);
  raw->size = sizeof in;
  return true;
}

bool read_path(PyObject* address, RawAddress* raw) {
  const char* path = nullptr;
  Py_ssize_t length = 0;
  if (PyBytes_CheckExact(address)) {
    path = PyBytes_AS_STRING(address);
    length = PyBytes_GET_SIZE(address);
  } else if (PyUnicode_CheckExact(address) && PyUnicode_IS_ASCII(address)) {
    path = reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(address));
    length = PyUnicode_GET_LENGTH(address);
  }
  auto& local = reinterpret_cast<sockaddr_un&>(raw->storage);
  // Room for the zero behind it, which a name in Linux's abstract namespace hasn't.
  if (length <= 0 || static_cast<std::size_t>(length) >= sizeof local.sun_path) return false;
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, path, static_cast<std::size_t>(length));
  local.sun_path[length] = '\0';
  const bool abstract = path[0] == '\0';
#ifndef __linux__
  if (abstract) return false;
#endif
  raw->size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path)) +
              static_cast<socklen_t>(length) + (abstract ? 0 : 1);
  return true;
}

// A place in a table of `entries`, which is a power of two, by 64 bits.
std::size_t place_of(std::uint64_t bits, std::size_t entries) {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;
  constexpr unsigned kTopBits = 32;
  return static_cast<std::size_t>((bits * kGolden) >> kTopBits) & (entries - 1);
}

}  // namespace

bool is_known_family(int family) {
  return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

bool read_address(int family, PyObject* address, RawAddress* raw) {
  switch (family) {
    case AF_INET:
      return read_ipv4(address, raw);
    case AF_INET6:
      return read_ipv6(address, raw);
    case AF_UNIX:
      return read_path(address, raw);
    default:
      return false;
  }
}

void AddressCache::put(Entry& entry, PyObject* address, const sockaddr_storage& storage,
                       socklen_t size) {
  std::memcpy(&entry.raw.storage, &storage, size);
  entry.raw.size = size;
  Py_XSETREF(entry.address, Py_NewRef(address));  // What goes runs no code.
}

PyObject* AddressCache::sender(const sockaddr_storage& address, socklen_t size) {
  if (size == 0) Py_RETURN_NONE;  // A Unix socket without a name.
  std::uint64_t bits = 0;
  const std::size_t taken = size < sizeof bits ? size : sizeof bits;
  if (family_ == AF_INET) {
    std::memcpy(&bits, &address, taken);  // Family, port and host.
  } else {
    // The end of a path, or the end of an IPv6 host; ports stand in front.
    std::memcpy(&bits, reinterpret_cast<const char*>(&address) + (size - taken) / 2, taken);
    std::uint32_t front = 0;
    std::memcpy(&front, &address, size < sizeof front ? size : sizeof front);
    bits += front;
  }
  if (!senders_) senders_ = std::make_unique<Entry[]>(kEntries);
  Entry& entry = senders_[place_of(bits, kEntries)];
  if (entry.address != nullptr && entry.raw.size == size &&
      std::memcmp(&entry.raw.storage, &address, size) == 0) {
    return Py_NewRef(entry.address);
  }
  PyObject* const made = SocketAddress(address, size).to_python();
  if (made != nullptr) put(entry, made, address, size);
  return made;
}

const RawAddress* AddressCache::destination(PyObject* address) {
  if (!destinations_) destinations_ = std::make_unique<Entry[]>(kEntries);
  const auto bits = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(address));
  Entry& entry = destinations_[place_of(bits, kEntries)];
  if (entry.address == address) return &entry.raw;
  RawAddress raw;
  if (!read_address(family_, address, &raw)) return nullptr;
  put(entry, address, raw.storage, raw.size);
  return &entry.raw;
}

void AddressCache::clear() {
  for (const auto* const table : {&senders_, &destinations_}) {
    if (!*table) continue;
    for (std::size_t i = 0; i < kEntries; ++i) Py_CLEAR((*table)[i].address);
  }
  senders_.reset();
  destinations_.reset();
}

}  // namespace cxxloop
