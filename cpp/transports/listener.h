#pragma once

#include <pybind11/pybind11.h>
#include <sys/socket.h>

#include "containers/live_count.h"
#include "cpython/context.h"
#include "cpython/ref.h"
#include "loop/event_target.h"
#include "loop/loop.h"
#include "transports/socket_address.h"

namespace cxxloop {

// What loop._listen() was called with.
struct ListenerParts {
  py::object protocol_factory;
  py::object sock;
  py::object server;
  int backlog;
  py::object context;  // None: the caller's own
  py::object tls;      // TlsSettings, or None
};

// Accepts connections on a listening Python socket, which stays the owner of its
// descriptor, and makes a protocol and a transport for each. Part of the Python
// object cxxloop._core.Listener; the loop's watchers keep it alive.
class Listener final : public EventTarget {
 public:
  Listener(PyObject* self, Loop* loop, int fd, ListenerParts parts, CapturedContext context);
  ~Listener() { clear(); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  bool on_readable() override;
  bool on_writable() override { return true; }
  bool on_deferred() override { return true; }
  bool on_flush() override { return true; }
  [[nodiscard]] PyObject* owner() const override { return self_; }

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  [[nodiscard]] bool is_listening() const;
  bool accept_one(int fd, const sockaddr_storage& address, socklen_t size);
  bool accept_tls(int fd, PyObject* context);
  bool log_accepted(int fd, const SocketAddress& peer);
  bool creation_failed(PyObject* protocol);
  bool accept_failed(int error);

  PyObject* self_;  // borrowed: we are a part of it
  Loop* loop_;      // borrowed: its watchers hold us
  int fd_;
  int batch_ = 1;  // connections to take per event; follows what arrives
  int family_;
  int protocol_number_;
  ListenerParts parts_;  // given back to Python when it has to try again
  CapturedContext context_;
  LiveCount<Listener> counted_;
};

struct ListenerObject {
  PyObject_HEAD
  bool constructed;
  alignas(Listener) unsigned char storage[sizeof(Listener)];

  Listener* listener() { return reinterpret_cast<Listener*>(storage); }
};

// The heap type; set once by the bindings.
extern PyTypeObject* listener_type;

// loop._listen() and loop._unlisten()
void start_listening(Loop& loop, ListenerParts parts);
void stop_listening(Loop& loop, const py::object& sock);

}  // namespace cxxloop
