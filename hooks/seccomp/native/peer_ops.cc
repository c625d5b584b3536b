// Ways other than signals to act on a process by its id: to have signals sent to it (F_SETOWN), to change its
// limits (a CPU limit kills), to slow it down or move it about. Free within the subject; everybody else is out of
// reach. All of it is in registers, so what is allowed is left to the kernel (see signal_ops.cc for ids that
// come round).
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "subject.h"
#include "syscalls.h"

namespace portcullis {
namespace {

constexpr int kIoPriorityProcess = 1;  // IOPRIO_WHO_PROCESS

Refused refusal(Caller& caller, Reason reason, pid_t target) {
  Event event;
  event.op = Op::kSignal;
  event.pid = caller.tgid();
  event.exe = caller.exe();
  event.is_process = true;
  event.target = target;
  event.path = executable_of(target);
  return {reason, std::move(event)};
}

Prepared toward(Caller& caller, pid_t id) {
  if (id == 0) return Harmless{};
  const pid_t process = process_of(id);
  if (process == 0) return Fails{ESRCH};
  if (process == run.monitor) return refusal(caller, Reason::kProtected, process);
  if (process == caller.tgid() || in_subject(process)) return Harmless{};
  return refusal(caller, Reason::kUnsupported, process);
}

}  // namespace

Prepared prepare_peer(Caller& c) {
  const auto number = [&c](int i) { return static_cast<int>(c.arg(i)); };
  switch (c.nr()) {
    case __NR_fcntl:  // the filter lets only F_SETOWN through to here; negative: a group, and who may join it
      return number(2) < 0 ? Prepared(refusal(c, Reason::kUnsupported, -number(2))) : toward(c, number(2));
    case __NR_prlimit64: return c.arg(2) == 0 ? Prepared(Harmless{}) : toward(c, number(0));
    case __NR_setpriority:
    case __NR_ioprio_set: {
      const int process = c.nr() == __NR_setpriority ? int{PRIO_PROCESS} : kIoPriorityProcess;
      return number(0) == process ? toward(c, number(1)) : Prepared(refusal(c, Reason::kUnsupported, number(1)));
    }
    default: return toward(c, number(0));
  }
}

}  // namespace portcullis
