#pragma once

#include <sys/socket.h>

#include <cerrno>

namespace cxxloop {

// No SIGPIPE, whatever the program does with that signal.
#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif

// Whether a call on a non-blocking socket only has to be made again later.
inline bool is_try_again(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace cxxloop
