// Who called: memory, descriptors, identity. Everything read here is about "the task with this id"; whether it
// is still the task that made the call is settled by valid(), after the reading.
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <mutex>
#include <unordered_map>

#include "gate.h"
#include "syscalls.h"

namespace portcullis {

Run run;
std::atomic<bool> credentials_may_differ{false};

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000ull + static_cast<uint64_t>(t.tv_nsec);
}

std::string fd_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

bool read_status(pid_t tid, std::string& text) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/status", tid);
  Fd fd(open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  char buffer[8192];
  text.clear();
  for (;;) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got < 0) return false;
    if (got == 0) return !text.empty();
    text.append(buffer, static_cast<size_t>(got));
  }
}

namespace {

// The value of "Key:\t" in a status text, or -1.
long status_number(const std::string& text, const char* key, int base) {
  const size_t at = text.find(key);
  return at == std::string::npos ? -1 : strtol(text.c_str() + at + strlen(key), nullptr, base);
}

bool read_exe(pid_t tid, std::string& exe) {
  char path[40], name[4096];
  snprintf(path, sizeof path, "/proc/%d/exe", tid);
  const ssize_t length = readlink(path, name, sizeof name);
  if (length <= 0 || length == sizeof name) return false;
  exe.assign(name, static_cast<size_t>(length));
  return true;
}

// What is known of a task that called before. The pidfd proves that it is the same task still: a number is
// given to another task only after the first is reaped, and then the pidfd answers ESRCH.
struct Known {
  Fd pidfd;
  pid_t tgid = 0;
  std::string exe;
  uint64_t generation = 0;
};
constexpr size_t kMostKnown = 1024;

std::mutex known_mutex;                        // guards `known`
std::unordered_map<pid_t, Known> known;        // by task id
std::atomic<uint64_t> generation{1};           // advanced by executables_changed()

bool alive(const Known& task) {
  return syscall(kNrPidfdSendSignal, task.pidfd.get(), 0, nullptr, 0) == 0 || errno == EPERM;
}

// A pidfd of the task itself, or empty where this kernel has none for threads that do not lead.
Fd pidfd_of(pid_t tid, bool& leader) {
  int fd = static_cast<int>(syscall(kNrPidfdOpen, tid, 0));
  leader = fd >= 0;
  if (fd < 0) fd = static_cast<int>(syscall(kNrPidfdOpen, tid, kPidfdThread));
  return Fd(fd);
}

void make_room() {
  for (auto it = known.begin(); it != known.end();) it = alive(it->second) ? std::next(it) : known.erase(it);
  if (known.size() >= kMostKnown) known.clear();
}

}  // namespace

void executables_changed() { generation.fetch_add(1, std::memory_order_acq_rel); }

bool Caller::valid() const {
  uint64_t id = request_.id;
  return ioctl(listener_, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

bool Caller::identify() {
  if (tgid_ != 0) return true;
  const uint64_t current = generation.load(std::memory_order_acquire);
  std::lock_guard lock(known_mutex);
  if (auto it = known.find(tid()); it != known.end()) {
    Known& task = it->second;
    if (alive(task) && (task.generation == current || read_exe(tid(), task.exe))) {
      task.generation = current;
      tgid_ = task.tgid;
      exe_ = task.exe;
      return true;
    }
    known.erase(it);
  }
  Known task;
  bool leader = false;
  task.pidfd = pidfd_of(tid(), leader);
  task.tgid = tid();
  if (!leader) {
    std::string status;
    if (!read_status(tid(), status)) return false;
    task.tgid = static_cast<pid_t>(status_number(status, "\nTgid:", 10));
  }
  if (task.tgid <= 0 || !read_exe(tid(), task.exe) || !valid()) return false;
  task.generation = current;
  tgid_ = task.tgid;
  exe_ = task.exe;
  if (task.pidfd) {
    if (known.size() >= kMostKnown) make_room();
    known.insert_or_assign(tid(), std::move(task));
  }
  return true;
}

pid_t Caller::tgid() { return identify() ? tgid_ : 0; }

std::string Caller::exe() { return identify() ? exe_ : std::string(); }

int Caller::read(uint64_t address, void* to, size_t bytes) const {
  if (bytes == 0) return 0;
  iovec local{to, bytes}, remote{reinterpret_cast<void*>(address), bytes};
  const ssize_t got = process_vm_readv(tid(), &local, 1, &remote, 1, 0);
  if (got < 0) return -errno;
  return static_cast<size_t>(got) == bytes ? 0 : -EFAULT;
}

int Caller::write(uint64_t address, const void* from, size_t bytes) const {
  if (bytes == 0) return 0;
  iovec local{const_cast<void*>(from), bytes}, remote{reinterpret_cast<void*>(address), bytes};
  const ssize_t put = process_vm_writev(tid(), &local, 1, &remote, 1, 0);
  if (put < 0) return -errno;
  return static_cast<size_t>(put) == bytes ? 0 : -EFAULT;
}

int Caller::read_string(uint64_t address, size_t limit, std::string& out) const {
  constexpr size_t kPage = 4096;
  char buffer[kPage];
  out.clear();
  size_t step = 256;  // most names are short
  while (out.size() <= limit) {
    // Never across a page end: the string may end just before memory that is not there.
    const size_t chunk = std::min(step, kPage - static_cast<size_t>(address % kPage));
    if (const int error = read(address, buffer, chunk); error != 0) return error;
    const size_t length = strnlen(buffer, chunk);
    out.append(buffer, length);
    if (length < chunk) return out.size() <= limit ? 0 : -ENAMETOOLONG;
    address += chunk;
    step = kPage;
  }
  return -ENAMETOOLONG;
}

Fd Caller::duplicate(int fd, int& error) {
  error = 0;
  bool leader = false;
  Fd task(pidfd_of(tid(), leader));
  if (!task) {
    // No pidfd for a thread that does not lead: its leader's serves when both share one descriptor table.
    const pid_t group = tgid();
    if (group != 0 && syscall(SYS_kcmp, tid(), group, KCMP_FILES, 0, 0) == 0)
      task.reset(static_cast<int>(syscall(kNrPidfdOpen, group, 0)));
  }
  if (!task) {
    error = ESRCH;
    return Fd();
  }
  Fd copy(static_cast<int>(syscall(kNrPidfdGetfd, task.get(), fd, 0)));
  if (!copy) error = errno;
  return copy;
}

int Caller::umask() const {
  std::string status;
  if (!read_status(tid(), status)) return -ESRCH;
  const long mask = status_number(status, "\nUmask:", 8);
  return mask < 0 ? -EINVAL : static_cast<int>(mask);
}

bool Caller::respond(int64_t value, int error) const {
  seccomp_notif_resp response{request_.id, error == 0 ? value : 0, -error, 0};
  return ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

bool Caller::proceed() const {
  seccomp_notif_resp response{request_.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  return ioctl(listener_, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

int Caller::install(int fd, bool cloexec) const {
  seccomp_notif_addfd add{request_.id, 0, static_cast<uint32_t>(fd), 0, cloexec ? uint32_t{O_CLOEXEC} : 0};
  for (;;) {
    const int number = ioctl(listener_, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
    if (number >= 0) return number;
    if (errno != EINTR) return -errno;
  }
}

}  // namespace portcullis
