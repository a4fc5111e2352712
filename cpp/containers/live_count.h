#pragma once

#include <cstddef>

namespace cxxloop {

// How many objects of a class exist: a member of each that counts it for as long as it lives.
// For what is made once for a connection, not for a callback. Needs the GIL.
template <class Counted>
class LiveCount {
 public:
  LiveCount() { ++count; }
  ~LiveCount() { --count; }
  LiveCount(const LiveCount&) = delete;
  LiveCount& operator=(const LiveCount&) = delete;

  static inline std::size_t count = 0;
};

}  // namespace cxxloop
