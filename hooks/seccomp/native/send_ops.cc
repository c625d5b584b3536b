// Sends. sendmsg and sendmmsg hold their address in memory, and the filter cannot see whether there is one, so
// both are always performed here: on a copy of the whole message when it is sent with an address, and likewise,
// without judgement, when it is not. The address, the control data and the descriptors in it are copied when the
// call arrives; the payload, which nobody judges, when it is sent.
//
// Different from a call of one's own: a datagram of more than 1 MiB is refused (EMSGSIZE); MSG_ZEROCOPY answers
// ENOBUFS, as where the kernel has no room for it; messages that would route around their address (IP options,
// IPv6 routing headers) are refused. Receivers on unix sockets that ask for credentials see the caller's process
// id where the monitor is privileged, and otherwise the monitor's.
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "resolve.h"
#include "socket.h"
#include "syscalls.h"

namespace portcullis {
namespace {

constexpr size_t kLongestDatagram = 1u << 20;
constexpr size_t kChunk = 256u << 10;            // of a stream, at once
constexpr size_t kMostHere = 1u << 20;           // of a stream, before others get their turn
constexpr size_t kLongestControl = 128u << 10;
constexpr size_t kMostSegments = 1024;           // UIO_MAXIOV
constexpr size_t kMostMessages = 64;             // at once; a short count is legal
constexpr size_t kMostPassed = 253;              // SCM_MAX_FD

constexpr uint16_t bit(Op op) { return static_cast<uint16_t>(1u << static_cast<unsigned>(op)); }

// One message as the caller laid it out.
struct Message {
  Address to;
  bool addressed = false;
  std::vector<iovec> segments;    // in the caller's memory
  std::vector<char> control;
  std::vector<Fd> passed;         // duplicates of the descriptors in `control`
  bool names_sender = false;      // `control` holds credentials
  uint64_t length_at = 0;         // where sendmmsg wants the length sent

  size_t bytes() const {
    size_t total = 0;
    for (const iovec& segment : segments) total += segment.iov_len;
    return total;
  }
};

// --- taking messages ---------------------------------------------------------------------------------------

// What became of reading one: an errno as the kernel's, or a reason to refuse.
struct Taken {
  int error = 0;
  Reason reason = Reason::kPolicy;
  bool ok() const { return error == 0 && reason == Reason::kPolicy; }
};

bool reroutes(const cmsghdr& part) {
  constexpr int kOldRoutingHeader = 5;  // IPV6_2292RTHDR
  if (part.cmsg_level == IPPROTO_IP) return part.cmsg_type == IP_RETOPTS;
  return part.cmsg_level == IPPROTO_IPV6 && (part.cmsg_type == IPV6_RTHDR || part.cmsg_type == kOldRoutingHeader);
}

Taken take_descriptors(Caller& caller, cmsghdr* part, Message& out) {
  const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  if (count > kMostPassed - std::min(kMostPassed, out.passed.size())) return {EINVAL, Reason::kPolicy};
  for (size_t i = 0; i < count; i++) {
    int number, error = 0;
    memcpy(&number, CMSG_DATA(part) + i * sizeof number, sizeof number);
    Fd copy = caller.duplicate(number, error);
    if (!copy) return {error, Reason::kPolicy};
    number = copy.get();
    memcpy(CMSG_DATA(part) + i * sizeof number, &number, sizeof number);
    out.passed.push_back(std::move(copy));
  }
  return {};
}

// Whether the kernel lets the monitor give another process's id as the sender's (CAP_SYS_ADMIN does). Tried once.
bool may_name(const ucred& who) {
  static const bool may = [&who] {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    const Fd here(pair[0]), there(pair[1]);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof who)] = {};
    msghdr message{};
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_len = CMSG_LEN(sizeof who);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_CREDENTIALS;
    memcpy(CMSG_DATA(part), &who, sizeof who);
    return sendmsg(here.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  }();
  return may;
}

// Checks the control data as the kernel does, and replaces descriptors by duplicates.
Taken take_control(Caller& caller, Message& out) {
  msghdr view{};
  view.msg_control = out.control.data();
  view.msg_controllen = out.control.size();
  for (cmsghdr* part = CMSG_FIRSTHDR(&view); part != nullptr; part = CMSG_NXTHDR(&view, part)) {
    const size_t begin = static_cast<size_t>(reinterpret_cast<char*>(part) - out.control.data());
    if (part->cmsg_len < sizeof(cmsghdr) || part->cmsg_len > out.control.size() - begin) return {EINVAL, Reason::kPolicy};
    if (reroutes(*part)) return {0, Reason::kUnsupported};
    if (part->cmsg_level != SOL_SOCKET) continue;
    if (part->cmsg_type == SCM_RIGHTS) {
      if (const Taken taken = take_descriptors(caller, part, out); !taken.ok()) return taken;
    } else if (part->cmsg_type == SCM_CREDENTIALS) {
      ucred who;
      if (part->cmsg_len != CMSG_LEN(sizeof who)) return {EINVAL, Reason::kPolicy};
      memcpy(&who, CMSG_DATA(part), sizeof who);
      if (who.pid != caller.tgid()) return {EPERM, Reason::kPolicy};
      if (!may_name(who)) who.pid = getpid();
      memcpy(CMSG_DATA(part), &who, sizeof who);
      out.names_sender = true;
    }
  }
  return {};
}

// Adds the caller's credentials to a message that has none, as the kernel would for a call of its own.
void add_credentials(Caller& caller, Message& out) {
  const ucred who{caller.tgid(), getuid(), getgid()};
  if (!may_name(who)) return;
  const size_t at = CMSG_ALIGN(out.control.size());
  out.control.resize(at + CMSG_SPACE(sizeof(ucred)));
  cmsghdr head{};
  head.cmsg_len = CMSG_LEN(sizeof(ucred));
  head.cmsg_level = SOL_SOCKET;
  head.cmsg_type = SCM_CREDENTIALS;
  memcpy(out.control.data() + at, &head, sizeof head);
  memcpy(out.control.data() + at + CMSG_LEN(0), &who, sizeof who);
}

Taken take_message(Caller& caller, const Socket& socket, const msghdr& header, Message& out) {
  const auto fails = [](int error) { return Taken{error, Reason::kPolicy}; };
  if (static_cast<int>(header.msg_namelen) < 0) return fails(EINVAL);
  if (header.msg_name != nullptr && header.msg_namelen != 0) {
    out.addressed = true;
    const size_t length = std::min<size_t>(header.msg_namelen, sizeof out.to.bytes);
    if (const int error = copy_address(caller, reinterpret_cast<uint64_t>(header.msg_name), length, out.to); error != 0)
      return fails(error);
  }
  if (header.msg_iovlen > kMostSegments) return fails(EMSGSIZE);
  out.segments.resize(header.msg_iovlen);
  const size_t segments = out.segments.size() * sizeof(iovec);
  if (const int error = caller.read(reinterpret_cast<uint64_t>(header.msg_iov), out.segments.data(), segments); error != 0)
    return fails(-error);
  for (const iovec& segment : out.segments)
    if (segment.iov_len > SIZE_MAX / 2 / kMostSegments) return fails(EINVAL);
  if (header.msg_controllen > kLongestControl) return fails(ENOBUFS);
  if (header.msg_control != nullptr && header.msg_controllen != 0) {
    out.control.resize(header.msg_controllen);
    const uint64_t at = reinterpret_cast<uint64_t>(header.msg_control);
    if (const int error = caller.read(at, out.control.data(), out.control.size()); error != 0) return fails(-error);
    if (const Taken taken = take_control(caller, out); !taken.ok()) return taken;
  }
  if (socket.domain == AF_UNIX && !out.names_sender) add_credentials(caller, out);
  return {};
}

// --- sending -----------------------------------------------------------------------------------------------

// Messages to one destination. Sent without waiting first; what would have to wait is continued on a worker.
class Send final : public Attempt {
 public:
  Send(Socket socket, int flags, std::vector<Message> messages, bool several)
      : socket_(std::move(socket)), flags_(flags), messages_(std::move(messages)), several_(several),
        waits_(socket_.blocking && (flags & MSG_DONTWAIT) == 0) {}

  // A fast open waits for its handshake, and says something else than "again" when it may not.
  bool may_block() const override { return waits_ && (flags_ & MSG_FASTOPEN) != 0; }
  Outcome perform(Caller& caller) override;

  Message& first() { return messages_.front(); }
  const Socket& socket() const { return socket_; }

 private:
  enum class Step { kDone, kFailed, kLater };

  bool stream() const { return socket_.type == SOCK_STREAM; }
  Step send_one(Caller& caller, Message& message, bool patient);
  Step send_piece(Caller& caller, Message& message, size_t bytes, bool patient);
  ssize_t give(Message& message, std::vector<char>& data, int flags);
  bool gather(Caller& caller, const Message& message, size_t bytes, std::vector<char>& data);

  Socket socket_;
  const int flags_;
  std::vector<Message> messages_;
  const bool several_;            // sendmmsg: the result counts messages, not bytes
  const bool waits_;
  bool begun_ = false;            // perform() has been called
  // How far it came; kept from one perform() to the next.
  size_t done_ = 0;               // messages sent
  size_t sent_ = 0;               // bytes of the current message
  int error_ = 0;                 // of the last kFailed
};

// Copies `bytes` of the payload from `sent_` on.
bool Send::gather(Caller& caller, const Message& message, size_t bytes, std::vector<char>& data) {
  data.resize(bytes);
  size_t skip = sent_, have = 0;
  for (const iovec& segment : message.segments) {
    if (have == bytes) break;
    if (skip >= segment.iov_len) {
      skip -= segment.iov_len;
      continue;
    }
    const size_t part = std::min(segment.iov_len - skip, bytes - have);
    const int error = caller.read(reinterpret_cast<uint64_t>(segment.iov_base) + skip, data.data() + have, part);
    if (error != 0) {
      error_ = -error;
      return false;
    }
    have += part;
    skip = 0;
  }
  return true;
}

ssize_t Send::give(Message& message, std::vector<char>& data, int flags) {
  iovec payload{data.data(), data.size()};
  msghdr header{};
  if (message.addressed) {
    header.msg_name = &message.to.bytes;
    header.msg_namelen = message.to.length;
  }
  header.msg_iov = &payload;
  header.msg_iovlen = 1;
  // Control data goes with the first bytes only.
  if (!message.control.empty() && sent_ == 0) {
    header.msg_control = message.control.data();
    header.msg_controllen = message.control.size();
  }
  return sendmsg(socket_.fd.get(), &header, flags);
}

Send::Step Send::send_piece(Caller& caller, Message& message, size_t bytes, bool patient) {
  std::vector<char> data;
  if (!gather(caller, message, bytes, data)) return Step::kFailed;
  const ssize_t count = give(message, data, flags_ | MSG_NOSIGNAL | (patient ? 0 : MSG_DONTWAIT));
  if (count < 0) {
    error_ = errno;
    return (error_ == EAGAIN || error_ == EWOULDBLOCK) && waits_ && !patient ? Step::kLater : Step::kFailed;
  }
  sent_ += static_cast<size_t>(count);
  return Step::kDone;
}

Send::Step Send::send_one(Caller& caller, Message& message, bool patient) {
  const size_t total = message.bytes();
  if (!stream()) {
    if (total <= kLongestDatagram) return send_piece(caller, message, total, patient);
    error_ = EMSGSIZE;
    return Step::kFailed;
  }
  do {
    const size_t before = sent_, piece = std::min(total - sent_, kChunk);
    if (const Step step = send_piece(caller, message, piece, patient); step != Step::kDone) return step;
    // A short count of a socket that may wait is followed by what shortened it.
    if (sent_ - before < piece && !waits_) return Step::kDone;
    if (sent_ < total && sent_ >= kMostHere && !patient) return waits_ ? Step::kLater : Step::kDone;
  } while (sent_ < total);
  return Step::kDone;
}

Outcome Send::perform(Caller& caller) {
  const bool patient = waits_ && (begun_ || may_block());
  begun_ = true;
  for (; done_ < messages_.size(); done_++) {
    const Step step = send_one(caller, messages_[done_], patient);
    if (step == Step::kLater) {
      Outcome outcome;
      outcome.later = true;
      return outcome;
    }
    if (step == Step::kFailed && sent_ == 0) {
      if (error_ == EPIPE && stream() && (flags_ & MSG_NOSIGNAL) == 0 && caller.valid())
        syscall(SYS_tgkill, caller.tgid(), caller.tid(), SIGPIPE);
      return done_ == 0 ? Outcome::fail(error_) : Outcome::result(static_cast<int64_t>(done_));
    }
    if (!several_) return Outcome::result(static_cast<int64_t>(sent_));
    const uint32_t length = static_cast<uint32_t>(sent_);
    sent_ = 0;
    if (const int error = caller.write(messages_[done_].length_at, &length, sizeof length); error != 0)
      return done_ == 0 ? Outcome::fail(-error) : Outcome::result(static_cast<int64_t>(done_));
  }
  return Outcome::result(static_cast<int64_t>(done_));
}

// --- judging -----------------------------------------------------------------------------------------------

// Names the one destination of all messages.
Prepared judged(Caller& caller, Socket socket, int flags, std::vector<Message> messages, bool several) {
  if (flags & MSG_ZEROCOPY) return Fails{ENOBUFS};
  Event event;
  Named named{Named::kNobody, 0, Reason::kPolicy};
  if (messages[0].addressed) named = name_address(caller, Use::kSend, socket, messages[0].to, event);
  if (named.kind == Named::kFails) return Fails{named.error};
  if (named.kind == Named::kRefused) return Refused{named.reason, std::move(event)};
  for (size_t i = 1; i < messages.size(); i++) {
    messages[i].to.bytes = messages[0].to.bytes;
    messages[i].to.length = messages[0].to.length;
  }
  if (flags & MSG_FASTOPEN) event.also |= bit(Op::kConnect);
  auto attempt = std::make_unique<Send>(std::move(socket), flags, std::move(messages), several);
  attempt->event = std::move(event);
  if (named.kind == Named::kNobody) return Unjudged{std::move(attempt)};
  return attempt;
}

Prepared untaken(Caller& caller, const Taken& taken) {
  if (taken.error != 0) return Fails{taken.error};
  Event event;
  event.op = Op::kSend;
  event.pid = caller.tgid();
  event.exe = caller.exe();
  event.is_address = true;
  event.protocol = 3;
  return Refused{taken.reason, std::move(event)};
}

Prepared prepare_sendto(Caller& caller, Socket socket) {
  std::vector<Message> messages(1);
  Message& message = messages[0];
  message.segments = {{reinterpret_cast<void*>(caller.arg(1)), std::min<size_t>(caller.arg(2), 0x7ffff000)}};
  const uint64_t length = static_cast<uint32_t>(caller.arg(5));
  if (const int error = copy_address(caller, caller.arg(4), length, message.to); error != 0) return Fails{error};
  message.addressed = message.to.length != 0;
  // Internet sockets refuse an address of no bytes; the others take it for none.
  if (!message.addressed && (socket.domain == AF_INET || socket.domain == AF_INET6) && socket.type != SOCK_STREAM)
    return Fails{EINVAL};
  if (socket.domain == AF_UNIX) add_credentials(caller, message);
  return judged(caller, std::move(socket), static_cast<int>(caller.arg(3)), std::move(messages), false);
}

Prepared prepare_sendmsg(Caller& caller, Socket socket) {
  msghdr header;
  if (const int error = caller.read(caller.arg(1), &header, sizeof header); error != 0) return Fails{-error};
  std::vector<Message> messages(1);
  if (const Taken taken = take_message(caller, socket, header, messages[0]); !taken.ok()) return untaken(caller, taken);
  return judged(caller, std::move(socket), static_cast<int>(caller.arg(2)), std::move(messages), false);
}

bool same_destination(const Message& a, const Message& b) {
  if (a.addressed != b.addressed) return false;
  return !a.addressed || (a.to.length == b.to.length && memcmp(&a.to.bytes, &b.to.bytes, a.to.length) == 0);
}

// The leading messages that share the first one's destination: one event has one address, and a short count
// sends the caller back for the rest.
Prepared prepare_sendmmsg(Caller& caller, Socket socket) {
  const size_t count = std::min<size_t>(static_cast<uint32_t>(caller.arg(2)), kMostMessages);
  std::vector<Message> messages;
  size_t passed = 0;
  for (size_t i = 0; i < count && passed <= kMostPassed; i++) {
    const uint64_t at = caller.arg(1) + i * sizeof(mmsghdr);
    mmsghdr header;
    Message message;
    Taken taken{-caller.read(at, &header, sizeof header), Reason::kPolicy};
    if (taken.ok()) taken = take_message(caller, socket, header.msg_hdr, message);
    if (!taken.ok() && i == 0) return untaken(caller, taken);
    if (!taken.ok() || (i > 0 && !same_destination(messages[0], message))) break;
    passed += message.passed.size();
    message.length_at = at + offsetof(mmsghdr, msg_len);
    messages.push_back(std::move(message));
  }
  if (messages.empty()) {  // none asked for: none sent
    auto nothing = std::make_unique<Send>(std::move(socket), 0, std::move(messages), true);
    return Unjudged{std::move(nothing)};
  }
  return judged(caller, std::move(socket), static_cast<int>(caller.arg(3)), std::move(messages), true);
}

}  // namespace

Prepared prepare_send(Caller& caller) {
  Socket socket;
  if (const int error = take_socket(caller, static_cast<int>(caller.arg(0)), socket); error != 0) return Fails{error};
  switch (caller.nr()) {
    case __NR_sendto: return prepare_sendto(caller, std::move(socket));
    case __NR_sendmsg: return prepare_sendmsg(caller, std::move(socket));
    default: return prepare_sendmmsg(caller, std::move(socket));
  }
}

}  // namespace portcullis
