#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cxxloop {

// A min-heap with four children a node, ordered by deadline and then by order of
// arrival. Each item is told its place (through `Place::of(item)`, a reference to
// a std::uint32_t inside the item), so that any item can be taken out in
// O(log n), and the latest one in O(1).
template <class Item, class Place>
class DeadlineHeap {
 public:
  static constexpr std::uint32_t kNowhere = UINT32_MAX;

  [[nodiscard]] bool empty() const { return nodes_.empty(); }
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] double next_deadline() const { return nodes_.front().deadline; }
  [[nodiscard]] Item top() const { return nodes_.front().item; }
  [[nodiscard]] Item at(std::size_t index) const { return nodes_[index].item; }

  void push(double deadline, Item item) {
    nodes_.push_back({deadline, arrivals_++, item});
    rise(nodes_.size() - 1);
  }

  Item pop() {
    Item item = nodes_.front().item;
    remove(0);
    return item;
  }

  // Takes out the item whose place is `index`.
  void remove(std::uint32_t index) {
    Place::of(nodes_[index].item) = kNowhere;
    const Node last = nodes_.back();
    nodes_.pop_back();
    if (index == nodes_.size()) return;
    nodes_[index] = last;
    if (index > 0 && before(last, nodes_[(index - 1) / kChildren])) {
      rise(index);
    } else {
      sink(index);
    }
  }

  void clear() { nodes_.clear(); }

 private:
  static constexpr std::size_t kChildren = 4;

  struct Node {
    double deadline;
    std::uint64_t arrival;
    Item item;
  };

  static bool before(const Node& a, const Node& b) {
    if (a.deadline != b.deadline) return a.deadline < b.deadline;
    return a.arrival < b.arrival;
  }

  void put(std::size_t index, const Node& node) {
    nodes_[index] = node;
    Place::of(node.item) = static_cast<std::uint32_t>(index);
  }

  void rise(std::size_t index) {
    const Node node = nodes_[index];
    while (index > 0) {
      const std::size_t parent = (index - 1) / kChildren;
      if (!before(node, nodes_[parent])) break;
      put(index, nodes_[parent]);
      index = parent;
    }
    put(index, node);
  }

  void sink(std::size_t index) {
    const Node node = nodes_[index];
    const std::size_t count = nodes_.size();
    for (;;) {
      const std::size_t first = index * kChildren + 1;
      if (first >= count) break;
      const std::size_t end = first + kChildren < count ? first + kChildren : count;
      std::size_t least = first;
      for (std::size_t child = first + 1; child < end; ++child) {
        if (before(nodes_[child], nodes_[least])) least = child;
      }
      if (!before(nodes_[least], node)) break;
      put(index, nodes_[least]);
      index = least;
    }
    put(index, node);
  }

  std::vector<Node> nodes_;
  std::uint64_t arrivals_ = 0;
};

}  // namespace cxxloop
