#pragma once

#include <pybind11/pybind11.h>

namespace cxxloop {

// Interned attribute and keyword names, made once at import and never freed.
#define CXXLOOP_NAMES(NAME)      \
  NAME(Future)                   \
  NAME(Task)                     \
  NAME(buffer_updated)           \
  NAME(call_exception_handler)   \
  NAME(callback)                 \
  NAME(cancel)                   \
  NAME(cipher)                   \
  NAME(close)                    \
  NAME(compression)              \
  NAME(connection_lost)          \
  NAME(connection_made)          \
  NAME(context)                  \
  NAME(data_received)            \
  NAME(datagram_received)        \
  NAME(delay)                    \
  NAME(do_handshake)             \
  NAME(done)                     \
  NAME(eof_received)             \
  NAME(error_received)           \
  NAME(exception)                \
  NAME(fd)                       \
  NAME(fileno)                   \
  NAME(get_buffer)               \
  NAME(get_extra_info)           \
  NAME(getpeercert)              \
  NAME(getpeername)              \
  NAME(getsockname)              \
  NAME(handle)                   \
  NAME(ident)                    \
  NAME(is_closing)               \
  NAME(loop)                     \
  NAME(message)                  \
  NAME(name)                     \
  NAME(pause_reading)            \
  NAME(pause_writing)            \
  NAME(peercert)                 \
  NAME(peername)                 \
  NAME(pending)                  \
  NAME(protocol)                 \
  NAME(read)                     \
  NAME(resume_reading)           \
  NAME(resume_writing)           \
  NAME(sendto)                   \
  NAME(set_exception)            \
  NAME(set_result)               \
  NAME(socket)                   \
  NAME(sockname)                 \
  NAME(source_traceback)         \
  NAME(ssl_object)               \
  NAME(sslcontext)               \
  NAME(time)                     \
  NAME(transport)                \
  NAME(unwrap)                   \
  NAME(when)                     \
  NAME(write)                    \
  NAME(writelines)               \
  NAME(_accept_tls)              \
  NAME(_asyncio_future_blocking) \
  NAME(_attach)                  \
  NAME(_call_connection_lost)    \
  NAME(_check_callback)          \
  NAME(_check_thread)            \
  NAME(_create_task_by_factory)  \
  NAME(_decref_socketios)        \
  NAME(_detach)                  \
  NAME(_force_close)             \
  NAME(_handle_signal)           \
  NAME(_io_refs)                 \
  NAME(_log_accepted)            \
  NAME(_on_accept_exhausted)     \
  NAME(_read_ready)              \
  NAME(_report_callback_failure) \
  NAME(_report_slow_callback)    \
  NAME(_sendto_ready)            \
  NAME(_set_running_loop)        \
  NAME(_sock_recv)               \
  NAME(_sock_recv_into)          \
  NAME(_sock_sendall)            \
  NAME(_sslobj)                  \
  NAME(_write_ready)

struct Names {
  // Each member is called as what it names.
  // NOLINTBEGIN(readability-identifier-naming)
#define CXXLOOP_NAME(text) PyObject* text;
  CXXLOOP_NAMES(CXXLOOP_NAME)
#undef CXXLOOP_NAME
  // NOLINTEND(readability-identifier-naming)
};

extern Names names;

// Fills `names`; throws when memory runs out.
void intern_names();

}  // namespace cxxloop
