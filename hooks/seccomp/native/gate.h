// The shapes that the parts of the native hook share. One trapped call goes:
//   handler (path_ops, exec, net_ops, signal_ops)  reads the caller's arguments once, pins every object it
//     names (O_PATH descriptors, duplicated sockets, copied buffers), and returns a Prepared;
//   gate  judges the attempt's event by the table, journals, and answers; an allowed attempt is performed on
//     exactly the pinned objects (P9); a review is parked, holding its pins, until the monitor answers or the
//     deadline passes.
#pragma once
#include <linux/seccomp.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "wire.h"

namespace portcullis {

// Owns one file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& o) noexcept : fd_(o.release()) {}
  Fd& operator=(Fd&& o) noexcept { reset(o.release()); return *this; }
  Fd(const Fd&) = delete;
  ~Fd() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { int f = fd_; fd_ = -1; return f; }
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

// The native form of model/event.ts, before it has a number. Unused fields are empty.
struct Event {
  Op op = Op::kRead;
  uint16_t also = 0;  // bit i: Op i too
  pid_t pid = 0;      // thread group id
  std::string exe;
  std::string path;   // path object, program path, process executable
  bool has_to = false;
  std::string to;
  bool is_program = false;
  std::string argv;              // each argument ended by NUL
  std::string interpreter;       // empty: not a script
  std::string interpreter_argv;
  bool is_address = false;
  uint8_t protocol = 0;          // 0 tcp, 1 udp, 2 netlink, 3 other
  uint8_t address[16] = {};
  uint16_t port = 0;
  bool is_unix = false;          // `path` holds the socket path or '@' and the abstract name
  bool is_process = false;       // `path` holds the executable, `target` the pid
  pid_t target = 0;
  uint64_t received = 0;
};

struct Decision {
  Effect effect;
  uint32_t rule;
};

// One trapped call and its caller. Valid only while the notification is.
class Caller {
 public:
  Caller(int listener, const seccomp_notif& request) : listener_(listener), request_(request) {}
  uint64_t id() const { return request_.id; }
  pid_t tid() const { return static_cast<pid_t>(request_.pid); }
  int nr() const { return request_.data.nr; }
  uint64_t arg(int i) const { return request_.data.args[i]; }
  // True while the caller still waits in this very call. Check after reading /proc/TID or memory: before it
  // is checked, what was read may belong to a later process with the same id.
  bool valid() const;
  // Thread group id (from /proc/TID/status, cached per call). 0 when the caller is gone.
  pid_t tgid();
  // Copies memory. 0, or -errno (-EFAULT as the kernel would).
  int read(uint64_t address, void* to, size_t bytes) const;
  int write(uint64_t address, const void* from, size_t bytes) const;
  // Reads a NUL-terminated string of at most `limit` bytes without its NUL. -ENAMETOOLONG past the limit.
  int read_string(uint64_t address, size_t limit, std::string& out) const;
  // A duplicate of the caller's descriptor, or -errno in an empty Fd via `error`.
  Fd duplicate(int fd, int& error);
  // Path of the caller's executable. Empty when it cannot be read.
  std::string exe();
  // The caller's umask, or -errno. One read of /proc/TID/status: ask only when something is created.
  int umask() const;

  // The answer; false when the caller is gone. Exactly one of respond and proceed per call.
  bool respond(int64_t value, int error) const;
  // Lets the kernel run the call itself.
  bool proceed() const;
  // Installs a copy of `fd` in the caller, which still waits. Its number there, or -errno.
  int install(int fd, bool cloexec) const;

 private:
  bool identify();

  int listener_;
  const seccomp_notif request_;
  pid_t tgid_ = 0;   // 0 until identify() has succeeded
  std::string exe_;
};

// To be called when an executable may have changed under a known process (an exec, a rename): names kept from
// earlier calls are read again.
void executables_changed();

// The text of /proc/TID/status, or false when the task is gone.
bool read_status(pid_t tid, std::string& text);

// "/proc/self/fd/N": the way to use the very object that a descriptor pins.
std::string fd_path(int fd);

// CLOCK_MONOTONIC in nanoseconds.
uint64_t now_ns();

// What performing came to.
struct Outcome {
  int64_t value = 0;   // the system call's result when error is 0
  int error = 0;       // positive errno
  Fd inject;           // a descriptor to install in the caller; its number is the result
  bool cloexec = false;
  bool proceed = false;  // let the kernel run the call itself (only where no user memory was judged, or sealed)
  // It would have to wait: perform() is to be called once more, on a slow worker, where it may.
  bool later = false;
  // Set when perform() has sent the answer to the kernel itself (sealed exec): the gate must not answer again.
  bool answered = false;
  // Set when the allowed call was then stopped by the hook after all (a broken seal): recorded as a denial of
  // its own.
  Reason stopped = Reason::kPolicy;
  static Outcome fail(int error) { Outcome o; o.error = error; return o; }
  static Outcome result(int64_t value) { Outcome o; o.value = value; return o; }
};

// A judged-to-be call with its objects pinned. perform() is called at most once (and once more where it asks for
// that by Outcome::later), only after an allow, on a gate thread that has its own umask and working directory
// (CLONE_FS unshared).
class Attempt {
 public:
  Event event;
  virtual ~Attempt() = default;
  // True when perform() may wait for something outside (a FIFO's other end, a peer's handshake): it then runs
  // on a slow worker and must return soon after interrupted EINTR once the caller is gone.
  virtual bool may_block() const { return false; }
  // True for exec: runs on the pool of sealing threads, so that waiting opens cannot starve it.
  virtual bool seals() const { return false; }
  virtual Outcome perform(Caller& caller) = 0;
};

// The call fails as the kernel itself would fail it (no event: nothing to release).
struct Fails { int error; };
// The hook cannot establish object or caller: an event with verdict deny, layer hook.
struct Refused { Reason reason; Event event; };
// Outside what is mediated (for instance a signal within the subject): let the kernel run it. Only for calls
// whose meaning is wholly in registers.
struct Harmless {};
// Not mediated, but its arguments lie in memory, so the kernel must not read them a second time: performed on
// the copied arguments without judgement; no event.
struct Unjudged { std::unique_ptr<Attempt> attempt; };
using Prepared = std::variant<std::unique_ptr<Attempt>, Fails, Refused, Harmless, Unjudged>;

// --- who implements what ---------------------------------------------------------------------------------
// caller.cc      Caller, Fd
// resolve.cc     paths to pinned objects (resolve.h)
// words.cc       Decision decide(const Table&, const Event&): builds the words of model/word.ts and walks them
// path_ops.cc    prepare_path(Caller&) for open … chown
// exec.cc        prepare_exec(Caller&), sealing
// net_ops.cc     prepare_net(Caller&) for connect, bind; with send_ops.cc sendto, sendmsg, sendmmsg
// signal_ops.cc  prepare_signal(Caller&)
// xattr_ops.cc   prepare_xattr(Caller&) for changes of extended attributes
// peer_ops.cc    prepare_peer(Caller&) for other acts on a process by its id
Prepared prepare_path(Caller& caller);
Prepared prepare_exec(Caller& caller);
Prepared prepare_net(Caller& caller);
Prepared prepare_signal(Caller& caller);
Prepared prepare_peer(Caller& caller);
Prepared prepare_xattr(Caller& caller);

// The subject's limit of core dumps, soft and hard (0 where the monitor's own hard limit is that), which nobody of
// it changes. A dump is written by the kernel where its process stands, with what that holds. 1 byte is less than
// any dump, and to the kernel the word that no helper is to be started for one either; for 0 it would be.
constexpr uint64_t kCoreLimit = 1;

// Facts about this run that handlers need; set once before the first notification, read-only afterwards.
struct Run {
  pid_t monitor = 0;   // the monitor's process
  pid_t command = 0;   // the first process of the subject; 0 until it is started
  bool observe = false;
};
extern Run run;

// Set for good once a process of the subject has changed its credentials: from then on each caller's are
// compared with the supervisor's.
extern std::atomic<bool> credentials_may_differ;

// True when `pid` is the command or a descendant of it (the monitor is the subreaper of its orphans; the
// monitor's other children, such as reviewers, are outsiders). Walks /proc parents.
bool in_subject(pid_t pid);

}  // namespace portcullis
