/* Makes chosen system calls of one process fail, or take a byte at a time; to be preloaded.

   A plan says which calls are meant, how many of them go through first, how many are hit then,
   and what happens to these. It is made from within the process: see shim.py. Calls on the
   standard streams are never meant, as tests report through them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Functions that are replaced. */
#define FUNCTIONS(X)                                                                         \
  X(socket) X(socketpair) X(bind) X(listen) X(accept) X(accept4) X(connect) X(getsockname)   \
  X(getpeername) X(getsockopt) X(setsockopt) X(shutdown) X(epoll_create1) X(epoll_ctl)       \
  X(epoll_wait) X(epoll_pwait) X(eventfd) X(timerfd_create) X(pipe2) X(dup) X(dup3) X(fcntl) \
  X(fcntl64) X(ioctl) X(read) X(recv) X(recvfrom) X(recvmsg) X(recvmmsg) X(write) X(send)    \
  X(sendto) X(sendmsg) X(writev) X(sendmmsg) X(sendfile) X(sendfile64) X(syscall)            \
  X(clock_gettime) X(gettimeofday) X(time)

/* What a plan names: a kind of call, whichever function makes it. `new` is C++'s. */
#define CALLS(X)                                                                              \
  X(socket) X(socketpair) X(bind) X(listen) X(accept) X(connect) X(getsockname)               \
  X(getpeername) X(getsockopt) X(setsockopt) X(shutdown) X(epoll_create) X(epoll_add)         \
  X(epoll_modify) X(epoll_delete) X(epoll_wait) X(eventfd) X(timerfd) X(pipe) X(dup) X(fcntl) \
  X(ioctl) X(pidfd_open) X(read) X(recv) X(recvfrom) X(recvmsg) X(recvmmsg) X(write) X(send)  \
  X(sendto) X(sendmsg) X(writev) X(sendmmsg) X(sendfile) X(new)

#define AS_ENUM(name) CALL_##name,
#define AS_NAME(name) #name,
enum call { CALLS(AS_ENUM) CALL_COUNT };
static const char *const names[] = {CALLS(AS_NAME)};

#define AS_POINTER(name) static __typeof__(&name) real_##name;
FUNCTIONS(AS_POINTER)
static void *(*real_new)(size_t);
static void *(*real_aligned_new)(size_t, size_t);

static atomic_int armed;
static atomic_long seen;
static atomic_int last = -1;
static atomic_llong clock_offset; /* nanoseconds */
static atomic_long clock_delay;   /* nanoseconds */
static atomic_int batch_fails_after = -1; /* messages; -1: never */
static char wanted[CALL_COUNT];
static long skipped, times;
static int error_number; /* 0: the call is made shorter instead */
static size_t most;      /* bytes or messages of such a call */

/* At the latest before main(), so that a child between fork() and exec() finds it done; the
   constructors of other libraries may need it earlier. */
__attribute__((constructor)) static void resolve(void) {
  static int done;
  if (done) return;
  done = 1;
#define RESOLVE(name) real_##name = (__typeof__(real_##name))dlsym(RTLD_NEXT, #name);
  FUNCTIONS(RESOLVE)
}

/* Making a plan */

void shim_disarm(void) {
  atomic_store(&armed, 0);
  atomic_store(&batch_fails_after, -1);
}

/* sendmmsg() fails with the message that has so many before it. */
void shim_fail_in_batch(int after, int error) {
  error_number = error;
  atomic_store(&batch_fails_after, after);
}

/* Returns -1 when there is no such call; `calls` is a list with commas. */
int shim_arm(const char *calls, long skip, long count, int error, size_t at_most) {
  shim_disarm();
  memset(wanted, 0, sizeof wanted);
  while (*calls != '\0') {
    const size_t length = strcspn(calls, ",");
    int found = 0;
    for (int i = 0; i < CALL_COUNT; ++i) {
      if (strlen(names[i]) == length && memcmp(names[i], calls, length) == 0) {
        wanted[i] = 1;
        found = 1;
      }
    }
    if (!found) return -1;
    calls += length + (calls[length] == ',');
  }
  skipped = skip;
  times = count;
  error_number = error;
  most = at_most;
  atomic_store(&seen, 0);
  atomic_store(&last, -1);
  atomic_store(&armed, 1);
  return 0;
}

long shim_seen(void) { return atomic_load(&seen); }

/* What was hit last; NULL: nothing. */
const char *shim_hit(void) {
  const int call = atomic_load(&last);
  return call < 0 ? NULL : names[call];
}

void shim_shift_clock(long long nanoseconds) { atomic_store(&clock_offset, nanoseconds); }

void shim_slow_clock(long nanoseconds) { atomic_store(&clock_delay, nanoseconds); }

/* Carrying it out */

static int is_hit(enum call call, int fd) {
  resolve();
  if (!atomic_load(&armed) || !wanted[call] || (fd >= 0 && fd <= 2)) return 0;
  const long number = atomic_fetch_add(&seen, 1);
  if (number < skipped || (times >= 0 && number - skipped >= times)) return 0;
  atomic_store(&last, call);
  return 1;
}

static int fails(enum call call, int fd) {
  if (!is_hit(call, fd) || error_number == 0) return 0;
  errno = error_number;
  return 1;
}

/* False: the call fails. Otherwise `size` is what may be transferred. */
static int may_transfer(enum call call, int fd, size_t *size) {
  if (!is_hit(call, fd)) return 1;
  if (error_number != 0) {
    errno = error_number;
    return 0;
  }
  if (*size > most) *size = most;
  return 1;
}

#define FAIL_OR(call, fd, ...) \
  if (fails(CALL_##call, fd)) return -1; \
  return real_##__VA_ARGS__

int socket(int domain, int type, int protocol) {
  FAIL_OR(socket, -1, socket(domain, type, protocol));
}
int socketpair(int domain, int type, int protocol, int fds[2]) {
  FAIL_OR(socketpair, -1, socketpair(domain, type, protocol, fds));
}
int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t size) {
  FAIL_OR(bind, fd, bind(fd, address, size));
}
int listen(int fd, int backlog) { FAIL_OR(listen, fd, listen(fd, backlog)); }
int accept(int fd, __SOCKADDR_ARG address, socklen_t *restrict size) {
  FAIL_OR(accept, fd, accept(fd, address, size));
}
int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict size, int flags) {
  FAIL_OR(accept, fd, accept4(fd, address, size, flags));
}
int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size) {
  FAIL_OR(connect, fd, connect(fd, address, size));
}
int getsockname(int fd, __SOCKADDR_ARG address, socklen_t *restrict size) {
  FAIL_OR(getsockname, fd, getsockname(fd, address, size));
}
int getpeername(int fd, __SOCKADDR_ARG address, socklen_t *restrict size) {
  FAIL_OR(getpeername, fd, getpeername(fd, address, size));
}
int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict size) {
  FAIL_OR(getsockopt, fd, getsockopt(fd, level, name, value, size));
}
int setsockopt(int fd, int level, int name, const void *value, socklen_t size) {
  FAIL_OR(setsockopt, fd, setsockopt(fd, level, name, value, size));
}
int shutdown(int fd, int how) { FAIL_OR(shutdown, fd, shutdown(fd, how)); }

int epoll_create1(int flags) { FAIL_OR(epoll_create, -1, epoll_create1(flags)); }
int epoll_ctl(int set, int operation, int fd, struct epoll_event *event) {
  const enum call call = operation == EPOLL_CTL_ADD   ? CALL_epoll_add
                         : operation == EPOLL_CTL_MOD ? CALL_epoll_modify
                                                      : CALL_epoll_delete;
  if (fails(call, fd)) return -1;
  return real_epoll_ctl(set, operation, fd, event);
}
int epoll_wait(int set, struct epoll_event *events, int count, int timeout) {
  FAIL_OR(epoll_wait, set, epoll_wait(set, events, count, timeout));
}
int epoll_pwait(int set, struct epoll_event *events, int count, int timeout,
                const sigset_t *signals) {
  FAIL_OR(epoll_wait, set, epoll_pwait(set, events, count, timeout, signals));
}
int eventfd(unsigned count, int flags) { FAIL_OR(eventfd, -1, eventfd(count, flags)); }
int timerfd_create(clockid_t clock, int flags) {
  FAIL_OR(timerfd, -1, timerfd_create(clock, flags));
}
int pipe2(int fds[2], int flags) { FAIL_OR(pipe, -1, pipe2(fds, flags)); }
int dup(int fd) { FAIL_OR(dup, -1, dup(fd)); }
int dup3(int fd, int other, int flags) { FAIL_OR(dup, -1, dup3(fd, other, flags)); }

#define LAST_ARGUMENT(after)       \
  va_list list;                    \
  va_start(list, after);           \
  void *argument = va_arg(list, void *); \
  va_end(list)

int fcntl(int fd, int command, ...) {
  LAST_ARGUMENT(command);
  FAIL_OR(fcntl, fd, fcntl(fd, command, argument));
}
int fcntl64(int fd, int command, ...) {
  LAST_ARGUMENT(command);
  FAIL_OR(fcntl, fd, fcntl64(fd, command, argument));
}
int ioctl(int fd, unsigned long request, ...) {
  LAST_ARGUMENT(request);
  FAIL_OR(ioctl, fd, ioctl(fd, request, argument));
}

#define TRANSFER(call, fd, size, ...) \
  if (!may_transfer(CALL_##call, fd, &size)) return -1; \
  return real_##__VA_ARGS__

ssize_t read(int fd, void *data, size_t size) { TRANSFER(read, fd, size, read(fd, data, size)); }
ssize_t write(int fd, const void *data, size_t size) {
  TRANSFER(write, fd, size, write(fd, data, size));
}
ssize_t recv(int fd, void *data, size_t size, int flags) {
  TRANSFER(recv, fd, size, recv(fd, data, size, flags));
}
ssize_t send(int fd, const void *data, size_t size, int flags) {
  TRANSFER(send, fd, size, send(fd, data, size, flags));
}
ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
  TRANSFER(sendfile, to, size, sendfile(to, from, offset, size));
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) {
  TRANSFER(sendfile, to, size, sendfile64(to, from, offset, size));
}

/* Datagrams are not made shorter. */
ssize_t recvfrom(int fd, void *restrict data, size_t size, int flags, __SOCKADDR_ARG address,
                 socklen_t *restrict address_size) {
  FAIL_OR(recvfrom, fd, recvfrom(fd, data, size, flags, address, address_size));
}
ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  FAIL_OR(recvmsg, fd, recvmsg(fd, message, flags));
}
ssize_t sendto(int fd, const void *data, size_t size, int flags, __CONST_SOCKADDR_ARG address,
               socklen_t address_size) {
  FAIL_OR(sendto, fd, sendto(fd, data, size, flags, address, address_size));
}

static int count_of(enum call call, int fd, unsigned count, int *failed) {
  size_t messages = count;
  *failed = !may_transfer(call, fd, &messages);
  return (int)messages;
}
int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *limit) {
  int failed;
  const int allowed = count_of(CALL_recvmmsg, fd, count, &failed);
  return failed ? -1 : real_recvmmsg(fd, messages, (unsigned)allowed, flags, limit);
}
int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  int failed;
  if (atomic_load(&batch_fails_after) >= 0) {
    /* As the kernel does it: what was sent is told first, the failure by the next call. */
    const int sent = atomic_fetch_add(&batch_fails_after, -(int)count);
    if (sent > 0 && (unsigned)sent < count) {
      count = (unsigned)sent;
      atomic_store(&batch_fails_after, 0);
    } else if (sent == 0) {
      atomic_store(&batch_fails_after, -1);
      errno = error_number;
      return -1;
    }
  }
  const int allowed = count_of(CALL_sendmmsg, fd, count, &failed);
  return failed ? -1 : real_sendmmsg(fd, messages, (unsigned)allowed, flags);
}

/* As many bytes as wanted of the first piece that has any. */
static ssize_t send_pieces(enum call call, int fd, const struct iovec *pieces, size_t count) {
  size_t size = SIZE_MAX;
  if (!may_transfer(call, fd, &size)) return -1;
  if (size == SIZE_MAX) return -2;
  for (size_t i = 0; i < count; ++i) {
    if (pieces[i].iov_len == 0) continue;
    if (size > pieces[i].iov_len) size = pieces[i].iov_len;
    return real_write(fd, pieces[i].iov_base, size);
  }
  return -2;
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  const ssize_t sent = send_pieces(CALL_sendmsg, fd, message->msg_iov, message->msg_iovlen);
  return sent != -2 ? sent : real_sendmsg(fd, message, flags);
}
ssize_t writev(int fd, const struct iovec *pieces, int count) {
  const ssize_t sent = send_pieces(CALL_writev, fd, pieces, (size_t)count);
  return sent != -2 ? sent : real_writev(fd, pieces, count);
}

/* Calls that have no function in every C library. */
long syscall(long number, ...) {
  resolve();
  va_list list;
  long argument[6];
  va_start(list, number);
  for (int i = 0; i < 6; ++i) argument[i] = va_arg(list, long);
  va_end(list);
#ifdef SYS_epoll_pwait2
  if (number == SYS_epoll_pwait2 && fails(CALL_epoll_wait, -1)) return -1;
#endif
  if (number == SYS_pidfd_open && fails(CALL_pidfd_open, -1)) return -1;
  return real_syscall(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                      argument[5]);
}

/* operator new(): asked for more than there can be, the real one throws what it has to. */
static void *of_cxx_library(const char *symbol) {
  void *const next = dlsym(RTLD_NEXT, symbol);
  /* The interpreter may have loaded it for extension modules alone. */
  return next != NULL ? next : dlsym(dlopen("libstdc++.so.6", RTLD_LAZY), symbol);
}
void *_Znwm(size_t size) {
  if (real_new == NULL) real_new = (void *(*)(size_t))of_cxx_library("_Znwm");
  return real_new(is_hit(CALL_new, -1) ? PTRDIFF_MAX : size);
}
void *_ZnwmSt11align_val_t(size_t size, size_t alignment) {
  if (real_aligned_new == NULL) {
    real_aligned_new = (void *(*)(size_t, size_t))of_cxx_library("_ZnwmSt11align_val_t");
  }
  return real_aligned_new(is_hit(CALL_new, -1) ? PTRDIFF_MAX / 2 : size, alignment);
}

/* The wall clock, which may jump. */
static void shift(struct timespec *now) {
  const long long nanoseconds = now->tv_nsec + atomic_load(&clock_offset);
  long long seconds = nanoseconds / 1000000000;
  if (nanoseconds % 1000000000 < 0) --seconds;
  now->tv_sec += (time_t)seconds;
  now->tv_nsec = (long)(nanoseconds - seconds * 1000000000);
}
int clock_gettime(clockid_t clock, struct timespec *now) {
  resolve();
  const struct timespec delay = {0, atomic_load(&clock_delay)};
  if (delay.tv_nsec != 0) nanosleep(&delay, NULL);
  const int status = real_clock_gettime(clock, now);
  if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) shift(now);
  return status;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  resolve();
  struct timespec precise;
  if (zone != NULL) return real_gettimeofday(now, zone);
  if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *result) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (result != NULL) *result = now.tv_sec;
  return now.tv_sec;
}
