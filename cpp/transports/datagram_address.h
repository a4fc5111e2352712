#pragma once

#include <pybind11/pybind11.h>
#include <sys/socket.h>

#include <cstddef>
#include <memory>

namespace cxxloop {

// An address as system calls take it.
struct RawAddress {
  sockaddr_storage storage;
  socklen_t size;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Whether addresses of this family are understood here; others are the socket module's.
bool is_known_family(int family);

// Reads the usual forms of a Python address: numeric hosts with a port, paths, abstract names.
// False for everything else (names of hosts, wrong types, what is out of range), which the socket
// module has to look at. Sets no Python error.
bool read_address(int family, PyObject* address, RawAddress* raw);

// The addresses that one endpoint has lately received from and sent to, in both forms: the same
// sender gets the same Python object, and an object that is used again isn't read again.
//
// Python objects are known by their identity, which is enough as only such are kept that can't
// change: text, bytes, and tuples of text and numbers. Needs the GIL.
class AddressCache {
 public:
  explicit AddressCache(int family) : family_(family) {}
  ~AddressCache() { clear(); }
  AddressCache(const AddressCache&) = delete;
  AddressCache& operator=(const AddressCache&) = delete;

  // The Python form of a sender's address, as the socket module gives it. New reference, null
  // with a Python error set.
  PyObject* sender(const sockaddr_storage& address, socklen_t size);

  // The raw form of a destination, valid until the next call; null where read_address() fails.
  const RawAddress* destination(PyObject* address);

  void clear();

 private:
  struct Entry {
    PyObject* address;  // owned; null: nothing here yet
    RawAddress raw;
  };
  static constexpr std::size_t kEntries = 8;

  static void put(Entry& entry, PyObject* address, const sockaddr_storage& storage, socklen_t size);

  int family_;
  std::unique_ptr<Entry[]> senders_;       // by a hash of the raw address
  std::unique_ptr<Entry[]> destinations_;  // by a hash of the object's place in memory
};

}  // namespace cxxloop
