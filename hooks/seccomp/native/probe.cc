// See probe.h. A throw-away child installs a filter that traps one harmless call, and the monitor's tools are
// tried on it while it waits there.
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate.h"
#include "launch.h"
#include "syscalls.h"

namespace portcullis {
namespace {

// In the child: only system calls. Reports the listener's number or -errno, then makes the trapped call.
[[noreturn]] void guinea_pig(int report) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_getsid, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof code / sizeof code[0], code};
  int result = -1;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
    result = static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                      SECCOMP_FILTER_FLAG_NEW_LISTENER | kWaitKillableRecv, &program));
  if (result < 0) result = -errno;
  (void)!write(report, &result, sizeof result);
  syscall(SYS_getsid, 0);
  _exit(0);
}

void try_on(pid_t pid, const Fd& listener, Facts& facts) {
  pollfd ready{listener.get(), POLLIN, 0};
  alignas(8) char buffer[256] = {};
  if (poll(&ready, 1, 1000) != 1 || ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_RECV, buffer) != 0) return;
  const Caller caller(listener.get(), *reinterpret_cast<const seccomp_notif*>(buffer));
  facts.sync_wake_up = ioctl(listener.get(), kIoctlSetFlags, kSyncWakeUp) == 0;
  static const char kWord[] = "portcullis";  // at the same address in the child
  char copy[sizeof kWord];
  facts.read_memory = caller.read(reinterpret_cast<uint64_t>(kWord), copy, sizeof copy) == 0;
  facts.install_descriptor = caller.install(0, true) >= 0;
  facts.seal = ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) == 0;
  caller.respond(0, 0);
}

}  // namespace

Facts probe() {
  Facts facts;
  utsname names;
  if (uname(&names) == 0) facts.release = names.release, facts.architecture = names.machine;
#if defined(__x86_64__)
  facts.supported_architecture = true;
#endif
  facts.uid = getuid();
  facts.privileged = is_privileged();
  const unsigned action = SECCOMP_RET_USER_NOTIF;
  facts.user_notification = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  const Fd root(static_cast<int>(syscall(kNrOpenat2, AT_FDCWD, "/proc/self/fd", &how, sizeof how)));
  facts.openat2 = root.get() >= 0 || errno != ENOSYS;
  facts.proc = root.get() >= 0;
  facts.thread_pidfd = Fd(static_cast<int>(syscall(kNrPidfdOpen, getpid(), kPidfdThread))).get() >= 0;
  if (FILE* file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re")) {
    if (fscanf(file, "%d", &facts.ptrace_scope) != 1) facts.ptrace_scope = -1;
    fclose(file);
  }
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return facts;
  const Fd reader(report[0]);
  Fd writer(report[1]);
  const pid_t pid = fork();
  if (pid == 0) guinea_pig(writer.get());
  writer.reset();
  if (pid < 0) return facts;
  int number = -ECHILD;
  if (read(reader.get(), &number, sizeof number) != sizeof number) number = -ECHILD;
  facts.listener = number >= 0;
  facts.listener_errno = number < 0 ? -number : 0;
  if (facts.listener) {
    const Fd child(static_cast<int>(syscall(kNrPidfdOpen, pid, 0)));
    const Fd listener(static_cast<int>(syscall(kNrPidfdGetfd, child.get(), number, 0)));
    facts.take_descriptor = listener.get() >= 0;
    if (listener.get() >= 0) try_on(pid, listener, facts);
  }
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return facts;
}

}  // namespace portcullis
