#pragma once

#include <poll.h>
#include <strings.h>

#include <string>

#include "connection.h"

namespace load {

// The size of an HTTP response whose head and Content-Length are there; 0 while they are not.
inline size_t size_of_response(const std::string& received) {
  const size_t end = received.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  const char* const field = strcasestr(received.substr(0, end).c_str(), "\r\ncontent-length:");
  const size_t body = field == nullptr ? 0 : std::strtoull(field + 17, nullptr, 10);
  return end + 4 + body;
}

// Asks once to learn how long the answers are, which depends on the server's headers.
inline void learn_response(Options& options) {
  Connection connection(options);
  connection.open();
  std::string received;
  char chunk[4096];
  while (options.response == 0 || received.size() < options.response) {
    pollfd waiting{connection.fd(), POLLIN | POLLOUT, 0};
    check(poll(&waiting, 1, 10000) == 1, "poll");
    connection.send_some();
    waiting.events = POLLIN;
    check(poll(&waiting, 1, 10000) == 1, "poll");
    const ssize_t n = recv(connection.fd(), chunk, sizeof chunk, 0);
    check(n > 0, "recv");
    received.append(chunk, static_cast<size_t>(n));
    options.response = size_of_response(received);
  }
  connection.close();
}

}  // namespace load
