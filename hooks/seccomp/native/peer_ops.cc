// Ways other than signals to act on a process by its id: to have signals sent to it (F_SETOWN), to change its
// limits (a CPU limit kills), to slow it down or move it about. Free within the subject; everybody else is out of
// reach. All of it is in registers, so what is allowed is left to the kernel (see signal_ops.cc for ids that
// come round); but for the limit of core dumps, which is in memory and stays what it is.
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
  return refusal(caller, Reason::kOutsider, process);
}

// A limit of core dumps that is no more than the subject has: granted, and the limit stays what it is. Programs
// that hold secrets refuse to run where they cannot set it to 0.
class CoreLimit final : public Attempt {
 public:
  CoreLimit(pid_t process, uint64_t old_address) : process_(process), old_address_(old_address) {}
  Outcome perform(Caller& caller) override {
    if (old_address_ == 0) return Outcome::result(0);
    rlimit64 present;
    if (prlimit64(process_, RLIMIT_CORE, nullptr, &present) != 0) return Outcome::fail(errno);
    const int error = -caller.write(old_address_, &present, sizeof present);
    return error == 0 ? Outcome::result(0) : Outcome::fail(error);
  }

 private:
  pid_t process_;
  uint64_t old_address_;
};

Prepared set_core_limit(Caller& caller, pid_t id, uint64_t address, uint64_t old_address) {
  rlimit64 wanted;
  if (const int error = caller.read(address, &wanted, sizeof wanted); error != 0) return Fails{-error};
  Prepared free = toward(caller, id);
  if (!std::holds_alternative<Harmless>(free)) return free;
  if (wanted.rlim_cur > wanted.rlim_max) return Fails{EINVAL};
  if (wanted.rlim_max > kCoreLimit) return Fails{EPERM};
  return Unjudged{std::make_unique<CoreLimit>(id == 0 ? caller.tgid() : id, old_address)};
}

}  // namespace

Prepared prepare_peer(Caller& c) {
  const auto number = [&c](int i) { return static_cast<int>(c.arg(i)); };
  switch (c.nr()) {
    case __NR_fcntl:  // the filter lets only F_SETOWN through to here; negative: a group, and who may join it
      return number(2) < 0 ? Prepared(refusal(c, Reason::kOutsider, -number(2))) : toward(c, number(2));
    case __NR_setrlimit:  // the filter lets only the limit of core dumps through to here
      return set_core_limit(c, 0, c.arg(1), 0);
    case __NR_prlimit64:
      if (c.arg(2) == 0) return Harmless{};
      return number(1) == RLIMIT_CORE ? set_core_limit(c, number(0), c.arg(2), c.arg(3)) : toward(c, number(0));
    case __NR_setpriority:
    case __NR_ioprio_set: {
      const int process = c.nr() == __NR_setpriority ? int{PRIO_PROCESS} : kIoPriorityProcess;
      return number(0) == process ? toward(c, number(1)) : Prepared(refusal(c, Reason::kOutsider, number(1)));
    }
    default: return toward(c, number(0));
  }
}

}  // namespace portcullis
