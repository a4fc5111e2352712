#include "poll/poller.h"

#include <cstdlib>
#include <cstring>

#include "poll/epoll_poller.h"
#include "poll/uv_poller.h"

namespace cxxloop {

namespace {

bool wants_libuv() {
#ifdef __linux__
  const char* const wanted = std::getenv("CXXLOOP_POLL_BACKEND");
  return wanted != nullptr && std::strcmp(wanted, "libuv") == 0;
#else
  return true;
#endif
}

}  // namespace

std::unique_ptr<Poller> make_poller() {
#ifdef __linux__
  if (!wants_libuv()) return std::make_unique<EpollPoller>();
#endif
  return std::make_unique<UvPoller>();
}

const char* default_poll_backend() { return wants_libuv() ? "libuv" : "epoll"; }

}  // namespace cxxloop
