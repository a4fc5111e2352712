#include "uv/loop.h"

#include <system_error>

namespace cxxloop::uv {

void check(int status) {
  if (status < 0) throw std::system_error(-status, std::generic_category(), uv_strerror(status));
}

Loop::Loop() { check(uv_loop_init(&loop_)); }

Loop::~Loop() {
  // Every owner has asked for the close of its handles by now.
  while (uv_run(&loop_, UV_RUN_NOWAIT) != 0) {
  }
  uv_loop_close(&loop_);
}

}  // namespace cxxloop::uv
