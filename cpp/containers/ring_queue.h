#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

namespace cxxloop {

// A FIFO in one block of memory whose size is a power of two. It grows by
// doubling and never shrinks by itself; T must be trivially copyable.
//
// reserve() is the only operation that allocates, and so the only one that can
// throw: a caller that must not fail half-way reserves first.
template <class T>
class RingQueue {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  RingQueue() { grow(kInitialCapacity); }

  [[nodiscard]] bool empty() const { return head_ == tail_; }
  [[nodiscard]] std::size_t size() const { return tail_ - head_; }

  // Makes room for `count` more elements.
  void reserve(std::size_t count) {
    if (size() + count > mask_ + 1) grow(size() + count);
  }

  void push(T value) {
    if (size() > mask_) grow(size() + 1);
    slots_[tail_++ & mask_] = value;
  }

  // The caller has checked that the queue isn't empty.
  T pop() { return slots_[head_++ & mask_]; }
  [[nodiscard]] const T& front() const { return slots_[head_ & mask_]; }

  // The element that stands `index` places behind the front.
  [[nodiscard]] const T& operator[](std::size_t index) const {
    return slots_[(head_ + index) & mask_];
  }

  // Gives the memory of a past burst back. Only for an empty queue.
  void shrink() {
    if (mask_ + 1 <= kKeptCapacity || !empty()) return;
    head_ = tail_ = 0;
    slots_ = std::make_unique<T[]>(kInitialCapacity);
    mask_ = kInitialCapacity - 1;
  }

 private:
  static constexpr std::size_t kInitialCapacity = 256;
  static constexpr std::size_t kKeptCapacity = std::size_t{1} << 20;

  void grow(std::size_t needed) {
    std::size_t capacity = kInitialCapacity;
    while (capacity < needed) capacity *= 2;
    auto larger = std::make_unique<T[]>(capacity);
    const std::size_t count = size();
    for (std::size_t i = 0; i < count; ++i) larger[i] = (*this)[i];
    slots_ = std::move(larger);
    mask_ = capacity - 1;
    head_ = 0;
    tail_ = count;
  }

  std::unique_ptr<T[]> slots_;
  std::size_t mask_ = 0;
  std::size_t head_ = 0;  // Both only ever grow; the mask folds them into the block.
  std::size_t tail_ = 0;
};

}  // namespace cxxloop
