#include "loop/fd_watchers.h"

namespace cxxloop {

FdWatchers::Watch& FdWatchers::at(int fd) {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= watches_.size()) watches_.resize(index + index / 2 + 16);
  return watches_[index];
}

int FdWatchers::arm(int fd, const Watch& watch, Direction direction) {
  const unsigned before = watch.events();
  if (watch.has(direction)) {
    // The one to be replaced may have watched a descriptor that was closed meanwhile, with
    // the number in use again: that one has to be watched.
    return poller_.watch(fd, before, before);
  }
  const unsigned added = direction == kReader ? kPollReadable : kPollWritable;
  const int error = poller_.watch(fd, before, before | added);
  if (error == 0) ++watched_;
  return error;
}

// Lets go of what watched; runs code of the program, so the table may change meanwhile.
void FdWatchers::drop(const Watch& watch, Direction direction, bool debug) {
  if (Handle* const handle = watch.handle[direction]) {
    cancel_handle(handle, debug);
    Py_DECREF(handle->object());
  } else if (const EventTarget* const target = watch.target[direction]) {
    Py_DECREF(target->owner());
  }
}

FdWatchers::Watch FdWatchers::current(int fd) const {
  const auto index = static_cast<std::size_t>(fd);
  return index < watches_.size() ? watches_[index] : Watch{};
}

int FdWatchers::set(int fd, Direction direction, Handle* handle, bool debug) {
  const int error = arm(fd, current(fd), direction);
  if (error != 0) return error;
  Watch& watch = at(fd);  // Only now: no open descriptor has a number beyond what can be kept.
  Py_INCREF(handle->object());
  HandlePool::expose(handle);
  const Watch replaced = watch;
  watch.handle[direction] = handle;
  watch.target[direction] = nullptr;
  drop(replaced, direction, debug);
  return 0;
}

int FdWatchers::set(int fd, Direction direction, EventTarget* target) {
  const int error = arm(fd, current(fd), direction);
  if (error != 0) return error;
  Watch& watch = at(fd);
  if (watch.target[direction] == target) return 0;
  Py_INCREF(target->owner());
  const Watch replaced = watch;
  watch.handle[direction] = nullptr;
  watch.target[direction] = target;
  drop(replaced, direction, false);
  return 0;
}

bool FdWatchers::remove(int fd, Direction direction, bool debug) {
  const auto index = static_cast<std::size_t>(fd);
  if (fd < 0 || index >= watches_.size() || !watches_[index].has(direction)) return false;
  Watch& watch = watches_[index];
  const unsigned before = watch.events();
  const unsigned removed = direction == kReader ? kPollReadable : kPollWritable;
  // Fails when the descriptor is closed already; then the kernel has forgotten it.
  poller_.watch(fd, before, before & ~removed);
  --watched_;
  const Watch removed_watch = watch;
  watch.handle[direction] = nullptr;
  watch.target[direction] = nullptr;
  drop(removed_watch, direction, debug);
  return true;
}

EventTarget* FdWatchers::target(int fd, Direction direction) const {
  const auto index = static_cast<std::size_t>(fd);
  return fd >= 0 && index < watches_.size() ? watches_[index].target[direction] : nullptr;
}

EventTarget* FdWatchers::transport(int fd) const {
  const auto index = static_cast<std::size_t>(fd);
  return fd >= 0 && index < watches_.size() ? watches_[index].transport : nullptr;
}

void FdWatchers::set_transport(int fd, EventTarget* transport) { at(fd).transport = transport; }

void FdWatchers::forget_transport(int fd, const EventTarget* transport) {
  if (current(fd).transport == transport) at(fd).transport = nullptr;
}

bool FdWatchers::dispatch(Watch& watch, Direction direction, ReadyQueue& ready) {
  if (EventTarget* const target = watch.target[direction]) {
    bool& queued = direction == kReader ? target->readable_queued : target->writable_queued;
    if (!queued) {
      ready.push(target, direction == kReader ? Ready::kReadable : Ready::kWritable);
      queued = true;
    }
    return true;
  }
  Handle* const handle = watch.handle[direction];
  if (handle == nullptr) return true;
  if (handle->cancelled()) return false;
  if (!handle->has(Handle::kQueued)) {
    ready.push(handle);
    handle->flags |= Handle::kQueued;
  }
  return true;
}

void FdWatchers::dispatch(const PollResult& result, ReadyQueue& ready) {
  const auto index = static_cast<std::size_t>(result.fd);
  if (index >= watches_.size()) return;
  Watch& watch = watches_[index];
  bool keep_reader = true;
  bool keep_writer = true;
  if ((result.events & kPollReadable) != 0) keep_reader = dispatch(watch, kReader, ready);
  if ((result.events & kPollWritable) != 0) keep_writer = dispatch(watch, kWriter, ready);
  // Cancelled by hand: asyncio stops watching at the next event.
  if (!keep_reader) remove(result.fd, kReader, false);
  if (!keep_writer) remove(result.fd, kWriter, false);
}

void FdWatchers::watch_again() {
  for (std::size_t fd = 0; fd < watches_.size(); ++fd) {
    const unsigned events = watches_[fd].events();
    if (events != 0) poller_.watch(static_cast<int>(fd), kPollNothing, events);
  }
}

void FdWatchers::clear() {
  for (std::size_t fd = 0; fd < watches_.size(); ++fd) {
    remove(static_cast<int>(fd), kReader, false);
    remove(static_cast<int>(fd), kWriter, false);
  }
}

int FdWatchers::traverse(visitproc visit, void* arg) const {
  for (const Watch& watch : watches_) {
    for (const Direction direction : {kReader, kWriter}) {
      if (watch.handle[direction] != nullptr) {
        Py_VISIT(watch.handle[direction]->object());
      } else if (watch.target[direction] != nullptr) {
        Py_VISIT(watch.target[direction]->owner());
      }
    }
  }
  return 0;
}

}  // namespace cxxloop
