// Operations on files by name: open, create, remove, rename, link, chmod, chown, truncate. Each prepare_*
// reads the caller's arguments once and pins what they name; each Attempt then acts on the pins alone.
//
// What fails for everybody (a missing file, an existing directory to be made) fails here with the kernel's own
// errno and without an event: there is nothing to release.
//
// Not as the kernel: RENAME_EXCHANGE and RENAME_WHITEOUT answer EINVAL, as on file systems without them; no
// terminal becomes the caller's controlling terminal by being opened.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "resolve.h"
#include "syscalls.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif

namespace portcullis {
namespace {

constexpr size_t kLongestPath = 4095;
constexpr unsigned kModeBits = 07777;

constexpr uint16_t bit(Op op) { return static_cast<uint16_t>(1u << static_cast<unsigned>(op)); }

Event event_of(Caller& caller, Op op, std::string path) {
  Event event;
  event.op = op;
  event.pid = caller.tgid();
  event.exe = caller.exe();
  event.path = std::move(path);
  return event;
}

// What a failed pin or place comes to. `text` is the name as the caller gave it.
Prepared failure(Caller& caller, int error, Op op, const std::string& text) {
  if (error != kUnresolvable) return Fails{error};
  return Refused{Reason::kUnresolvable, event_of(caller, op, text)};
}

// The caller's umask for one creation. The thread's own (CLONE_FS is unshared) is set and left so: every
// creation sets it anew.
bool take_umask(Caller& caller) {
  const int mask = caller.umask();
  if (mask < 0) return false;
  ::umask(static_cast<mode_t>(mask));
  return true;
}

Outcome outcome_of(int result) { return result < 0 ? Outcome::fail(errno) : Outcome::result(result); }

Outcome opened(int fd, uint64_t flags) {
  if (fd < 0) return Outcome::fail(errno);
  Outcome outcome;
  outcome.inject.reset(fd);
  outcome.cloexec = (flags & O_CLOEXEC) != 0;
  return outcome;
}

// --- open --------------------------------------------------------------------------------------------------

struct Opening {
  uint64_t flags = 0;
  mode_t mode = 0;
  bool reads() const { return (flags & O_ACCMODE) != O_WRONLY; }
  bool writes() const { return (flags & O_ACCMODE) != O_RDONLY; }
  // For the monitor's own call on a pin: never creates, never follows, never becomes a terminal's owner.
  int again() const {
    return static_cast<int>((flags & ~static_cast<uint64_t>(O_CREAT | O_EXCL | O_NOFOLLOW)) | O_NOCTTY | O_CLOEXEC);
  }
};

class OpenExisting final : public Attempt {
 public:
  OpenExisting(Pinned object, Opening how) : object_(std::move(object)), how_(how) {}
  bool may_block() const override {
    if (how_.flags & O_NONBLOCK) return false;
    if (S_ISFIFO(object_.st.st_mode)) return (how_.flags & O_ACCMODE) != O_RDWR;
    // Drivers may wait in open (a serial line for its carrier); memory devices and terminals do not.
    const unsigned kind = major(object_.st.st_rdev);
    return S_ISCHR(object_.st.st_mode) && kind != 1 && kind != 5 && (kind < 136 || kind > 143);
  }
  Outcome perform(Caller&) override {
    return opened(open_pinned(object_.fd.get(), how_.again()), how_.flags);
  }

 private:
  Pinned object_;
  Opening how_;
};

// A new file. Created exclusively, so that nothing but a new file can come of it; where another process was
// faster, its regular file is opened instead: the event claims the same operations on that very name.
class OpenNew final : public Attempt {
 public:
  OpenNew(Place where, Opening how) : where_(std::move(where)), how_(how) {}
  Outcome perform(Caller& caller) override {
    if (!take_umask(caller)) return Outcome::fail(EACCES);
    const int own = O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
    for (int attempt = 0; attempt < 8; attempt++) {
      const int fd = openat(where_.parent.get(), where_.last.c_str(), static_cast<int>(how_.flags) | own, how_.mode);
      if (fd >= 0 || errno != EEXIST || (how_.flags & O_EXCL)) return opened(fd, how_.flags);
      Pinned found;
      const int error = pin_entry(caller, where_, found);
      if (error == ENOENT) continue;
      // A truncation of what is there was not judged; nor was where a link leads.
      if (error != 0 || !S_ISREG(found.st.st_mode) || found.name != event.path) return Outcome::fail(EACCES);
      if ((how_.flags & O_TRUNC) && found.st.st_size != 0) return Outcome::fail(EACCES);
      Opening again = how_;
      again.flags &= ~static_cast<uint64_t>(O_TRUNC);
      return opened(open_pinned(found.fd.get(), again.again()), how_.flags);
    }
    return Outcome::fail(EACCES);
  }

 private:
  Place where_;
  Opening how_;
};

class OpenUnnamed final : public Attempt {
 public:
  OpenUnnamed(Pinned folder, Opening how) : folder_(std::move(folder)), how_(how) {}
  Outcome perform(Caller& caller) override {
    if (!take_umask(caller)) return Outcome::fail(EACCES);
    return opened(open(fd_path(folder_.fd.get()).c_str(), static_cast<int>(how_.flags | O_CLOEXEC), how_.mode),
                  how_.flags);
  }

 private:
  Pinned folder_;
  Opening how_;
};

// openat2 with O_PATH: not mediated, but its flags lie in memory, so the descriptor is given, not the call.
class OpenPath final : public Attempt {
 public:
  OpenPath(Fd fd, uint64_t flags) : fd_(std::move(fd)), flags_(flags) {}
  Outcome perform(Caller&) override { return opened(fd_.release(), flags_); }

 private:
  Fd fd_;
  uint64_t flags_;
};

// /dev/tty means the caller's controlling terminal. 0, or the errno that the caller would see.
int open_terminal(Caller& caller, Pinned& object) {
  const dev_t device = controlling_terminal(caller);
  if (device == 0) return ENXIO;
  const unsigned kind = major(device), index = minor(device);
  char path[48];
  if (kind >= 136 && kind <= 143)
    snprintf(path, sizeof path, "/dev/pts/%u", index + (kind - 136) * 256);
  else if (kind == 4)
    snprintf(path, sizeof path, index < 64 ? "/dev/tty%u" : "/dev/ttyS%u", index < 64 ? index : index - 64);
  else
    snprintf(path, sizeof path, "/dev/console");
  Pinned terminal;
  terminal.fd.reset(open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!terminal.fd || fstat(terminal.fd.get(), &terminal.st) != 0) return ENXIO;
  if (!S_ISCHR(terminal.st.st_mode) || terminal.st.st_rdev != device) return ENXIO;
  object.fd = std::move(terminal.fd);  // the name stays /dev/tty: that is what was asked for
  object.st = terminal.st;
  return 0;
}

Prepared open_existing(Caller& caller, Pinned object, Opening how) {
  const mode_t type = object.st.st_mode & S_IFMT;
  if (how.flags & O_CREAT) {
    if (how.flags & O_EXCL) return Fails{EEXIST};
    if (type == S_IFDIR) return Fails{EISDIR};
  }
  if (type == S_IFLNK) return Fails{ELOOP};
  if (type == S_IFSOCK) return Fails{ENXIO};
  if (type == S_IFDIR && how.writes()) return Fails{EISDIR};
  if ((how.flags & O_DIRECTORY) && type != S_IFDIR) return Fails{ENOTDIR};
  const bool guarded = object.protected_;
  if (type == S_IFCHR && object.st.st_rdev == makedev(5, 0))
    if (const int error = open_terminal(caller, object); error != 0) return Fails{error};
  Event event = event_of(caller, how.writes() ? Op::kWrite : Op::kRead, object.name);
  if (how.writes() && how.reads()) event.also |= bit(Op::kRead);
  if ((how.flags & O_TRUNC) && type == S_IFREG) event.also |= bit(Op::kTruncate);
  if (guarded) return Refused{Reason::kProtected, std::move(event)};
  auto attempt = std::make_unique<OpenExisting>(std::move(object), how);
  attempt->event = std::move(event);
  return attempt;
}

Prepared open_missing(Caller& caller, Place where, Opening how) {
  if (where.last.empty() || where.last.back() == '/') return Fails{EISDIR};
  Event event = event_of(caller, Op::kCreate, where.name());
  if (how.reads()) event.also |= bit(Op::kRead);
  if (how.writes()) event.also |= bit(Op::kWrite);
  if (where.protected_) return Refused{Reason::kProtected, std::move(event)};
  auto attempt = std::make_unique<OpenNew>(std::move(where), how);
  attempt->event = std::move(event);
  return attempt;
}

// Finds what an O_CREAT open names: an existing object, or the place where the last of a chain of dangling
// links would create one.
Prepared open_creating(Caller& caller, int dirfd, std::string path, Opening how, uint64_t resolve) {
  Lookup lookup;
  lookup.follow = (how.flags & (O_NOFOLLOW | O_EXCL)) == 0;
  lookup.resolve = resolve;
  Pinned object;
  Place where;
  if (!path.empty() && path.back() == '/') {  // a name that must be a folder is never created by open
    const int error = place(caller, dirfd, path, resolve, where);
    return error == 0 ? Prepared(Fails{EISDIR}) : failure(caller, error, Op::kCreate, path);
  }
  int error = pin(caller, dirfd, path, lookup, object);
  if (error == 0) return open_existing(caller, std::move(object), how);
  if (error != ENOENT) return failure(caller, error, Op::kCreate, path);
  error = place(caller, dirfd, path, resolve, where);
  if (error != 0) return failure(caller, error, Op::kCreate, path);
  for (int links = 0; links < 40; links++) {
    Pinned entry;
    error = pin_entry(caller, where, entry);
    if (error == ENOENT) return open_missing(caller, std::move(where), how);
    if (error != 0) return failure(caller, error, Op::kCreate, where.name());
    if (!S_ISLNK(entry.st.st_mode) || !lookup.follow) return open_existing(caller, std::move(entry), how);
    if (resolve != 0) return Fails{ENOENT};
    char target[4096];
    const ssize_t length = readlinkat(entry.fd.get(), "", target, sizeof target);
    if (length <= 0 || length == sizeof target) return Fails{ENOENT};
    // The link's text, seen from the link's folder; the folder is reached again by its own canonical name only
    // to split the text, and pinned anew.
    std::string next(target, static_cast<size_t>(length));
    if (next[0] != '/') next = where.parent_name + "/" + next;
    Place further;
    error = place(caller, AT_FDCWD, next, 0, further);
    if (error != 0) return failure(caller, error, Op::kCreate, next);
    where = std::move(further);
  }
  return Fails{ELOOP};
}

Prepared prepare_open(Caller& caller, int dirfd, uint64_t address, Opening how, uint64_t resolve) {
  how.flags &= ~static_cast<uint64_t>(O_ASYNC);  // as for fcntl: no signals of descriptors
  std::string path;
  if (const int error = caller.read_string(address, kLongestPath, path); error != 0) return Fails{-error};
  if (how.flags & O_PATH) {
    Lookup lookup;
    lookup.follow = (how.flags & O_NOFOLLOW) == 0;
    lookup.directory = (how.flags & O_DIRECTORY) != 0;
    lookup.resolve = resolve;
    Pinned object;
    const int error = pin(caller, dirfd, path, lookup, object);
    if (error != 0) return failure(caller, error, Op::kRead, path);
    return Unjudged{std::make_unique<OpenPath>(std::move(object.fd), how.flags)};
  }
  constexpr uint64_t kTmpfile = O_TMPFILE & ~static_cast<uint64_t>(O_DIRECTORY);
  const bool unnamed = (how.flags & kTmpfile) != 0;
  if (unnamed && ((how.flags & O_TMPFILE) != O_TMPFILE || (how.flags & O_CREAT) || !how.writes())) return Fails{EINVAL};
  if (how.flags & O_CREAT) {
    if (how.flags & O_DIRECTORY) return Fails{EINVAL};
    return open_creating(caller, dirfd, path, how, resolve);
  }
  Lookup lookup;
  lookup.follow = (how.flags & O_NOFOLLOW) == 0;
  lookup.directory = (how.flags & O_DIRECTORY) != 0;
  lookup.resolve = resolve;
  Pinned object;
  if (const int error = pin(caller, dirfd, path, lookup, object); error != 0)
    return failure(caller, error, how.writes() ? Op::kWrite : Op::kRead, path);
  if (!unnamed) return open_existing(caller, std::move(object), how);
  Event event = event_of(caller, Op::kCreate, object.name);
  event.also = static_cast<uint16_t>(bit(Op::kWrite) | (how.reads() ? bit(Op::kRead) : 0));
  if (object.protected_) return Refused{Reason::kProtected, std::move(event)};
  auto attempt = std::make_unique<OpenUnnamed>(std::move(object), how);
  attempt->event = std::move(event);
  return attempt;
}

// open(2) ignores what it does not know.
Opening plain(uint64_t flags, uint64_t mode) {
  constexpr uint64_t kLargeFile = 0100000;  // the C library calls it 0 on 64-bit machines
  constexpr uint64_t kKnown = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |
                              O_ASYNC | O_DIRECT | kLargeFile | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |
                              O_SYNC | O_PATH | O_TMPFILE;
  Opening how;
  how.flags = flags & kKnown;
  how.mode = static_cast<mode_t>(mode & kModeBits);
  return how;
}

Prepared prepare_openat2(Caller& caller, int dirfd, uint64_t address, uint64_t how_address, uint64_t size) {
  open_how how{};
  if (size < sizeof how) return Fails{EINVAL};
  if (size > 4096) return Fails{E2BIG};
  if (const int error = caller.read(how_address, &how, sizeof how); error != 0) return Fails{-error};
  std::string extra(size - sizeof how, 0);
  if (const int error = caller.read(how_address + sizeof how, extra.data(), extra.size()); error != 0) return Fails{-error};
  if (extra.find_first_not_of('\0') != std::string::npos) return Fails{E2BIG};
  Opening opening = plain(how.flags, how.mode);
  constexpr uint64_t kResolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH |
                                RESOLVE_IN_ROOT | RESOLVE_CACHED;
  if (opening.flags != how.flags || opening.mode != how.mode || (how.resolve & ~kResolve)) return Fails{EINVAL};
  if ((how.resolve & RESOLVE_BENEATH) && (how.resolve & RESOLVE_IN_ROOT)) return Fails{EINVAL};
  constexpr uint64_t kWithPath = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  if ((how.flags & O_PATH) && (how.flags & ~kWithPath)) return Fails{EINVAL};
  const bool creates = (how.flags & O_CREAT) || (how.flags & O_TMPFILE) == O_TMPFILE;
  if (how.mode != 0 && !creates) return Fails{EINVAL};
  return prepare_open(caller, dirfd, address, opening, how.resolve);
}

// --- entries of folders ------------------------------------------------------------------------------------

// An attempt that is one call on one place.
template <typename Call>
class OnPlace final : public Attempt {
 public:
  OnPlace(Place where, bool creates, Call call) : where_(std::move(where)), creates_(creates), call_(std::move(call)) {}
  Outcome perform(Caller& caller) override {
    if (creates_ && !take_umask(caller)) return Outcome::fail(EACCES);
    std::shared_lock moving(names);
    const int result = call_(where_.parent.get(), where_.last.c_str());
    if (result == 0) executables_changed();
    return outcome_of(result);
  }

 private:
  Place where_;
  bool creates_;
  Call call_;
};

template <typename Call>
Prepared on_place(Caller& caller, Place where, Op op, bool creates, Call call) {
  Event event = event_of(caller, op, where.name());
  if (where.protected_) return Refused{Reason::kProtected, std::move(event)};
  auto attempt = std::make_unique<OnPlace<Call>>(std::move(where), creates, std::move(call));
  attempt->event = std::move(event);
  return attempt;
}

bool is_dot(const std::string& last) {
  const std::string entry = last.substr(0, last.find('/'));
  return entry == "." || entry == "..";
}

// Reads the path and finds the place it names. False: `failed` says what to answer.
bool take_place(Caller& caller, int dirfd, uint64_t address, Op op, Place& where, Prepared& failed) {
  std::string path;
  if (const int error = caller.read_string(address, kLongestPath, path); error != 0) {
    failed = Fails{-error};
    return false;
  }
  if (const int error = place(caller, dirfd, path, 0, where); error != 0) {
    failed = failure(caller, error, op, path);
    return false;
  }
  return true;
}

Prepared prepare_unlink(Caller& caller, int dirfd, uint64_t address, int flags) {
  if (flags & ~AT_REMOVEDIR) return Fails{EINVAL};
  const bool folder = flags & AT_REMOVEDIR;
  Place where;
  Prepared failed;
  if (!take_place(caller, dirfd, address, Op::kDelete, where, failed)) return failed;
  if (where.last.empty()) return Fails{folder ? EBUSY : EISDIR};
  if (is_dot(where.last)) return Fails{!folder ? EISDIR : where.last[1] == '.' ? ENOTEMPTY : EINVAL};
  Pinned entry;
  if (const int error = pin_entry(caller, where, entry); error != 0)
    return failure(caller, error, Op::kDelete, where.name());
  if (S_ISDIR(entry.st.st_mode) != folder) return Fails{folder ? ENOTDIR : EISDIR};
  return on_place(caller, std::move(where), Op::kDelete, false,
                  [flags](int parent, const char* last) { return unlinkat(parent, last, flags); });
}

// What a call that makes an entry says of a place where it cannot. 0: it can.
int cannot_make(Caller& caller, const Place& where, bool folder) {
  if (where.last.empty() || is_dot(where.last)) return EEXIST;
  Pinned entry;
  const int error = pin_entry(caller, where, entry);
  if (error == 0) return EEXIST;
  if (error != ENOENT) return error;
  return !folder && where.last.back() == '/' ? ENOENT : 0;
}

Prepared prepare_mkdir(Caller& caller, int dirfd, uint64_t address, uint64_t mode) {
  Place where;
  Prepared failed;
  if (!take_place(caller, dirfd, address, Op::kMkdir, where, failed)) return failed;
  if (const int error = cannot_make(caller, where, true); error != 0)
    return failure(caller, error, Op::kMkdir, where.name());
  const mode_t bits = static_cast<mode_t>(mode & kModeBits);
  return on_place(caller, std::move(where), Op::kMkdir, true,
                  [bits](int parent, const char* last) { return mkdirat(parent, last, bits); });
}

Prepared prepare_mknod(Caller& caller, int dirfd, uint64_t address, uint64_t mode) {
  Place where;
  Prepared failed;
  if (!take_place(caller, dirfd, address, Op::kCreate, where, failed)) return failed;
  if (const int error = cannot_make(caller, where, false); error != 0)
    return failure(caller, error, Op::kCreate, where.name());
  const mode_t bits = static_cast<mode_t>(mode & (S_IFMT | kModeBits));
  const mode_t type = bits & S_IFMT;
  if (type == S_IFCHR || type == S_IFBLK)
    return Refused{Reason::kUnsupported, event_of(caller, Op::kCreate, where.name())};
  if (type != 0 && type != S_IFREG && type != S_IFIFO && type != S_IFSOCK) return Fails{type == S_IFDIR ? EPERM : EINVAL};
  return on_place(caller, std::move(where), Op::kCreate, true,
                  [bits](int parent, const char* last) { return mknodat(parent, last, bits, 0); });
}

Prepared prepare_symlink(Caller& caller, uint64_t target_address, int dirfd, uint64_t address) {
  std::string target;
  if (const int error = caller.read_string(target_address, kLongestPath, target); error != 0) return Fails{-error};
  if (target.empty()) return Fails{ENOENT};
  Place where;
  Prepared failed;
  if (!take_place(caller, dirfd, address, Op::kLink, where, failed)) return failed;
  if (const int error = cannot_make(caller, where, false); error != 0)
    return failure(caller, error, Op::kLink, where.name());
  return on_place(caller, std::move(where), Op::kLink, false,
                  [target](int parent, const char* last) { return symlinkat(target.c_str(), parent, last); });
}

class Rename final : public Attempt {
 public:
  Rename(Place from, Place to, unsigned flags) : from_(std::move(from)), to_(std::move(to)), flags_(flags) {}
  Outcome perform(Caller&) override {
    std::shared_lock moving(names);
    const int result = renameat2(from_.parent.get(), from_.last.c_str(), to_.parent.get(), to_.last.c_str(), flags_);
    if (result == 0) executables_changed();
    return outcome_of(result);
  }

 private:
  Place from_, to_;
  unsigned flags_;
};

Prepared prepare_rename(Caller& caller, int from_fd, uint64_t from_address, int to_fd, uint64_t to_address,
                        uint64_t flags) {
  if (flags & ~static_cast<uint64_t>(RENAME_NOREPLACE)) return Fails{EINVAL};
  Place from, to;
  Prepared failed;
  if (!take_place(caller, from_fd, from_address, Op::kRename, from, failed)) return failed;
  if (!take_place(caller, to_fd, to_address, Op::kRename, to, failed)) return failed;
  if (from.last.empty() || to.last.empty() || is_dot(from.last) || is_dot(to.last)) return Fails{EBUSY};
  Pinned source;
  if (const int error = pin_entry(caller, from, source); error != 0)
    return failure(caller, error, Op::kRename, from.name());
  if (flags & RENAME_NOREPLACE) {
    Pinned target;
    if (pin_entry(caller, to, target) == 0) return Fails{EEXIST};
  }
  Event event = event_of(caller, Op::kRename, from.name());
  event.has_to = true;
  event.to = to.name();
  if (from.protected_ || to.protected_) return Refused{Reason::kProtected, std::move(event)};
  auto attempt = std::make_unique<Rename>(std::move(from), std::move(to), static_cast<unsigned>(flags));
  attempt->event = std::move(event);
  return attempt;
}

class Link final : public Attempt {
 public:
  Link(Pinned source, Place to) : source_(std::move(source)), to_(std::move(to)) {}
  Outcome perform(Caller&) override {
    return outcome_of(linkat(AT_FDCWD, fd_path(source_.fd.get()).c_str(), to_.parent.get(), to_.last.c_str(),
                             AT_SYMLINK_FOLLOW));
  }

 private:
  Pinned source_;
  Place to_;
};

Prepared prepare_link(Caller& caller, int from_fd, uint64_t from_address, int to_fd, uint64_t to_address, int flags) {
  if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return Fails{EINVAL};
  std::string path;
  if (const int error = caller.read_string(from_address, kLongestPath, path); error != 0) return Fails{-error};
  Lookup lookup;
  lookup.follow = (flags & AT_SYMLINK_FOLLOW) != 0;
  lookup.empty_path = (flags & AT_EMPTY_PATH) != 0;
  Pinned source;
  if (const int error = pin(caller, from_fd, path, lookup, source); error != 0)
    return failure(caller, error, Op::kLink, path);
  Place to;
  Prepared failed;
  if (!take_place(caller, to_fd, to_address, Op::kLink, to, failed)) return failed;
  if (const int error = cannot_make(caller, to, false); error != 0) return failure(caller, error, Op::kLink, to.name());
  if (S_ISDIR(source.st.st_mode)) return Fails{EPERM};
  Event event = event_of(caller, Op::kLink, source.name);
  event.has_to = true;
  event.to = to.name();
  if (source.protected_ || to.protected_) return Refused{Reason::kProtected, std::move(event)};
  auto attempt = std::make_unique<Link>(std::move(source), std::move(to));
  attempt->event = std::move(event);
  return attempt;
}

// --- attributes and length ---------------------------------------------------------------------------------

// An attempt that is one call on one existing object.
template <typename Call>
class OnObject final : public Attempt {
 public:
  OnObject(Pinned object, Call call) : object_(std::move(object)), call_(std::move(call)) {}
  Outcome perform(Caller&) override { return outcome_of(call_(object_.fd.get())); }

 private:
  Pinned object_;
  Call call_;
};

template <typename Call>
Prepared on_object(Caller& caller, Pinned object, Op op, Call call) {
  Event event = event_of(caller, op, object.name);
  if (object.protected_) return Refused{Reason::kProtected, std::move(event)};
  auto attempt = std::make_unique<OnObject<Call>>(std::move(object), std::move(call));
  attempt->event = std::move(event);
  return attempt;
}

// Reads a path argument and pins its object. False: `failed` says what to answer.
bool take_object(Caller& caller, int dirfd, uint64_t address, int flags, Op op, Pinned& object, Prepared& failed) {
  std::string path;
  int error = 0;
  const bool no_path = address == 0 && (flags & AT_EMPTY_PATH);  // NULL counts as "" since Linux 6.11
  if (!no_path) error = caller.read_string(address, kLongestPath, path);
  if (error != 0) {
    failed = Fails{-error};
    return false;
  }
  Lookup lookup;
  lookup.follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  lookup.empty_path = (flags & AT_EMPTY_PATH) != 0;
  error = pin(caller, dirfd, path, lookup, object);
  if (error != 0) failed = failure(caller, error, op, path);
  return error == 0;
}

bool take_descriptor(Caller& caller, int fd, Op op, Pinned& object, Prepared& failed) {
  const int error = pin_descriptor(caller, fd, object);
  if (error != 0) failed = failure(caller, error, op, "descriptor " + std::to_string(fd));
  return error == 0;
}

Prepared change_mode(Caller& caller, Pinned object, uint64_t mode) {
  const mode_t bits = static_cast<mode_t>(mode & kModeBits);
  return on_object(caller, std::move(object), Op::kChmod,
                   [bits](int fd) { return chmod(fd_path(fd).c_str(), bits); });
}

Prepared prepare_chmod(Caller& caller, int dirfd, uint64_t address, uint64_t mode, int flags) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Fails{EINVAL};
  Pinned object;
  Prepared failed;
  if (!take_object(caller, dirfd, address, flags, Op::kChmod, object, failed)) return failed;
  return change_mode(caller, std::move(object), mode);
}

Prepared change_owner(Caller& caller, Pinned object, uint64_t user, uint64_t group) {
  const uid_t uid = static_cast<uid_t>(user);
  const gid_t gid = static_cast<gid_t>(group);
  return on_object(caller, std::move(object), Op::kChown,
                   [uid, gid](int fd) { return fchownat(fd, "", uid, gid, AT_EMPTY_PATH); });
}

Prepared prepare_chown(Caller& caller, int dirfd, uint64_t address, uint64_t user, uint64_t group, int flags) {
  if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return Fails{EINVAL};
  Pinned object;
  Prepared failed;
  if (!take_object(caller, dirfd, address, flags, Op::kChown, object, failed)) return failed;
  return change_owner(caller, std::move(object), user, group);
}

Prepared prepare_truncate(Caller& caller, uint64_t address, int64_t length) {
  if (length < 0) return Fails{EINVAL};
  Pinned object;
  Prepared failed;
  if (!take_object(caller, AT_FDCWD, address, 0, Op::kTruncate, object, failed)) return failed;
  if (S_ISDIR(object.st.st_mode)) return Fails{EISDIR};
  if (!S_ISREG(object.st.st_mode)) return Fails{EINVAL};
  return on_object(caller, std::move(object), Op::kTruncate,
                   [length](int fd) { return truncate(fd_path(fd).c_str(), length); });
}

}  // namespace

Prepared prepare_path(Caller& c) {
  const auto fd = [&](int i) { return static_cast<int>(c.arg(i)); };
  const auto open_flags = [&](int i) { return static_cast<uint64_t>(static_cast<uint32_t>(c.arg(i))); };
  const int here = AT_FDCWD;
  Pinned object;
  Prepared failed;
  switch (c.nr()) {
    case __NR_openat: return prepare_open(c, fd(0), c.arg(1), plain(open_flags(2), c.arg(3)), 0);
    case kNrOpenat2: return prepare_openat2(c, fd(0), c.arg(1), c.arg(2), c.arg(3));
    case __NR_unlinkat: return prepare_unlink(c, fd(0), c.arg(1), fd(2));
    case __NR_mkdirat: return prepare_mkdir(c, fd(0), c.arg(1), c.arg(2));
    case __NR_mknodat: return prepare_mknod(c, fd(0), c.arg(1), c.arg(2));
    case __NR_symlinkat: return prepare_symlink(c, c.arg(0), fd(1), c.arg(2));
    case __NR_renameat2: return prepare_rename(c, fd(0), c.arg(1), fd(2), c.arg(3), static_cast<uint32_t>(c.arg(4)));
    case __NR_linkat: return prepare_link(c, fd(0), c.arg(1), fd(2), c.arg(3), fd(4));
    case __NR_fchmodat: return prepare_chmod(c, fd(0), c.arg(1), c.arg(2), 0);
    case kNrFchmodat2: return prepare_chmod(c, fd(0), c.arg(1), c.arg(2), fd(3));
    case __NR_fchownat: return prepare_chown(c, fd(0), c.arg(1), c.arg(2), c.arg(3), fd(4));
    case __NR_truncate: return prepare_truncate(c, c.arg(0), static_cast<int64_t>(c.arg(1)));
    case __NR_fchmod:
      if (!take_descriptor(c, fd(0), Op::kChmod, object, failed)) return failed;
      return change_mode(c, std::move(object), c.arg(1));
    case __NR_fchown:
      if (!take_descriptor(c, fd(0), Op::kChown, object, failed)) return failed;
      return change_owner(c, std::move(object), c.arg(1), c.arg(2));
#ifdef __NR_renameat
    case __NR_renameat: return prepare_rename(c, fd(0), c.arg(1), fd(2), c.arg(3), 0);
#endif
#ifdef __NR_open  // the calls that newer architectures do without
    case __NR_open: return prepare_open(c, here, c.arg(0), plain(open_flags(1), c.arg(2)), 0);
    case __NR_creat: return prepare_open(c, here, c.arg(0), plain(O_CREAT | O_WRONLY | O_TRUNC, c.arg(1)), 0);
    case __NR_unlink: return prepare_unlink(c, here, c.arg(0), 0);
    case __NR_rmdir: return prepare_unlink(c, here, c.arg(0), AT_REMOVEDIR);
    case __NR_mkdir: return prepare_mkdir(c, here, c.arg(0), c.arg(1));
    case __NR_mknod: return prepare_mknod(c, here, c.arg(0), c.arg(1));
    case __NR_symlink: return prepare_symlink(c, c.arg(0), here, c.arg(1));
    case __NR_rename: return prepare_rename(c, here, c.arg(0), here, c.arg(1), 0);
    case __NR_link: return prepare_link(c, here, c.arg(0), here, c.arg(1), 0);
    case __NR_chmod: return prepare_chmod(c, here, c.arg(0), c.arg(1), 0);
    case __NR_chown: return prepare_chown(c, here, c.arg(0), c.arg(1), c.arg(2), 0);
    case __NR_lchown: return prepare_chown(c, here, c.arg(0), c.arg(1), c.arg(2), AT_SYMLINK_NOFOLLOW);
#endif
    default: return Fails{ENOSYS};
  }
}

}  // namespace portcullis
