// connect and bind, performed on the caller's behalf: the address is copied once, the socket duplicated, and
// both are what is judged and what is used (P9). Sends are in send_ops.cc.
//
// What a peer can notice: over unix sockets SO_PEERCRED shows the monitor's process id with the caller's user
// and group, since it is the monitor that connects.
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <mutex>

#include "resolve.h"
#include "socket.h"
#include "syscalls.h"

namespace portcullis {
namespace {

Outcome outcome_of(int result) { return result == 0 ? Outcome::result(0) : Outcome::fail(errno); }

// The handshake of a connection is waited for on a worker, unless the socket never waits.
class Connect final : public Attempt {
 public:
  Connect(Caller&, Socket socket, Address address) : socket_(std::move(socket)), address_(std::move(address)) {}
  bool may_block() const override { return socket_.blocking && socket_.type != SOCK_DGRAM; }
  Outcome perform(Caller&) override { return outcome_of(connect(socket_.fd.get(), address_.get(), address_.length)); }

 private:
  Socket socket_;
  Address address_;
};

bool same_object(int a, int b) {
  struct stat one, other;
  return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

class Bind final : public Attempt {
 public:
  Bind(Caller& caller, Socket socket, Address address) : socket_(std::move(socket)), address_(std::move(address)) {
    if (!address_.pin) return;
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/cwd", caller.tid());
    cwd_.reset(open(path, O_PATH | O_CLOEXEC));
  }
  Outcome perform(Caller& caller) override { return address_.pin ? in_folder(caller) : bind_to(address_.get(), address_.length); }

 private:
  Outcome bind_to(const sockaddr* address, socklen_t length) { return outcome_of(bind(socket_.fd.get(), address, length)); }
  Outcome in_folder(Caller& caller);
  bool leads_to_judged() const;

  Socket socket_;
  Address address_;
  Fd cwd_;
};

// A unix socket reports the very name that it was bound to, and programs hand that name on. So the caller's own
// words are used a second time where, seen from the caller's folder, they still lead to the judged one; nobody
// of the subject can move a folder in between, since that takes `names`. Elsewhere (names through /proc/self)
// only the last component is used, from within the judged folder, and is what getsockname reports.
Outcome Bind::in_folder(Caller& caller) {
  const int mask = caller.umask();
  if (mask < 0) return Outcome::fail(EACCES);
  // This thread's umask and working directory are its own, and nothing else here depends on them.
  ::umask(static_cast<mode_t>(mask));
  Outcome outcome;
  {
    std::unique_lock alone(names);
    if (leads_to_judged()) {
      outcome = bind_to(address_.get(), address_.length);
    } else if (fchdir(address_.pin.get()) != 0) {
      outcome = Outcome::fail(errno);
    } else {
      // No longer than the caller's own words, so there is room for it.
      sockaddr_un inside{};
      inside.sun_family = AF_UNIX;
      address_.last.copy(inside.sun_path, sizeof inside.sun_path);
      outcome = bind_to(reinterpret_cast<const sockaddr*>(&inside),
                        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.last.size()));
    }
  }
  (void)!chdir("/");
  return outcome;
}

bool Bind::leads_to_judged() const {
  if (!cwd_ || fchdir(cwd_.get()) != 0) return false;
  const char* words = reinterpret_cast<const sockaddr_un*>(&address_.bytes)->sun_path;
  const std::string path(words, strnlen(words, address_.length - offsetof(sockaddr_un, sun_path)));
  const std::string folder = path.substr(0, path.size() - address_.last.size());
  const Fd found(open(folder.empty() ? "." : folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return found && same_object(found.get(), address_.pin.get());
}

template <class Kind>
Prepared prepare(Caller& caller, Use use) {
  Socket socket;
  if (const int error = take_socket(caller, static_cast<int>(caller.arg(0)), socket); error != 0) return Fails{error};
  Address address;
  const uint64_t length = static_cast<uint32_t>(caller.arg(2));
  if (const int error = copy_address(caller, caller.arg(1), length, address); error != 0) return Fails{error};
  Event event;
  const Named named = name_address(caller, use, socket, address, event);
  if (named.kind == Named::kFails) return Fails{named.error};
  if (named.kind == Named::kRefused) return Refused{named.reason, std::move(event)};
  auto attempt = std::make_unique<Kind>(caller, std::move(socket), std::move(address));
  attempt->event = std::move(event);
  if (named.kind == Named::kNobody) return Unjudged{std::move(attempt)};
  return attempt;
}

}  // namespace

Prepared prepare_net(Caller& caller) {
  switch (caller.nr()) {
    case __NR_connect: return prepare<Connect>(caller, Use::kConnect);
    case __NR_bind: return prepare<Bind>(caller, Use::kBind);
    default: return prepare_send(caller);
  }
}

}  // namespace portcullis
