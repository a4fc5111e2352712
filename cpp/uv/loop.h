#pragma once

#include <uv.h>

#include <memory>

namespace cxxloop::uv {

// Throws std::system_error for a negative libuv status (on Unix: minus the errno).
void check(int status);

// A uv_loop_t that lets its closing handles finish before it goes.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  uv_loop_t* get() { return &loop_; }

 private:
  uv_loop_t loop_;
};

// Starts uv_close() and frees the memory from the close callback, so that the owner
// may die while libuv still holds the handle.
struct CloseLater {
  template <class T>
  void operator()(T* handle) const noexcept {
    handle->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(handle),
             [](uv_handle_t* closed) { delete reinterpret_cast<T*>(closed); });
  }
};

// A libuv handle with its own memory; made by open().
template <class T>
using Handle = std::unique_ptr<T, CloseLater>;

// Initialises a T with `init(loop, handle, arguments…)`; `status` is its answer, and the
// result is empty when it failed.
template <class T, class Init, class... Arguments>
Handle<T> open(int& status, Init init, uv_loop_t* loop, void* owner, Arguments... arguments) {
  auto handle = std::make_unique<T>();
  status = init(loop, handle.get(), arguments...);
  if (status < 0) return {};
  handle->data = owner;
  return Handle<T>(handle.release());
}

}  // namespace cxxloop::uv
