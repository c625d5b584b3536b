// See socket.h. An address is read by the family in it and by the socket that it is given to: the kernel takes
// AF_UNSPEC for AF_INET in places, and IPv4 addresses on IPv6 sockets.
//
// Not mediated, and refused: every family but IPv4, IPv6, unix and netlink.
#include "socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "resolve.h"

namespace portcullis {
namespace {

constexpr uint8_t kTcp = 0, kUdp = 1, kNetlink = 2, kOther = 3;   // Tag::kAddress
constexpr size_t kShortestInet6 = 24;                             // without the scope, as RFC 2133 had it
constexpr size_t kUnixHead = offsetof(sockaddr_un, sun_path);

int option(int fd, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

Named nobody() { return {Named::kNobody, 0, Reason::kPolicy}; }
Named fails(int error) { return {Named::kFails, error, Reason::kPolicy}; }
Named refused(Reason reason) { return {Named::kRefused, 0, reason}; }
Named unless_found(int error) { return error == kUnresolvable ? refused(Reason::kUnresolvable) : fails(error); }

uint8_t protocol_of(const Socket& socket) {
  constexpr int kMptcp = 262;
  if (socket.domain == AF_NETLINK) return kNetlink;
  if (socket.protocol == IPPROTO_TCP || socket.protocol == kMptcp) return kTcp;
  return socket.protocol == IPPROTO_UDP ? kUdp : kOther;
}

// As a destination, "any" means this host: said so, so that what is judged is what is reached.
void resolve_any(Use use, in_addr& address) {
  if (use != Use::kBind && address.s_addr == htonl(INADDR_ANY)) address.s_addr = htonl(INADDR_LOOPBACK);
}

Named name_inet4(Use use, Address& address, Event& event) {
  if (address.length < sizeof(sockaddr_in)) return fails(EINVAL);
  auto& in = *reinterpret_cast<sockaddr_in*>(&address.bytes);
  resolve_any(use, in.sin_addr);
  event.address[10] = event.address[11] = 0xff;
  memcpy(event.address + 12, &in.sin_addr, 4);
  event.port = ntohs(in.sin_port);
  return {};
}

Named name_inet6(Use use, Address& address, Event& event) {
  if (address.length < kShortestInet6) return fails(EINVAL);
  auto& in6 = *reinterpret_cast<sockaddr_in6*>(&address.bytes);
  if (use != Use::kBind && IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr)) in6.sin6_addr = in6addr_loopback;
  if (IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr)) {
    in_addr mapped;
    memcpy(&mapped, in6.sin6_addr.s6_addr + 12, 4);
    resolve_any(use, mapped);
    memcpy(in6.sin6_addr.s6_addr + 12, &mapped, 4);
  }
  memcpy(event.address, &in6.sin6_addr, 16);
  event.port = ntohs(in6.sin6_port);
  return {};
}

Named name_inet(Use use, const Socket& socket, Address& address, Event& event) {
  event.is_address = true;
  sa_family_t& family = address.bytes.ss_family;
  if (family == AF_UNSPEC) {
    if (use == Use::kConnect) return nobody();
    // IPv4 sockets read it as AF_INET. IPv6 ones take it for no address or for AF_INET6, by protocol: judged as
    // the latter, which is the stricter.
    if (socket.domain == AF_INET) family = AF_INET;
    else return address.length < kShortestInet6 ? nobody() : name_inet6(use, address, event);
  }
  if (family == AF_INET) return name_inet4(use, address, event);
  if (family == AF_INET6 && socket.domain == AF_INET6) return name_inet6(use, address, event);
  return fails(EAFNOSUPPORT);
}

// The address of a netlink peer: 0 is the kernel; else its port id, and the groups of a multicast.
Named name_netlink(Use use, const Socket& socket, const Address& address, Event& event) {
  event.is_address = true;
  const auto& netlink = *reinterpret_cast<const sockaddr_nl*>(&address.bytes);
  if (netlink.nl_family == AF_UNSPEC && use == Use::kConnect) return nobody();
  if (netlink.nl_family != AF_NETLINK || address.length < sizeof netlink) return fails(EINVAL);
  event.port = static_cast<uint16_t>(socket.protocol);
  if (use == Use::kBind) return {};
  const uint32_t groups = htonl(netlink.nl_groups), peer = htonl(netlink.nl_pid);
  memcpy(event.address + 8, &groups, 4);
  memcpy(event.address + 12, &peer, 4);
  return {};
}

Named name_path(Caller& caller, Use use, const std::string& path, Address& address, Event& event) {
  event.path = path;
  if (use == Use::kBind) {
    Place where;
    if (const int error = place(caller, AT_FDCWD, path, 0, where); error != 0) return unless_found(error);
    if (where.last.empty()) return fails(EADDRINUSE);
    event.path = where.name();
    address.pin = std::move(where.parent);
    address.last = std::move(where.last);
    return where.protected_ ? refused(Reason::kProtected) : Named();
  }
  Pinned peer;
  if (const int error = pin(caller, AT_FDCWD, path, Lookup(), peer); error != 0) return unless_found(error);
  event.path = peer.name;
  if (peer.protected_) return refused(Reason::kProtected);
  address.pin = std::move(peer.fd);
  const std::string pinned = fd_path(address.pin.get());
  auto& un = *reinterpret_cast<sockaddr_un*>(&address.bytes);
  memcpy(un.sun_path, pinned.c_str(), pinned.size() + 1);
  address.length = static_cast<socklen_t>(kUnixHead + pinned.size() + 1);
  return {};
}

Named name_unix(Caller& caller, Use use, Address& address, Event& event) {
  event.is_unix = true;
  const auto& un = *reinterpret_cast<const sockaddr_un*>(&address.bytes);
  if (un.sun_family == AF_UNSPEC && use == Use::kConnect) return nobody();
  if (un.sun_family != AF_UNIX || address.length > sizeof un) return fails(EINVAL);
  if (address.length == kUnixHead && use == Use::kBind) return nobody();
  if (address.length <= kUnixHead) return fails(EINVAL);
  const size_t size = address.length - kUnixHead;
  if (un.sun_path[0] != 0) return name_path(caller, use, std::string(un.sun_path, strnlen(un.sun_path, size)), address, event);
  // An abstract name is any bytes; NUL, which ends a word, is written \0, and \ is doubled so that no two names
  // look alike.
  event.path.assign(1, '@');
  for (size_t i = 1; i < size; i++) {
    if (un.sun_path[i] == 0) event.path += "\\0";
    else if (un.sun_path[i] == '\\') event.path += "\\\\";
    else event.path += un.sun_path[i];
  }
  return {};
}

}  // namespace

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

int copy_address(Caller& caller, uint64_t at, uint64_t length, Address& out) {
  if (static_cast<int>(length) < 0 || length > sizeof out.bytes) return EINVAL;
  if (const int error = caller.read(at, &out.bytes, length); error != 0) return -error;
  out.length = static_cast<socklen_t>(length);
  return 0;
}

Named name_address(Caller& caller, Use use, const Socket& socket, Address& address, Event& event) {
  event.op = use == Use::kConnect ? Op::kConnect : use == Use::kBind ? Op::kBind : Op::kSend;
  event.pid = caller.tgid();
  event.exe = caller.exe();
  event.protocol = protocol_of(socket);
  const bool known = socket.domain == AF_INET || socket.domain == AF_INET6 || socket.domain == AF_UNIX ||
                     socket.domain == AF_NETLINK;
  if (known && address.length < sizeof(sa_family_t)) return fails(EINVAL);
  if (socket.domain == AF_INET || socket.domain == AF_INET6) return name_inet(use, socket, address, event);
  if (socket.domain == AF_UNIX) return name_unix(caller, use, address, event);
  if (socket.domain == AF_NETLINK) return name_netlink(use, socket, address, event);
  event.is_address = true;
  return refused(Reason::kUnsupported);
}

}  // namespace portcullis
