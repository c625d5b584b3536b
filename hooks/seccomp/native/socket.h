// The caller's sockets and the addresses that its calls name: taken once, pinned, and turned into what policy
// judges.
#pragma once
#include <sys/socket.h>

#include "gate.h"

namespace portcullis {

// A duplicate of the caller's socket, and what it is.
struct Socket {
  Fd fd;
  int domain = 0, type = 0, protocol = 0;
  bool blocking = false;
};

// 0, or the errno that the call itself would give.
int take_socket(Caller& caller, int number, Socket& out);

// A socket address as the kernel will be given it: the caller's bytes, but that a unix path to reach is replaced
// by the pin of the socket found there, and "any address" as a destination by the loopback that it means.
struct Address {
  sockaddr_storage bytes{};
  socklen_t length = 0;
  Fd pin;            // the unix socket to reach, or the folder to bind in
  std::string last;  // bind: the name in that folder

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

// Copies the caller's bytes. 0 or errno.
int copy_address(Caller& caller, uint64_t at, uint64_t length, Address& out);

enum class Use { kConnect, kBind, kSend };

struct Named {
  enum Kind {
    kJudged,    // the event names the address
    kNobody,    // names no peer: dissolves an association, or takes an automatic name
    kFails,     // fails with `error`, as the kernel would fail it
    kRefused,   // cannot be judged, for `reason`; the event says what is known
  } kind = kJudged;
  int error = 0;
  Reason reason = Reason::kPolicy;
};

// Fills `event` (subject included) with the address as policy sees it, and pins what a path leads to.
Named name_address(Caller& caller, Use use, const Socket& socket, Address& address, Event& event);

// sendto, sendmsg, sendmmsg (send_ops.cc).
Prepared prepare_send(Caller& caller);

}  // namespace portcullis
