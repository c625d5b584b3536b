// See resolve.h. Two routes: one openat2 for nearly every name, and an own walk for names that pass the
// kernel's per-process links, where the monitor's lookup would find the monitor instead of the caller.
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "syscalls.h"

namespace portcullis {

std::shared_mutex names;

namespace {

constexpr int kMostLinks = 40;            // as the kernel
constexpr size_t kLongestWalk = 65536;    // bytes still to walk, links expanded
constexpr uint64_t kRestricting = RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS |
                                  RESOLVE_NO_MAGICLINKS;

int openat2(int base, const char* path, uint64_t flags, uint64_t resolve) {
  open_how how{};
  how.flags = flags | O_PATH | O_CLOEXEC;
  how.resolve = resolve;
  for (int attempt = 0;; attempt++) {
    const int fd = static_cast<int>(syscall(kNrOpenat2, base, path, &how, sizeof how));
    // EAGAIN: a rename raced with a restricted lookup.
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || attempt == 8) return fd;
  }
}

// The monitor's own shortages are not the caller's errors.
int as_callers(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN ? kUnresolvable : error;
}

// A directory that stays open so that a descriptor is one short lookup away.
int own_descriptors() {
  static const int fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return fd;
}

bool starts_with(const std::string& text, const std::string& prefix) {
  return text.compare(0, prefix.size(), prefix) == 0;
}

// The number N when `name` is /proc/N or below, else 0.
pid_t process_in(const std::string& name) {
  if (!starts_with(name, "/proc/") || name.size() < 7 || name[6] < '1' || name[6] > '9') return 0;
  char* end = nullptr;
  const long number = strtol(name.c_str() + 6, &end, 10);
  return (*end == '/' || *end == 0) && number < (1L << 30) ? static_cast<pid_t>(number) : 0;
}

// Whether the id names the monitor or one of its threads.
bool is_monitor(pid_t id) {
  return id == run.monitor || syscall(SYS_tgkill, run.monitor, id, 0) == 0;
}

// What anybody may look at in the monitor's /proc entry (`ps` does); all else of it is out of bounds.
bool harmless_entry(const std::string& rest) {
  static const char* const kOpen[] = {"", "/stat", "/status", "/statm", "/cmdline", "/comm", "/task"};
  for (const char* name : kOpen)
    if (rest == name) return true;
  return false;
}

// The directory that a relative name starts from.
int base_of(Caller& caller, int dirfd, Fd& base) {
  char path[48];
  if (dirfd == AT_FDCWD)
    snprintf(path, sizeof path, "/proc/%d/cwd", caller.tid());
  else if (dirfd < 0)
    return EBADF;
  else
    snprintf(path, sizeof path, "/proc/%d/fd/%d", caller.tid(), dirfd);
  base.reset(open(path, O_PATH | O_CLOEXEC));
  if (base) return 0;
  if (errno == ENOENT && dirfd != AT_FDCWD) return EBADF;
  return kUnresolvable;
}

bool on_procfs(int fd) {
  struct statfs fs;
  return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

int read_link(int fd, std::string& text) {
  char buffer[4097];
  const ssize_t length = readlinkat(fd, "", buffer, sizeof buffer);
  if (length < 0) return errno;
  if (length == 0) return ENOENT;
  if (length == sizeof buffer) return ENAMETOOLONG;
  text.assign(buffer, static_cast<size_t>(length));
  return 0;
}

// What /proc/self and /proc/thread-self say to the caller. False for every other link.
bool self_link(Caller& caller, int directory, const std::string& link, std::string& text) {
  constexpr ino_t kProcRoot = 1;
  const bool thread = link == "thread-self";
  if (!thread && link != "self") return false;
  struct stat st;
  if (fstat(directory, &st) != 0 || st.st_ino != kProcRoot) return false;
  const pid_t group = caller.tgid();
  text = std::to_string(group);
  if (thread) text += "/task/" + std::to_string(caller.tid());
  return group != 0;
}

bool ends_with(const std::string& text, const std::string& suffix) {
  return text.size() >= suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

bool kernel_name(int fd, std::string& name) {
  char number[16], text[4096];
  snprintf(number, sizeof number, "%d", fd);
  const ssize_t length = readlinkat(own_descriptors(), number, text, sizeof text);
  if (length <= 0 || length == sizeof text) return false;
  name.assign(text, static_cast<size_t>(length));
  return true;
}

// Whether `name` is, in the name space that the caller shares, the object `st`.
bool is_at(const std::string& name, const struct stat& st) {
  struct stat there;
  return !name.empty() && name[0] == '/' && lstat(name.c_str(), &there) == 0 && there.st_dev == st.st_dev &&
         there.st_ino == st.st_ino;
}

// A walk that passed a magic link of a process outside the subject. What it leads to is another process's own:
// its pipes and memory files have no name of ours, and its root may show other files under our names.
struct Crossing {
  bool monitor = false;  // a link of the monitor itself
  std::string link;      // the last one's name, /proc/PID/…
};

// Notes the crossing of the magic link that `fd` pins. 0 or kUnresolvable.
int cross(Caller& caller, int fd, Crossing& crossing) {
  std::string name;
  if (!kernel_name(fd, name)) return kUnresolvable;
  const pid_t process = process_in(name);
  if (process == 0 || process == caller.tgid()) return 0;
  if (is_monitor(process)) crossing.monitor = true;
  else if (!in_subject(process)) crossing.link = name;
  return 0;
}

// The walk of a name, one component at a time, as the caller would walk it.
int walk(Caller& caller, Fd base, std::string rest, const Lookup& how, Fd& out, Crossing& crossing) {
  Fd here = std::move(base);
  if (!rest.empty() && rest[0] == '/') here.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!here) return kUnresolvable;
  for (int links = 0;;) {
    const size_t begin = rest.find_first_not_of('/');
    if (begin == std::string::npos) break;
    const size_t end = std::min(rest.find('/', begin), rest.size());
    const std::string component = rest.substr(begin, end - begin);
    const bool last = rest.find_first_not_of('/', end) == std::string::npos;
    const bool must_be_directory = end < rest.size();
    rest.erase(0, end);

    Fd next(openat(here.get(), component.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return as_callers(errno);
    struct stat st;
    if (fstat(next.get(), &st) != 0) return kUnresolvable;
    if (S_ISLNK(st.st_mode)) {
      if (last && !must_be_directory && !how.follow) {
        here = std::move(next);
        break;
      }
      if (++links > kMostLinks) return ELOOP;
      std::string text;
      if (on_procfs(next.get()) && !self_link(caller, here.get(), component, text)) {
        Fd plain(openat2(here.get(), component.c_str(), 0, RESOLVE_NO_MAGICLINKS));
        if (!plain && errno == ELOOP) {  // a magic link: only the kernel can follow it
          if (const int error = cross(caller, next.get(), crossing); error != 0) return error;
          next.reset(openat(here.get(), component.c_str(), O_PATH | O_CLOEXEC));
          if (!next) return as_callers(errno);
          here = std::move(next);
          if (must_be_directory && rest.find_first_not_of('/') == std::string::npos) {
            if (fstat(here.get(), &st) != 0 || !S_ISDIR(st.st_mode)) return ENOTDIR;
          }
          continue;
        }
      }
      if (text.empty())
        if (const int error = read_link(next.get(), text); error != 0) return error;
      rest = text + rest;
      if (rest.size() > kLongestWalk) return ENAMETOOLONG;
      if (rest[0] == '/') here.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
      if (!here) return kUnresolvable;
      continue;
    }
    if (must_be_directory && !S_ISDIR(st.st_mode)) return ENOTDIR;
    here = std::move(next);
  }
  if (how.directory) {
    struct stat st;
    if (fstat(here.get(), &st) != 0 || !S_ISDIR(st.st_mode)) return ENOTDIR;
  }
  out = std::move(here);
  return 0;
}

// Whether a pseudo-terminal is the one that controls the caller.
bool is_own_terminal(Caller& caller, const struct stat& st) {
  const unsigned kind = major(st.st_rdev);
  return S_ISCHR(st.st_mode) && kind >= 136 && kind <= 143 && controlling_terminal(caller) == st.st_rdev;
}

// Fills in name and kind of what `out.fd` pins. kUnresolvable when the kernel has no name for it. The kernel's
// name is not the one to judge where
//   the object is another process's (crossing), unless the same object is also at that name for the caller;
//   the object was removed under its name: the kernel appends " (deleted)", and a rule on the name still holds;
//   it is the caller's own controlling terminal: that is /dev/tty.
int describe(Caller& caller, Pinned& out, const Crossing& crossing = {}) {
  if (fstat(out.fd.get(), &out.st) != 0) return kUnresolvable;
  if (!name_of(caller, out.fd.get(), out.name, out.protected_)) return kUnresolvable;
  if (crossing.monitor) out.protected_ = true;
  if (!crossing.link.empty() && !is_at(out.name, out.st)) out.name = crossing.link;
  static const std::string kDeleted = " (deleted)";
  if (out.name[0] == '/' && !starts_with(out.name, "/memfd:") && ends_with(out.name, kDeleted) &&
      !is_at(out.name, out.st))
    out.name.resize(out.name.size() - kDeleted.size());
  if (is_own_terminal(caller, out.st)) out.name = "/dev/tty";
  return 0;
}

// Whether a failed lookup failed for the caller too: it did if it passed no symbolic link at all, since then
// it did not pass /proc/self either.
bool same_for_caller(int base, const char* path, uint64_t flags, uint64_t resolve, int error) {
  if (error == ELOOP) return false;
  const Fd again(openat2(base, path, flags, resolve | RESOLVE_NO_SYMLINKS));
  return !again && errno == error;
}

}  // namespace

std::string Place::name() const {
  const std::string entry = last.substr(0, last.find('/'));
  return parent_name == "/" ? "/" + entry : parent_name + "/" + entry;
}

dev_t controlling_terminal(Caller& caller) {
  char path[48], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", caller.tid());
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  const ssize_t length = file ? read(file.get(), text, sizeof text - 1) : -1;
  if (length <= 0) return 0;
  text[length] = 0;
  const char* after = strrchr(text, ')');  // the command's name may hold anything
  unsigned number = 0;
  if (after == nullptr || sscanf(after + 1, " %*c %*d %*d %*d %u", &number) != 1 || number == 0) return 0;
  return makedev((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xfff00));
}

int open_pinned(int fd, int flags) {
  char number[16];
  snprintf(number, sizeof number, "%d", fd);
  return openat(own_descriptors(), number, flags);
}

bool name_of(Caller& caller, int fd, std::string& name, bool& protected_) {
  if (!kernel_name(fd, name)) return false;
  if (starts_with(name, "(unreachable)")) return false;
  protected_ = false;
  if (const pid_t process = process_in(name); process != 0) {
    const std::string prefix = "/proc/" + std::to_string(process);
    if (process == caller.tgid())
      name.replace(0, prefix.size(), "/proc/self");
    else if (is_monitor(process))
      protected_ = !harmless_entry(name.substr(prefix.size()));
  }
  return true;
}

int pin(Caller& caller, int dirfd, const std::string& path, const Lookup& how, Pinned& out) {
  if (path.empty()) {
    if (!how.empty_path) return ENOENT;
    if (dirfd != AT_FDCWD) return pin_descriptor(caller, dirfd, out);
  }
  if (how.resolve & RESOLVE_CACHED) return EAGAIN;
  Fd base;
  const bool absolute = !path.empty() && path[0] == '/' && !(how.resolve & (RESOLVE_IN_ROOT | RESOLVE_BENEATH));
  if (!absolute)
    if (const int error = base_of(caller, dirfd, base); error != 0) return error;
  if (path.empty()) {
    out.fd = std::move(base);
    return describe(caller, out);
  }
  const int at = absolute ? AT_FDCWD : base.get();
  const uint64_t flags = (how.follow ? 0 : O_NOFOLLOW) | (how.directory ? O_DIRECTORY : 0);
  const uint64_t resolve = how.resolve | RESOLVE_NO_MAGICLINKS;
  out.fd.reset(openat2(at, path.c_str(), flags, resolve));
  if (out.fd) {
    if (const int error = describe(caller, out); error != 0) return error;
    // Not by way of the monitor's own /proc/self: then this is what the caller would have found.
    const pid_t process = process_in(out.name);
    if (process == 0 || process != run.monitor) return 0;
    if (how.resolve & kRestricting) return kUnresolvable;
  } else {
    const int error = errno;
    if (how.resolve & kRestricting) return as_callers(error);
    if (as_callers(error) == kUnresolvable) return kUnresolvable;
    if (same_for_caller(at, path.c_str(), flags, resolve, error)) return error;
  }
  Crossing crossing;
  if (const int error = walk(caller, std::move(base), path, how, out.fd, crossing); error != 0) return error;
  return describe(caller, out, crossing);
}

int place(Caller& caller, int dirfd, const std::string& path, uint64_t resolve, Place& out) {
  if (path.empty()) return ENOENT;
  const size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) {  // the root directory
    out.last.clear();
    out.parent_name = "/";
    out.parent.reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    return out.parent ? 0 : kUnresolvable;
  }
  const size_t slash = path.rfind('/', end);
  const size_t begin = slash == std::string::npos ? 0 : slash + 1;
  out.last = path.substr(begin);
  if (end + 1 - begin > 255) return ENAMETOOLONG;
  Pinned parent;
  Lookup how;
  how.directory = true;
  how.resolve = resolve;
  const std::string directory = begin == 0 ? "." : path.substr(0, begin);
  if (const int error = pin(caller, dirfd, directory, how, parent); error != 0) return error;
  out.parent = std::move(parent.fd);
  out.parent_name = std::move(parent.name);
  out.protected_ = parent.protected_;
  return 0;
}

int pin_entry(Caller& caller, const Place& where, Pinned& out) {
  const std::string entry = where.last.substr(0, where.last.find('/'));
  out.fd.reset(openat(where.parent.get(), entry.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!out.fd) return as_callers(errno);
  return describe(caller, out);
}

int pin_descriptor(Caller& caller, int fd, Pinned& out) {
  if (fd < 0) return EBADF;
  if (const int error = base_of(caller, fd, out.fd); error != 0) return error;
  return describe(caller, out);
}

}  // namespace portcullis
