// connect, bind and sends with an address, performed on the caller's behalf: the address is copied once, the
// socket is duplicated, and both are what was judged and what is used (P9). sendmsg and sendmmsg hold their
// address in memory, so they are always performed here, on a copy of the whole message.
//
// What a peer can notice: SO_PEERCRED and SCM_CREDENTIALS show the monitor's process id for unix connections
// made here, and a unix socket bound to a name with more than one component reports the name
// /proc/self/fd/N/LAST from getsockname.
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "resolve.h"
#include "syscalls.h"

namespace portcullis {
namespace {

constexpr size_t kLongestStream = 1u << 20;   // one send moves at most this much: a short count is legal
constexpr size_t kLongestDatagram = 1u << 18;
constexpr size_t kLongestControl = 1u << 16;
constexpr size_t kMostSegments = 1024;        // UIO_MAXIOV
constexpr size_t kMostMessages = 1024;
constexpr size_t kAtOnce = 4096;              // a writable stream takes this much without waiting

// The caller's socket and what it is.
struct Socket {
  Fd fd;
  int domain = 0, type = 0, protocol = 0;
  bool blocking = false;
  bool stream() const { return type == SOCK_STREAM; }
};

int option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

// 0 or the errno that the call itself would give.
int take_socket(Caller& caller, int number, Socket& out) {
  int error = 0;
  out.fd = caller.duplicate(number, error);
  if (!out.fd) return error;
  out.domain = option(out.fd.get(), SO_DOMAIN);
  if (out.domain < 0) return errno;
  out.type = option(out.fd.get(), SO_TYPE);
  out.protocol = option(out.fd.get(), SO_PROTOCOL);
  out.blocking = (fcntl(out.fd.get(), F_GETFL) & O_NONBLOCK) == 0;
  return 0;
}

// A socket address as the kernel will be given it, with the pin that its path goes through.
struct Address {
  sockaddr_storage bytes{};
  socklen_t length = 0;
  Fd pin;           // the unix socket to reach, or the folder to bind in
  bool by_caller_folder = false;  // bind: `bytes` is relative to the caller's own working directory (`pin`)
  bool judged = false;            // false: names no peer (AF_UNSPEC, an unnamed unix address)

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
  sa_family_t family() const { return bytes.ss_family; }
  bool same(const Address& other) const {
    return length == other.length && memcmp(&bytes, &other.bytes, length) == 0;
  }
};

// 0 or errno. Copies the caller's bytes, once.
int copy_address(Caller& caller, uint64_t at, uint64_t length, Address& out) {
  if (static_cast<int>(length) < 0 || length > sizeof out.bytes) return EINVAL;
  if (const int error = caller.read(at, &out.bytes, length)) return -error;
  out.length = static_cast<socklen_t>(length);
  return 0;
}

enum class Use { kConnect, kBind, kSend };

Event event_of(Caller& caller, Use use) {
  Event event;
  event.op = use == Use::kConnect ? Op::kConnect : use == Use::kBind ? Op::kBind : Op::kSend;
  event.pid = caller.tgid();
  event.exe = caller.exe();
  return event;
}

void set_path(Address& address, const std::string& path) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  memcpy(un.sun_path, path.data(), std::min(path.size(), sizeof un.sun_path - 1));
  memcpy(&address.bytes, &un, sizeof un);
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
}

struct Named {
  int error = 0;      // the call fails as the kernel's would
  bool refused = false;
  Reason reason = Reason::kUnsupported;
  static Named fails(int error) { return {error, false, Reason::kPolicy}; }
  static Named refuses(Reason reason) { return {0, true, reason}; }
};

Named name_path(Caller& caller, Use use, const std::string& path, Address& address, Event& event) {
  if (use == Use::kBind) {
    Place where;
    const int error = place(caller, AT_FDCWD, path, 0, where);
    if (error != 0) return error == kUnresolvable ? Named::refuses(Reason::kUnresolvable) : Named::fails(error);
    if (where.protected_) return Named::refuses(Reason::kProtected);
    event.path = where.name();
    address.pin = std::move(where.parent);
    address.by_caller_folder = path.find('/') == std::string::npos;
    set_path(address, address.by_caller_folder ? path : fd_path(address.pin.get()) + "/" + where.last);
    return {};
  }
  Pinned peer;
  const int error = pin(caller, AT_FDCWD, path, {}, peer);
  if (error != 0) return error == kUnresolvable ? Named::refuses(Reason::kUnresolvable) : Named::fails(error);
  if (peer.protected_) return Named::refuses(Reason::kProtected);
  event.path = peer.name;
  address.pin = std::move(peer.fd);
  set_path(address, fd_path(address.pin.get()));
  return {};
}

Named name_unix(Caller& caller, Use use, Address& address, Event& event) {
  const size_t head = offsetof(sockaddr_un, sun_path);
  if (address.length <= head) return {};  // unnamed: an automatic name, or the kernel's own error
  event.is_unix = true;
  address.judged = true;
  const char* text = reinterpret_cast<const sockaddr_un*>(&address.bytes)->sun_path;
  const size_t size = address.length - head;
  if (text[0] != 0) return name_path(caller, use, std::string(text, strnlen(text, size)), address, event);
  event.path.assign(1, '@');
  for (size_t i = 1; i < size; i++) {
    if (text[i] == 0) event.path += "\\0";
    else event.path += text[i];
  }
  return {};
}

void set_inet4(Event& event, const in_addr& address, in_port_t port) {
  event.is_address = true;
  event.address[10] = event.address[11] = 0xff;
  memcpy(event.address + 12, &address, 4);
  event.port = ntohs(port);
}

// Fills `event` with the address as policy sees it, and pins what a path leads to.
Named name_address(Caller& caller, Use use, const Socket& socket, Address& address, Event& event) {
  event.protocol = socket.type == SOCK_STREAM ? 0 : socket.type == SOCK_DGRAM ? 1 : 3;
  sa_family_t family = address.family();
  if (address.length < sizeof family) return Named::fails(EINVAL);
  const bool inet = socket.domain == AF_INET || socket.domain == AF_INET6;
  if (family == AF_UNSPEC) {
    if (use == Use::kConnect || socket.domain != AF_INET) return {};  // dissolves an association, or names none
    // The kernel reads it as AF_INET here; so that both read the same, it is.
    family = address.bytes.ss_family = AF_INET;
  }
  if (family == AF_INET) {
    if (!inet) return Named::fails(EINVAL);
    if (address.length < sizeof(sockaddr_in)) return Named::fails(EINVAL);
    const auto& in = *reinterpret_cast<const sockaddr_in*>(&address.bytes);
    set_inet4(event, in.sin_addr, in.sin_port);
  } else if (family == AF_INET6) {
    if (socket.domain != AF_INET6) return Named::fails(inet ? EAFNOSUPPORT : EINVAL);
    if (address.length < 24) return Named::fails(EINVAL);
    const auto& in6 = *reinterpret_cast<const sockaddr_in6*>(&address.bytes);
    event.is_address = true;
    memcpy(event.address, &in6.sin6_addr, 16);
    event.port = ntohs(in6.sin6_port);
  } else if (family == AF_UNIX) {
    if (socket.domain != AF_UNIX) return Named::fails(inet ? EAFNOSUPPORT : EINVAL);
    return name_unix(caller, use, address, event);
  } else if (family == AF_NETLINK) {
    if (socket.domain != AF_NETLINK) return Named::fails(inet ? EAFNOSUPPORT : EINVAL);
    event.is_address = true;
    event.protocol = 2;
    event.port = static_cast<uint16_t>(socket.protocol);
  } else {
    event.is_address = true;
    event.protocol = 3;
    return Named::refuses(Reason::kUnsupported);
  }
  address.judged = true;
  return {};
}

// --- connect and bind ----------------------------------------------------------------------------------------

class Connect final : public Attempt {
 public:
  Connect(Socket socket, Address address) : socket_(std::move(socket)), address_(std::move(address)) {}
  bool may_block() const override { return socket_.blocking && socket_.type != SOCK_DGRAM; }
  Outcome perform(Caller&) override {
    if (connect(socket_.fd.get(), address_.get(), address_.length) == 0) return Outcome::result(0);
    return Outcome::fail(errno);
  }

 private:
  Socket socket_;
  Address address_;
};

class Bind final : public Attempt {
 public:
  Bind(Socket socket, Address address) : socket_(std::move(socket)), address_(std::move(address)) {}
  Outcome perform(Caller& caller) override {
    if (address_.pin) {
      const int mask = caller.umask();
      if (mask < 0) return Outcome::fail(EACCES);
      ::umask(static_cast<mode_t>(mask));
      // This thread's working directory is its own; nothing else here depends on it.
      if (address_.by_caller_folder && fchdir(address_.pin.get()) != 0) return Outcome::fail(errno);
    }
    const int result = bind(socket_.fd.get(), address_.get(), address_.length);
    const int error = errno;
    if (address_.by_caller_folder && chdir("/") != 0) return Outcome::fail(EACCES);
    return result == 0 ? Outcome::result(0) : Outcome::fail(error);
  }

 private:
  Socket socket_;
  Address address_;
};

template <class Kind>
Prepared prepare_named(Caller& caller, Use use) {
  Socket socket;
  if (const int error = take_socket(caller, static_cast<int>(caller.arg(0)), socket)) return Fails{error};
  Address address;
  if (const int error = copy_address(caller, caller.arg(1), static_cast<uint32_t>(caller.arg(2)), address))
    return Fails{error};
  Event event = event_of(caller, use);
  const Named named = name_address(caller, use, socket, address, event);
  if (named.error != 0) return Fails{named.error};
  if (named.refused) return Refused{named.reason, std::move(event)};
  const bool judged = address.judged;
  auto attempt = std::make_unique<Kind>(std::move(socket), std::move(address));
  attempt->event = std::move(event);
  if (!judged) return Unjudged{std::move(attempt)};
  return attempt;
}

// --- sends ---------------------------------------------------------------------------------------------------

// One message, copied whole.
struct Message {
  Address to;
  bool addressed = false;
  std::vector<char> data;
  std::vector<char> control;
  std::vector<Fd> passed;   // duplicates of the descriptors in `control`
};

// Replaces the descriptors of every SCM_RIGHTS by duplicates. 0 or errno.
int take_control(Caller& caller, Message& message) {
  msghdr view{};
  view.msg_control = message.control.data();
  view.msg_controllen = message.control.size();
  for (cmsghdr* part = CMSG_FIRSTHDR(&view); part != nullptr; part = CMSG_NXTHDR(&view, part)) {
    const size_t begin = reinterpret_cast<char*>(part) - message.control.data();
    if (part->cmsg_len < sizeof(cmsghdr) || part->cmsg_len > message.control.size() - begin) return EINVAL;
    if (part->cmsg_level != SOL_SOCKET) continue;
    if (part->cmsg_type == SCM_RIGHTS) {
      auto* numbers = reinterpret_cast<int*>(CMSG_DATA(part));
      const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; i++) {
        int number, error = 0;
        memcpy(&number, numbers + i, sizeof number);
        Fd copy = caller.duplicate(number, error);
        if (!copy) return error;
        number = copy.get();
        memcpy(numbers + i, &number, sizeof number);
        message.passed.push_back(std::move(copy));
      }
    } else if (part->cmsg_type == SCM_CREDENTIALS) {
      // Sent from here they name the monitor; only the caller's own are passed on, where the kernel lets us.
      ucred who{};
      if (part->cmsg_len != CMSG_LEN(sizeof who)) return EINVAL;
      memcpy(&who, CMSG_DATA(part), sizeof who);
      if (who.pid != caller.tgid()) return EPERM;
    }
  }
  return 0;
}

// 0 or errno. `header` has been copied from the caller.
int take_message(Caller& caller, const Socket& socket, const msghdr& header, Message& out) {
  if (header.msg_name != nullptr && header.msg_namelen != 0) {
    out.addressed = true;
    const uint64_t length = std::min<uint64_t>(header.msg_namelen, sizeof out.to.bytes);
    if (static_cast<int>(header.msg_namelen) < 0) return EINVAL;
    if (const int error = copy_address(caller, reinterpret_cast<uint64_t>(header.msg_name), length, out.to))
      return error;
  }
  if (header.msg_iovlen > kMostSegments) return EMSGSIZE;
  std::vector<iovec> segments(header.msg_iovlen);
  if (const int error = caller.read(reinterpret_cast<uint64_t>(header.msg_iov), segments.data(),
                                    segments.size() * sizeof(iovec)))
    return -error;
  for (const iovec& segment : segments) {
    size_t bytes = segment.iov_len;
    const size_t most = socket.stream() ? kLongestStream : kLongestDatagram;
    if (bytes > most - out.data.size()) {
      if (!socket.stream()) return EMSGSIZE;
      bytes = most - out.data.size();
    }
    const size_t at = out.data.size();
    out.data.resize(at + bytes);
    if (const int error = caller.read(reinterpret_cast<uint64_t>(segment.iov_base), out.data.data() + at, bytes))
      return -error;
    if (out.data.size() == most) break;
  }
  if (header.msg_control == nullptr || header.msg_controllen == 0) return 0;
  if (header.msg_controllen > kLongestControl) return ENOBUFS;
  out.control.resize(header.msg_controllen);
  if (const int error =
          caller.read(reinterpret_cast<uint64_t>(header.msg_control), out.control.data(), out.control.size()))
    return -error;
  return take_control(caller, out);
}

class Send final : public Attempt {
 public:
  Send(Socket socket, int flags) : socket_(std::move(socket)), flags_(flags) {}

  std::vector<Message> messages;
  // Where the sent length of message i goes in the caller (sendmmsg); 0: the total is the result (others).
  std::vector<uint64_t> lengths;

  bool may_block() const override {
    if (!socket_.blocking || (flags_ & MSG_DONTWAIT)) return false;
    if (socket_.domain == AF_UNIX && !socket_.stream()) return true;  // waits for the peer's queue
    size_t total = 0;
    for (const Message& message : messages) total += message.data.size();
    if (socket_.stream() && total > kAtOnce) return true;
    pollfd ready{socket_.fd.get(), POLLOUT, 0};
    return poll(&ready, 1, 0) != 1;
  }

  Outcome perform(Caller& caller) override {
    const int waiting = may_block() ? 0 : MSG_DONTWAIT;
    size_t sent = 0;
    for (; sent < messages.size(); sent++) {
      const ssize_t bytes = send(messages[sent], waiting);
      if (bytes < 0) {
        if (errno == EPIPE) broken_pipe(caller);
        if (sent == 0) return Outcome::fail(errno);
        break;
      }
      if (lengths.empty()) return Outcome::result(bytes);
      const uint32_t length = static_cast<uint32_t>(bytes);
      if (const int error = caller.write(lengths[sent], &length, sizeof length))
        return sent == 0 ? Outcome::fail(-error) : Outcome::result(static_cast<int64_t>(sent));
    }
    return Outcome::result(static_cast<int64_t>(sent));
  }

 private:
  ssize_t send(Message& message, int waiting) {
    iovec data{message.data.data(), message.data.size()};
    msghdr header{};
    if (message.addressed) {
      header.msg_name = &message.to.bytes;
      header.msg_namelen = message.to.length;
    }
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    if (!message.control.empty()) {
      header.msg_control = message.control.data();
      header.msg_controllen = message.control.size();
    }
    return sendmsg(socket_.fd.get(), &header, flags_ | waiting | MSG_NOSIGNAL);
  }

  // The signal that the kernel would have sent to the caller.
  void broken_pipe(Caller& caller) {
    const int kept = errno;
    if ((flags_ & MSG_NOSIGNAL) == 0 && socket_.stream() && caller.valid())
      syscall(SYS_tgkill, caller.tgid(), caller.tid(), SIGPIPE);
    errno = kept;
  }

  Socket socket_;
  int flags_;
};

// Names the destination of `attempt`'s first message and makes it the event.
Prepared judge_send(Caller& caller, const Socket& kind, int flags, std::unique_ptr<Send> attempt) {
  Message& first = attempt->messages.front();
  Event event = event_of(caller, Use::kSend);
  if (!first.addressed) return Unjudged{std::move(attempt)};
  const Named named = name_address(caller, Use::kSend, kind, first.to, event);
  if (named.error != 0) return Fails{named.error};
  if (named.refused) return Refused{named.reason, std::move(event)};
  if (!first.to.judged) return Unjudged{std::move(attempt)};
  if (flags & MSG_FASTOPEN) event.also |= 1u << static_cast<int>(Op::kConnect);
  // Every message goes to the very address that is judged.
  for (size_t i = 1; i < attempt->messages.size(); i++) {
    Address& to = attempt->messages[i].to;
    to.bytes = first.to.bytes;
    to.length = first.to.length;
  }
  attempt->event = std::move(event);
  return attempt;
}

// What name_address needs to know after the socket has moved into the attempt.
Socket kind_of(const Socket& socket) {
  Socket kind;
  kind.domain = socket.domain;
  kind.type = socket.type;
  kind.protocol = socket.protocol;
  return kind;
}

Prepared prepare_sendto(Caller& caller) {
  Socket socket;
  if (const int error = take_socket(caller, static_cast<int>(caller.arg(0)), socket)) return Fails{error};
  const int flags = static_cast<int>(caller.arg(3));
  iovec data{reinterpret_cast<void*>(caller.arg(1)), caller.arg(2)};
  Message message;
  const size_t most = socket.stream() ? kLongestStream : kLongestDatagram;
  if (data.iov_len > most && !socket.stream()) return Fails{EMSGSIZE};
  message.data.resize(std::min(data.iov_len, most));
  if (const int error = caller.read(caller.arg(1), message.data.data(), message.data.size())) return Fails{-error};
  message.addressed = true;
  if (const int error = copy_address(caller, caller.arg(4), static_cast<uint32_t>(caller.arg(5)), message.to))
    return Fails{error};
  if (message.to.length == 0) message.addressed = false;
  const Socket kind = kind_of(socket);
  auto attempt = std::make_unique<Send>(std::move(socket), flags);
  attempt->messages.push_back(std::move(message));
  return judge_send(caller, kind, flags, std::move(attempt));
}

Prepared prepare_sendmsg(Caller& caller) {
  Socket socket;
  if (const int error = take_socket(caller, static_cast<int>(caller.arg(0)), socket)) return Fails{error};
  const int flags = static_cast<int>(caller.arg(2));
  msghdr header;
  if (const int error = caller.read(caller.arg(1), &header, sizeof header)) return Fails{-error};
  Message message;
  if (const int error = take_message(caller, socket, header, message)) return Fails{error};
  const Socket kind = kind_of(socket);
  auto attempt = std::make_unique<Send>(std::move(socket), flags);
  attempt->messages.push_back(std::move(message));
  return judge_send(caller, kind, flags, std::move(attempt));
}

// The leading messages that share the first one's destination: one event has one address, and a short count
// sends the caller back for the rest.
Prepared prepare_sendmmsg(Caller& caller) {
  Socket socket;
  if (const int error = take_socket(caller, static_cast<int>(caller.arg(0)), socket)) return Fails{error};
  const int flags = static_cast<int>(caller.arg(3));
  const size_t count = std::min<size_t>(static_cast<uint32_t>(caller.arg(2)), kMostMessages);
  std::vector<Message> messages;
  std::vector<uint64_t> lengths;
  for (size_t i = 0; i < count; i++) {
    const uint64_t at = caller.arg(1) + i * sizeof(mmsghdr);
    mmsghdr header;
    Message message;
    int error = -caller.read(at, &header, sizeof header);
    if (error == 0) error = take_message(caller, socket, header.msg_hdr, message);
    if (error != 0) {
      if (i == 0) return Fails{error};
      break;
    }
    if (i > 0 && (message.addressed != messages[0].addressed ||
                  (message.addressed && !message.to.same(messages[0].to))))
      break;
    messages.push_back(std::move(message));
    lengths.push_back(at + offsetof(mmsghdr, msg_len));
  }
  const Socket kind = kind_of(socket);
  auto attempt = std::make_unique<Send>(std::move(socket), flags);
  attempt->messages = std::move(messages);
  attempt->lengths = std::move(lengths);
  if (attempt->messages.empty()) return Unjudged{std::move(attempt)};  // sends nothing: the result is 0
  return judge_send(caller, kind, flags, std::move(attempt));
}

}  // namespace

Prepared prepare_net(Caller& caller) {
  switch (caller.nr()) {
    case __NR_connect: return prepare_named<Connect>(caller, Use::kConnect);
    case __NR_bind: return prepare_named<Bind>(caller, Use::kBind);
    case __NR_sendto: return prepare_sendto(caller);
    case __NR_sendmsg: return prepare_sendmsg(caller);
    default: return prepare_sendmmsg(caller);
  }
}

}  // namespace portcullis
