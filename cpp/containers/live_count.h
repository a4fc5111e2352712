#pragma once

#include <cstddef>

namespace cxxloop {

// How many objects of a class exist: a member of each that counts it for as long as it lives.
// For what is made once for a connection, not for a callback. Needs the GIL.
template <class Counted>
class LiveCount {
 public:
  LiveCount() { ++count_; }
  ~LiveCount() { --count_; }
  LiveCount(const LiveCount&) = delete;
  LiveCount& operator=(const LiveCount&) = delete;

  static std::size_t count() { return count_; }

 private:
  static inline std::size_t count_ = 0;
};

}  // namespace cxxloop
