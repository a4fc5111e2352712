#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

#include "cpython/ref.h"
#include "tls/record_scanner.h"

namespace cxxloop {

// An ssl.SSLObject between two memory BIOs: ciphertext goes in and comes out, plaintext comes
// out and goes in. The settings are those of the SSLContext that made the object.
//
// Methods throw what Python raised; that OpenSSL wants more bytes first is no exception but
// Outcome::kAgain. Needs the GIL.
class SslEngine {
 public:
  enum class Outcome { kDone, kAgain };

  SslEngine(Ref ssl_object, Ref incoming, Ref outgoing);

  // Ciphertext from the peer
  void feed(const char* data, std::size_t length);
  // Whether read() has a chance to give something.
  [[nodiscard]] bool may_read() const;
  // Decrypts at most `room` bytes into `target`; kDone with a count of 0 is the peer's
  // close_notify.
  Outcome read(char* target, std::size_t room, std::size_t* count);
  // The same for whatever object the program gave as a buffer.
  Outcome read_into(PyObject* buffer, std::size_t room, std::size_t* count);

  // Encrypts a beginning of `data`, at most a record.
  Outcome write(const char* data, std::size_t length, std::size_t* count);
  // All ciphertext for the peer, as bytes.
  Ref take_outgoing();

  Outcome do_handshake();
  Outcome unwrap();

  [[nodiscard]] std::size_t incoming_pending() const;
  [[nodiscard]] PyObject* ssl_object() const { return ssl_object_.ptr(); }
  [[nodiscard]] PyObject* incoming() const { return incoming_.ptr(); }
  [[nodiscard]] PyObject* outgoing() const { return outgoing_.ptr(); }

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  Outcome take_count(PyObject* result, std::size_t* count);

  Ref ssl_object_;
  Ref io_;  // what reads and writes: the object's own C part unless the class is a subclass
  Ref incoming_;
  Ref outgoing_;
  RecordScanner scanner_;
  bool filled_ = false;  // The last read filled its room: there may be more of that record.
};

}  // namespace cxxloop
