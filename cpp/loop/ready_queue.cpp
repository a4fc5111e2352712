#include "loop/ready_queue.h"

namespace cxxloop {

void ReadyQueue::clear() {
  // A finalizer may push again; what it pushes is dropped as well.
  while (!queue_.empty()) {
    const Ready ready = queue_.pop();
    if (ready.kind() == Ready::kHandle) {
      Py_DECREF(ready.handle()->object());
    } else {
      Py_DECREF(ready.target()->owner());
    }
  }
  queue_.shrink();
}

int ReadyQueue::traverse(visitproc visit, void* arg) const {
  for (std::size_t i = 0; i < queue_.size(); ++i) {
    const Ready ready = queue_[i];
    if (ready.kind() == Ready::kHandle) {
      const int status = traverse_owned_handle(ready.handle(), visit, arg);
      if (status != 0) return status;
    } else {
      Py_VISIT(ready.target()->owner());
    }
  }
  return 0;
}

}  // namespace cxxloop
