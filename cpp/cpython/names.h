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
  NAME(close)                    \
  NAME(connection_lost)          \
  NAME(connection_made)          \
  NAME(context)                  \
  NAME(data_received)            \
  NAME(delay)                    \
  NAME(done)                     \
  NAME(eof_received)             \
  NAME(exception)                \
  NAME(fd)                       \
  NAME(fileno)                   \
  NAME(get_buffer)               \
  NAME(getpeername)              \
  NAME(getsockname)              \
  NAME(handle)                   \
  NAME(ident)                    \
  NAME(loop)                     \
  NAME(message)                  \
  NAME(name)                     \
  NAME(pause_writing)            \
  NAME(peername)                 \
  NAME(protocol)                 \
  NAME(resume_writing)           \
  NAME(set_exception)            \
  NAME(set_result)               \
  NAME(socket)                   \
  NAME(sockname)                 \
  NAME(source_traceback)         \
  NAME(time)                     \
  NAME(transport)                \
  NAME(when)                     \
  NAME(_accept_tls)              \
  NAME(_asyncio_future_blocking) \
  NAME(_attach)                  \
  NAME(_check_callback)          \
  NAME(_check_thread)            \
  NAME(_create_task_by_factory)  \
  NAME(_decref_socketios)        \
  NAME(_detach)                  \
  NAME(_handle_signal)           \
  NAME(_io_refs)                 \
  NAME(_on_accept_exhausted)     \
  NAME(_report_callback_failure) \
  NAME(_report_slow_callback)    \
  NAME(_set_running_loop)        \
  NAME(_sock_recv)               \
  NAME(_sock_recv_into)          \
  NAME(_sock_sendall)

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
