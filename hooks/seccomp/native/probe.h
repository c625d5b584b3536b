// What this host offers the hook, found by asking the kernel.
#pragma once
#include <cstdint>
#include <string>

namespace portcullis {

struct Facts {
  std::string release;       // of the kernel
  std::string architecture;
  unsigned uid = 0;
  bool supported_architecture = false;
  bool user_notification = false;   // SECCOMP_RET_USER_NOTIF
  bool listener = false;            // a filter with a listener and WAIT_KILLABLE_RECV could be installed
  int listener_errno = 0;
  bool sync_wake_up = false;        // Linux 6.6: callers are woken on the same core
  bool install_descriptor = false;  // SECCOMP_IOCTL_NOTIF_ADDFD
  bool take_descriptor = false;     // pidfd_getfd
  bool read_memory = false;         // process_vm_readv of a child
  bool seal = false;                // PTRACE_SEIZE of a child
  bool thread_pidfd = false;        // Linux 6.9
  bool openat2 = false;
  bool proc = false;                // /proc shows the own process
  int ptrace_scope = -1;            // Yama; -1: not there
  bool privileged = false;
};

// Tries each on a child of its own; takes a few milliseconds. Never throws.
Facts probe();

}  // namespace portcullis
