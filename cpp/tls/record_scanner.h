#pragma once

#include <algorithm>
#include <cstddef>

namespace cxxloop {

// Follows the boundaries of TLS records in a stream, so that OpenSSL is only asked for data
// when there is a whole record: its answer that there isn't any is a costly exception.
class RecordScanner {
 public:
  void scan(const char* data, std::size_t length) {
    while (length > 0) {
      if (missing_ == 0) {
        header_[tail_++] = static_cast<unsigned char>(*data++);
        --length;
        if (tail_ < kHeader) continue;
        missing_ = static_cast<std::size_t>(header_[kHeader - 2]) << 8 | header_[kHeader - 1];
        if (!is_plausible()) missing_ = 0;  // OpenSSL has to look at it at once.
      } else {
        const std::size_t part = std::min(missing_, length);
        data += part;
        length -= part;
        missing_ -= part;
        tail_ += part;
      }
      if (missing_ == 0) tail_ = 0;
    }
  }

  // How many bytes at the end of the stream belong to a record that isn't complete.
  [[nodiscard]] std::size_t tail() const { return tail_; }

 private:
  [[nodiscard]] bool is_plausible() const {
    constexpr unsigned char kFirstType = 20;
    constexpr unsigned char kLastType = 24;
    constexpr unsigned char kMajorVersion = 3;
    constexpr std::size_t kLargest = 16 * 1024 + 2048;
    return header_[0] >= kFirstType && header_[0] <= kLastType && header_[1] == kMajorVersion &&
           missing_ <= kLargest;
  }

  static constexpr std::size_t kHeader = 5;  // its last two bytes: the size of what follows

  unsigned char header_[kHeader] = {};
  std::size_t missing_ = 0;  // of the record whose header is complete
  std::size_t tail_ = 0;
};

}  // namespace cxxloop
