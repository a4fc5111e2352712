#pragma once

#include <dlfcn.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace load {

// The few functions of libssl that a client needs. The library is opened when the program runs, so
// neither its headers nor the library need be there to build the load generator.
class Tls {
 public:
  // One connection's state; freed with forget().
  using Session = void;

  Session* open(int fd) {
    if (context_ == nullptr) prepare();
    Session* const session = new_session_(context_);
    if (session == nullptr || set_fd_(session, fd) != 1) fail("no TLS session");
    set_connect_state_(session);
    return session;
  }

  void forget(Session* session) {
    shut_down_(session);  // Says that it ends; the answer is not waited for.
    free_(session);
  }

  // As send() and recv(): a number of bytes, or -1 for "not now". recv() returns 0 at the end.
  ssize_t send(Session* session, const char* data, size_t size) {
    return checked(session, write_(session, data, static_cast<int>(size)));
  }
  ssize_t receive(Session* session, char* data, size_t size) {
    return checked(session, read_(session, data, static_cast<int>(size)));
  }

 private:
  static constexpr int kWantRead = 2;
  static constexpr int kWantWrite = 3;
  static constexpr int kZeroReturn = 6;
  static constexpr int kControlMode = 33;
  static constexpr long kPartialWrites = 1;

  [[noreturn]] static void fail(const char* what) {
    std::fprintf(stderr, "%s\n", what);
    std::exit(1);
  }

  ssize_t checked(Session* session, int result) {
    if (result > 0) return result;
    const int error = get_error_(session, result);
    if (error == kZeroReturn) return 0;
    if (error != kWantRead && error != kWantWrite) fail("TLS fails");
    return -1;
  }

  template <class Function>
  void find(void* library, const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(library, name));
    if (function == nullptr) fail(name);
  }

  void prepare() {
    void* const library = dlopen("libssl.so.3", RTLD_NOW);
    if (library == nullptr) fail("no libssl.so.3 for the load generator");
    void* (*new_context)(const void*) = nullptr;
    const void* (*client_method)() = nullptr;
    long (*control)(void*, int, long, void*) = nullptr;
    find(library, "SSL_CTX_new", new_context);
    find(library, "TLS_client_method", client_method);
    find(library, "SSL_CTX_ctrl", control);
    find(library, "SSL_new", new_session_);
    find(library, "SSL_set_fd", set_fd_);
    find(library, "SSL_set_connect_state", set_connect_state_);
    find(library, "SSL_read", read_);
    find(library, "SSL_write", write_);
    find(library, "SSL_get_error", get_error_);
    find(library, "SSL_shutdown", shut_down_);
    find(library, "SSL_free", free_);
    context_ = new_context(client_method());
    if (context_ == nullptr) fail("no TLS context");
    control(context_, kControlMode, kPartialWrites, nullptr);
  }

  void* context_ = nullptr;
  void* (*new_session_)(void*) = nullptr;
  int (*set_fd_)(void*, int) = nullptr;
  void (*set_connect_state_)(void*) = nullptr;
  int (*read_)(void*, void*, int) = nullptr;
  int (*write_)(void*, const void*, int) = nullptr;
  int (*get_error_)(const void*, int) = nullptr;
  int (*shut_down_)(void*) = nullptr;
  void (*free_)(void*) = nullptr;
};

// Every connection's.
inline Tls tls;

}  // namespace load
