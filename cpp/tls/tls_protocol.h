#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "containers/live_count.h"
#include "cpython/buffer_view.h"
#include "cpython/ref.h"
#include "loop/loop.h"
#include "tls/lower_transport.h"
#include "tls/ssl_engine.h"
#include "transports/native_protocol.h"
#include "transports/outgoing.h"
#include "transports/water_marks.h"

namespace cxxloop {

struct TlsTransportObject;

// What loop._make_tls_protocol() was called with.
struct TlsParts {
  Ref protocol;
  Ref waiter;  // or None
  Ref context;
  Ref ssl_object;
  Ref incoming;
  Ref outgoing;
  Ref handshake_timeout;  // seconds
  Ref shutdown_timeout;
  bool call_connection_made = true;
};

// One side of a TLS connection: the protocol of the transport that carries the ciphertext, and
// the engine behind the transport that the application's protocol gets. Keeps to the states
// and the order of asyncio.sslproto.
//
// Part of the Python object cxxloop._core.SSLProtocol, an asyncio.BufferedProtocol. Everything
// needs the GIL and the loop's thread; methods throw what Python raised, but for the override.
class TlsProtocol final : public NativeProtocol {
 public:
  TlsProtocol(PyObject* self, Loop* loop, TlsParts parts);
  ~TlsProtocol() { clear(); }
  TlsProtocol(const TlsProtocol&) = delete;
  TlsProtocol& operator=(const TlsProtocol&) = delete;

  // The Python object, with its application transport.
  static PyObject* make(Loop* loop, TlsParts parts);

  // Called by the transport below
  void connection_made(PyObject* transport);
  void connection_lost(PyObject* exception);
  bool bytes_received(const char* data, std::size_t length) override;
  PyObject* get_buffer(PyObject* hint);
  void buffer_updated(std::size_t count);
  bool eof_received();  // true: keep the transport open
  void pause_writing() { lower_writing_paused_ = true; }
  void resume_writing();

  // Called by the application's transport
  void write(PyObject* data);
  void writelines(PyObject* list);
  void append_to_backlog(PyObject* data);
  void start_shutdown();
  // Ciphertext that came before the connection was handed over, as bytes.
  void feed(PyObject* bytes);
  void abort(PyObject* exception);
  void pause_reading() { app_reading_paused_ = true; }
  void resume_reading();
  void set_write_limits(PyObject* high, PyObject* low);
  void set_read_limits(PyObject* high, PyObject* low);
  void set_app_protocol(PyObject* protocol);
  Ref extra_info(PyObject* name, PyObject* fallback);

  // Callbacks
  void check_handshake_timeout();
  void check_shutdown_timeout();
  void do_read();
  void go_on_reading();
  void close_lower();

  [[nodiscard]] bool is_reading() const { return !app_reading_paused_; }
  [[nodiscard]] bool app_writing_paused() const { return app_writing_paused_; }
  [[nodiscard]] bool app_reading_paused() const { return app_reading_paused_; }
  [[nodiscard]] bool is_lower_closing() const { return lower_ && lower_.is_closing(); }
  [[nodiscard]] std::size_t write_buffer_size() const;
  [[nodiscard]] std::size_t read_buffer_size() const { return engine_.incoming_pending(); }
  [[nodiscard]] const WaterMarks& write_limits() const { return write_limits_; }
  [[nodiscard]] const WaterMarks& read_limits() const { return read_limits_; }
  [[nodiscard]] PyObject* app_protocol() const { return app_protocol_.ptr(); }
  [[nodiscard]] PyObject* app_transport() const { return app_transport_.ptr(); }
  [[nodiscard]] PyObject* lower_transport() const { return lower_.object(); }
  [[nodiscard]] PyObject* loop_object() const { return loop_object_.ptr(); }
  [[nodiscard]] PyObject* waiter() const { return waiter_.ptr(); }
  [[nodiscard]] PyObject* extra() const { return extra_.ptr(); }
  [[nodiscard]] const SslEngine& engine() const { return engine_; }

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  enum class State : std::uint8_t { kUnwrapped, kHandshake, kWrapped, kFlushing, kShutdown };
  // Of the application's protocol
  enum class AppState : std::uint8_t { kInit, kConnected, kEof, kLost };

  void set_state(State state);
  void receive();
  void wake_waiter(PyObject* exception);
  void fatal_error(const char* message);
  void report(const char* message, PyObject* transport);
  Ref call_later(const Ref& delay, const char* method);
  void call_soon(const char* method);
  static void cancel(Ref& timer);

  // Handshake and shutdown
  void start_handshake();
  void do_handshake();
  void handshake_failed();
  void handshake_succeeded();
  void update_extra();
  void do_flush();
  void do_shutdown();
  void shutdown_completed();
  void shutdown_failed();
  void call_eof_received();

  // Incoming
  void feed_rest();
  bool feed_some();
  bool may_read();
  void read_data();
  void read_into_buffer();
  void deliver(const Ref& bytes);
  void control_reading();

  // Outgoing
  bool refuses_writing();
  void keep(PyObject* data, const BufferView& view, std::size_t offset);
  std::size_t encrypt(const char* data, std::size_t length);
  void encrypt_backlog();
  void write_failed(py::error_already_set& error);
  void do_write();
  void take_outgoing();
  void send_outgoing();
  void process_outgoing();
  void control_app_writing();
  void call_app(PyObject* method, const char* failure);

  PyObject* self_;  // borrowed: we are a part of it
  Loop* loop_;      // kept alive by loop_object_
  Ref loop_object_;
  Ref app_protocol_;
  NativeProtocol* native_app_ = nullptr;  // its C++ part, for TLS in TLS
  Ref app_transport_;
  Ref waiter_;
  Ref extra_;
  Ref handshake_timeout_;
  Ref shutdown_timeout_;
  Ref handshake_timer_;
  Ref shutdown_timer_;
  Ref read_buffer_;  // for transports that ask for one
  LowerTransport lower_;
  SslEngine engine_;

  Outgoing backlog_;            // plaintext that isn't encrypted yet
  std::vector<Ref> encrypted_;  // what the transport below doesn't take yet
  std::size_t encrypted_size_ = 0;
  std::size_t untaken_ = 0;      // plaintext whose ciphertext is still in the engine
  const char* unfed_ = nullptr;  // ciphertext that the engine hasn't got yet
  std::size_t unfed_size_ = 0;

  WaterMarks write_limits_;
  WaterMarks read_limits_;
  double handshake_started_ = 0;
  Py_ssize_t lost_ = 0;  // set by connection_lost(); counts writes from then on
  State state_ = State::kUnwrapped;
  AppState app_state_;
  bool app_buffered_ = false;  // The application's is a BufferedProtocol.
  bool app_reading_paused_ = false;
  bool app_writing_paused_ = false;
  bool lower_reading_paused_ = false;
  bool lower_writing_paused_ = false;
  bool eof_received_ = false;
  LiveCount<TlsProtocol> counted_;
};

// The Python objects
struct TlsProtocolObject {
  NativeProtocolObject base;
  PyObject* weak_references;
  bool constructed;
  alignas(TlsProtocol) unsigned char storage[sizeof(TlsProtocol)];

  TlsProtocol* protocol() { return reinterpret_cast<TlsProtocol*>(storage); }
};

// What the application's protocol writes to. The first fields are those of asyncio.Transport.
struct TlsTransportObject {
  PyObject_HEAD
  PyObject* unused_extra;  // _extra
  PyObject* dictionary;
  PyObject* weak_references;
  PyObject* protocol;  // a TlsProtocolObject
  bool closed;
};

// The heap types; set once by the bindings.
extern PyTypeObject* tls_protocol_type;
extern PyTypeObject* tls_transport_type;

}  // namespace cxxloop
