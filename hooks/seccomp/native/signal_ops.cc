// Signals. Within the subject they are the subject's own affair and go their way; toward the monitor they are
// refused; toward any other process they are judged.
//
// What signal goes to one process or thread is in registers (but for a pidfd, which is duplicated), so within
// the subject it is left to the kernel: the target that was looked at can only be another process by the time
// the kernel looks if it ended and its id came round in between.
//
// Who is in a group changes at any moment, and a command shares its monitor's group. So members of the subject
// get a group's signal one by one, others never do. Such signals, and those sent by pidfd or to outsiders, carry
// the monitor's id as sender.
//
// Signal 0 tells only whether a process exists, which /proc tells anyhow; it is not mediated.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <optional>
#include <set>
#include <vector>

#include "subject.h"
#include "syscalls.h"

namespace portcullis {
namespace {

constexpr int kMostSignals = 64;
constexpr int kEveryone = -1;    // kill's word for all processes
constexpr int kMostRounds = 64;  // over the members of a group that forks

Event event_of(Caller& caller, pid_t target, std::string executable) {
  Event event;
  event.op = Op::kSignal;
  event.pid = caller.tgid();
  event.exe = caller.exe();
  event.is_process = true;
  event.target = target;
  event.path = std::move(executable);
  return event;
}

int send(int pidfd, int number, siginfo_t* info, unsigned flags) {
  return syscall(kNrPidfdSendSignal, pidfd, number, info, flags) == 0 ? 0 : errno;
}

Outcome outcome_of(int error) { return error == 0 ? Outcome::result(0) : Outcome::fail(error); }

// A signal to one process, pinned by a pidfd.
class Signal final : public Attempt {
 public:
  Signal(Fd target, int number, std::optional<siginfo_t> info, unsigned flags)
      : target_(std::move(target)), number_(number), info_(info), flags_(flags) {}
  Outcome perform(Caller&) override {
    return outcome_of(send(target_.get(), number_, info_ ? &*info_ : nullptr, flags_));
  }

 private:
  Fd target_;
  int number_;
  std::optional<siginfo_t> info_;
  unsigned flags_;
};

// A signal to one thread of an outsider. The pidfd pins its process; the thread's id could be reused within it.
class ThreadSignal final : public Attempt {
 public:
  ThreadSignal(Fd process, pid_t group, pid_t thread, int number)
      : process_(std::move(process)), group_(group), thread_(thread), number_(number) {}
  Outcome perform(Caller&) override {
    if (const int error = send(process_.get(), 0, nullptr, 0); error != 0) return Outcome::fail(error);
    return outcome_of(syscall(SYS_tgkill, group_, thread_, number_) == 0 ? 0 : errno);
  }

 private:
  Fd process_;
  pid_t group_, thread_;
  int number_;
};

// The processes that kill(-group), or kill(kEveryone), would reach.
std::set<pid_t> members_of(pid_t group, pid_t sender) {
  std::set<pid_t> members;
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return members;
  while (const dirent* entry = readdir(proc)) {
    const pid_t pid = atoi(entry->d_name);
    Lineage lineage;
    if (pid <= 0 || !read_lineage(pid, lineage)) continue;
    if (group == kEveryone ? pid > 1 && pid != sender : lineage.group == group) members.insert(pid);
  }
  closedir(proc);
  return members;
}

// A signal to a process group, or to everyone. Looking through all processes takes its time: done by a worker.
class GroupSignal final : public Attempt {
 public:
  GroupSignal(pid_t group, int number) : group_(group), number_(number) {}
  bool may_block() const override { return true; }
  Outcome perform(Caller& caller) override;

 private:
  int deliver(pid_t member) const;

  pid_t group_;   // or kEveryone
  int number_;
};

int GroupSignal::deliver(pid_t member) const {
  const Fd pidfd(static_cast<int>(syscall(kNrPidfdOpen, member, 0)));
  if (!pidfd) return errno;
  // Asked once more now that the id cannot be reused.
  Lineage lineage;
  if (!read_lineage(member, lineage) || !in_subject(member)) return ESRCH;
  if (group_ != kEveryone && lineage.group != group_) return ESRCH;
  return send(pidfd.get(), number_, nullptr, 0);
}

// Never left to the kernel: it would look the group up anew, and what the caller's group is, and who is in a
// group, another thread may have changed since.
Outcome GroupSignal::perform(Caller& caller) {
  const pid_t self = caller.tgid();
  // A kill is for what a member forks meanwhile as well; any other signal is for those who are there when it
  // comes, not for what its handlers fork.
  const int rounds = number_ == SIGKILL ? kMostRounds : 1;
  bool outsiders = false, monitor = false, reached = false;
  int error = ESRCH;
  std::set<pid_t> done;
  for (int round = 0; round < rounds; round++) {
    std::vector<pid_t> fresh;
    bool and_self = false;
    for (const pid_t member : members_of(group_, self)) {
      if (member == run.monitor) monitor = true;
      if (!in_subject(member)) outsiders = true;
      else if (!done.insert(member).second) continue;
      else if (member == self) and_self = true;
      else fresh.push_back(member);
    }
    if (and_self) fresh.push_back(self);  // last: it may end by it
    for (const pid_t member : fresh) {
      const int failed = deliver(member);
      if (failed == 0) reached = true;
      else if (failed != ESRCH) error = failed;
    }
    if (fresh.empty()) break;
  }
  if (reached) return Outcome::result(0);
  Outcome outcome = Outcome::fail(error);
  if (done.empty() && outsiders && group_ != kEveryone) {  // a group of others
    outcome.error = EPERM;
    outcome.stopped = monitor ? Reason::kProtected : Reason::kOutsider;
  }
  return outcome;
}

// Where a signal to a process or thread may go.
enum class Whose { kNobodys, kSubjects, kMonitors, kOthers };

Whose whose(Caller& caller, pid_t process) {
  if (process == 0) return Whose::kNobodys;
  if (process == run.monitor) return Whose::kMonitors;
  return process == caller.tgid() || in_subject(process) ? Whose::kSubjects : Whose::kOthers;
}

Prepared judged(Caller& caller, pid_t target, std::unique_ptr<Attempt> attempt) {
  Event event = event_of(caller, target, executable_of(target));
  if (event.path.empty()) return Refused{Reason::kUnresolvable, std::move(event)};
  attempt->event = std::move(event);
  return attempt;
}

Prepared protected_monitor(Caller& caller) {
  return Refused{Reason::kProtected, event_of(caller, run.monitor, executable_of(run.monitor))};
}

// What the kernel lets a process say about a signal to another: nothing that looks like the kernel's own words.
bool read_info(Caller& caller, uint64_t address, int number, siginfo_t& info, int& error) {
  error = -caller.read(address, &info, sizeof info);
  if (error != 0) return false;
  info.si_signo = number;
  if (info.si_code >= 0 || info.si_code == SI_TKILL) error = EPERM;
  return error == 0;
}

Prepared to_group(Caller& caller, pid_t group, int number) {
  auto attempt = std::make_unique<GroupSignal>(group, number);
  attempt->event = event_of(caller, group == kEveryone ? 0 : group, executable_of(group));  // named by its leader
  return Unjudged{std::move(attempt)};
}

struct Target {
  pid_t id = 0;            // as the call names it: a process, or one of its threads
  pid_t group = 0;         // tgkill names the thread's process as well; 0: not named
  bool thread = false;     // for the thread alone
};

Prepared to_one(Caller& caller, Target target, int number, std::optional<uint64_t> info_address) {
  if (number < 0 || number > kMostSignals) return Fails{EINVAL};
  if (number == 0 || target.id == caller.tgid() || target.group == caller.tgid()) return Harmless{};
  const pid_t process = process_of(target.id);
  if (target.group != 0 && target.group != process) return Fails{ESRCH};
  // The pin comes before the questions, so the answers are about what is pinned or about something younger,
  // and then the pin is dead.
  Fd pin(process == 0 ? -1 : static_cast<int>(syscall(kNrPidfdOpen, process, 0)));
  switch (whose(caller, process)) {
    case Whose::kNobodys: return Fails{ESRCH};
    case Whose::kSubjects: return Harmless{};
    case Whose::kMonitors: return protected_monitor(caller);
    case Whose::kOthers: break;
  }
  if (!pin) return Fails{ESRCH};
  std::optional<siginfo_t> info;
  if (info_address) {
    int error = 0;
    if (!read_info(caller, *info_address, number, info.emplace(), error)) return Fails{error};
  }
  // A thread of an outsider gets no siginfo of the caller's making: no call pins thread and siginfo both.
  if (target.thread && info) return Refused{Reason::kOutsider, event_of(caller, process, executable_of(process))};
  if (target.thread)
    return judged(caller, process, std::make_unique<ThreadSignal>(std::move(pin), process, target.id, number));
  return judged(caller, process, std::make_unique<Signal>(std::move(pin), number, info, 0));
}

Prepared prepare_kill(Caller& caller, pid_t id, int number) {
  if (id > 0) return to_one(caller, {id, 0, false}, number, std::nullopt);
  if (number < 0 || number > kMostSignals) return Fails{EINVAL};
  if (number == 0) return Harmless{};
  if (id < -1) return id == INT_MIN ? Prepared(Fails{ESRCH}) : to_group(caller, -id, number);
  if (id == -1) return to_group(caller, kEveryone, number);
  Lineage own;
  if (!read_lineage(caller.tid(), own)) return Fails{ESRCH};
  return to_group(caller, own.group, number);
}

// The process that a pidfd stands for. 0, or the errno of using it.
int process_behind(int pidfd, pid_t& process) {
  char path[48], text[1024];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  const ssize_t length = file ? read(file.get(), text, sizeof text - 1) : -1;
  if (length <= 0) return EBADF;
  text[length] = 0;
  const char* line = strstr(text, "\nPid:");
  if (line == nullptr) return EBADF;  // also for a directory of /proc, which some kernels take for a pidfd
  process = atoi(line + 5);
  return process > 0 ? 0 : process < 0 ? ESRCH : EPERM;
}

Prepared prepare_pidfd(Caller& caller, int fd, int number, uint64_t info_address, unsigned flags) {
  constexpr unsigned kThread = 1, kProcess = 2;  // PIDFD_SIGNAL_*; a whole group by pidfd is not offered
  if (flags & ~(kThread | kProcess) || flags == (kThread | kProcess)) return Fails{EINVAL};
  if (number < 0 || number > kMostSignals) return Fails{EINVAL};
  if (number == 0 && info_address == 0) return Harmless{};
  int error = 0;
  Fd target = caller.duplicate(fd, error);
  if (!target) return Fails{error};
  pid_t id = 0;
  if (error = process_behind(target.get(), id); error != 0) return Fails{error};
  const pid_t process = process_of(id);
  std::optional<siginfo_t> info;
  if (info_address != 0) {
    if (error = -caller.read(info_address, &info.emplace(), sizeof(siginfo_t)); error != 0) return Fails{error};
    if (info->si_signo != number) return Fails{EINVAL};
    if (info->si_code >= 0 || info->si_code == SI_TKILL) return Fails{EPERM};
  }
  auto attempt = std::make_unique<Signal>(std::move(target), number, info, flags);
  switch (whose(caller, process)) {
    case Whose::kNobodys: return Fails{ESRCH};
    case Whose::kMonitors: return protected_monitor(caller);
    case Whose::kOthers: return judged(caller, process, std::move(attempt));
    case Whose::kSubjects: break;
  }
  attempt->event = event_of(caller, process, executable_of(process));
  return Unjudged{std::move(attempt)};
}

}  // namespace

Prepared prepare_signal(Caller& c) {
  const auto number = [&c](int i) { return static_cast<int>(c.arg(i)); };
  switch (c.nr()) {
    case __NR_kill: return prepare_kill(c, number(0), number(1));
    case __NR_tkill:
      if (number(0) <= 0) return Fails{EINVAL};
      return to_one(c, {number(0), 0, true}, number(1), std::nullopt);
    case __NR_tgkill:
      if (number(0) <= 0 || number(1) <= 0) return Fails{EINVAL};
      return to_one(c, {number(1), number(0), true}, number(2), std::nullopt);
    case __NR_rt_sigqueueinfo:
      if (number(0) <= 0) return Fails{ESRCH};
      return to_one(c, {number(0), 0, false}, number(1), c.arg(2));
    case __NR_rt_tgsigqueueinfo:
      if (number(0) <= 0 || number(1) <= 0) return Fails{EINVAL};
      return to_one(c, {number(1), number(0), true}, number(2), c.arg(3));
    case kNrPidfdSendSignal:
      return prepare_pidfd(c, number(0), number(1), c.arg(2), static_cast<unsigned>(c.arg(3)));
    default: return Fails{ENOSYS};
  }
}

}  // namespace portcullis
