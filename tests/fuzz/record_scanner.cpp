// Fuzzes RecordScanner: how a stream is cut into pieces must not matter, and what it says of the
// end of the stream is what a scanner says that looks at the stream as a whole.

#include "tls/record_scanner.h"

#include <cstdint>
#include <cstdlib>

namespace {

constexpr std::size_t kHeader = 5;
constexpr std::size_t kLargest = 16 * 1024 + 2048;

// How many bytes at the end belong to a record that isn't complete.
std::size_t tail_of(const std::uint8_t* data, std::size_t size) {
  std::size_t at = 0;
  while (size - at >= kHeader) {
    const std::size_t length = static_cast<std::size_t>(data[at + 3]) << 8 | data[at + 4];
    const bool plausible =
        data[at] >= 20 && data[at] <= 24 && data[at + 1] == 3 && length <= kLargest;
    const std::size_t whole = kHeader + (plausible ? length : 0);
    if (size - at < whole) break;
    at += whole;
  }
  return size - at;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t step = data[0] % 64 + 1;
  ++data;
  --size;
  cxxloop::RecordScanner whole;
  cxxloop::RecordScanner pieces;
  cxxloop::RecordScanner bytes;
  const auto* const text = reinterpret_cast<const char*>(data);
  whole.scan(text, size);
  for (std::size_t at = 0; at < size; at += step) {
    pieces.scan(text + at, size - at < step ? size - at : step);
  }
  for (std::size_t at = 0; at < size; ++at) bytes.scan(text + at, 1);
  const std::size_t expected = tail_of(data, size);
  if (whole.tail() != expected || pieces.tail() != expected || bytes.tail() != expected) {
    std::abort();
  }
  return 0;
}
