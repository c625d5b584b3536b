// See supervisor.h. Whatever goes wrong in here ends in a denial, and a supervisor that is gone leaves the
// kernel to answer ENOSYS: there is no path on which doubt lets a call through.
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "filter.h"
#include "seal.h"
#include "syscalls.h"

namespace portcullis {
namespace {

constexpr size_t kMostPending = 4096;
constexpr size_t kLongestContext = 64 * 1024;   // the caller's own arguments, shown to reviewers

// Interrupts the receiver's wait at the end of a run; its handler does nothing.
int wake_signal() { return SIGRTMIN + 7; }

// Signals that mean nothing to the monitor neither end it nor open node's inspector (SIGUSR1): whoever finds a way
// to send one gains nothing. Handlers, not SIG_IGN, so that no child inherits them. Other handlers (a profiler's)
// and what the monitor's own parent ignored are left.
void deaden_signals() {
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &nothing, nullptr);
  const auto deaden = [&nothing](int number) {
    struct sigaction present;
    if (sigaction(number, nullptr, &present) == 0 && present.sa_handler == SIG_DFL) sigaction(number, &nothing, nullptr);
  };
  for (const int number : {SIGUSR2, SIGIO, SIGPROF, SIGVTALRM, SIGALRM, SIGPWR, SIGSTKFLT}) deaden(number);
  for (int number = SIGRTMIN; number <= SIGRTMAX; number++) deaden(number);
}

// The lines of /proc/TID/status that say with whose power a task acts.
std::string credentials_of(const std::string& status) {
  std::string out;
  for (const char* key : {"\nUid:", "\nGid:", "\nGroups:", "\nCapEff:"}) {
    const size_t at = status.find(key);
    if (at == std::string::npos) return {};
    out += status.substr(at, status.find('\n', at + 1) - at);
  }
  return out;
}

bool changes_credentials(int nr) {
  switch (nr) {
    case __NR_setuid: case __NR_setgid: case __NR_setreuid: case __NR_setregid: case __NR_setresuid:
    case __NR_setresgid: case __NR_setfsuid: case __NR_setfsgid: case __NR_setgroups: case __NR_capset:
    case __NR_prctl:
      return true;
    default:
      return false;
  }
}

Prepared prepare(Caller& caller) {
  switch (caller.nr()) {
    case __NR_execve: case __NR_execveat:
      return prepare_exec(caller);
    case __NR_connect: case __NR_bind: case __NR_sendto: case __NR_sendmsg: case __NR_sendmmsg:
      return prepare_net(caller);
    case __NR_kill: case __NR_tkill: case __NR_tgkill: case __NR_rt_sigqueueinfo: case __NR_rt_tgsigqueueinfo:
    case kNrPidfdSendSignal:
      return prepare_signal(caller);
    case __NR_fcntl: case __NR_setrlimit: case __NR_prlimit64: case __NR_sched_setaffinity: case __NR_sched_setscheduler:
    case __NR_sched_setparam: case __NR_sched_setattr: case __NR_migrate_pages: case __NR_move_pages:
    case __NR_setpriority: case __NR_ioprio_set:
      return prepare_peer(caller);
    case __NR_setxattr: case __NR_lsetxattr: case __NR_fsetxattr: case kNrSetxattrat:
    case __NR_removexattr: case __NR_lremovexattr: case __NR_fremovexattr: case kNrRemovexattrat:
      return prepare_xattr(caller);
    default:
      return prepare_path(caller);
  }
}

// What a denied call returns: kill says EPERM, all else EACCES.
int denial(Op op) { return op == Op::kSignal ? EPERM : EACCES; }

std::string read_file(const char* path, size_t limit) {
  const Fd fd(open(path, O_RDONLY | O_CLOEXEC));
  std::string text(fd ? limit : 0, 0);
  size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = read(fd.get(), text.data() + length, text.size() - length);
    if (got <= 0) break;
    length += static_cast<size_t>(got);
  }
  text.resize(length);
  return text;
}

}  // namespace

// One trapped call on its way. Owned by the thread that handles it, then by `pending_`, then by the completer
// or a worker.
struct Supervisor::Call {
  Call(int listener, const seccomp_notif& request, uint64_t at) : caller(listener, request), received(at) {}
  Caller caller;
  const uint64_t received;
  uint64_t deadline = 0;
  std::unique_ptr<Attempt> attempt;  // null: refused by the hook
  Event event;                       // moved out of the attempt
};

bool Supervisor::start(Options options, Wake wake, Exited exited, std::string& error) {
  options_ = std::move(options);
  wake_ = std::move(wake);
  exited_ = std::move(exited);
  if (options_.command.argv.empty()) return error = "no command", false;
  if (!Table::parse(options_.table.data(), options_.table.size(), table_, error)) return false;
  if (!journal_.open(options_.journal, options_.journal_bytes, error)) return false;
  deaden_signals();
  run.monitor = getpid();
  run.observe = options_.observe;
  const bool privileged = is_privileged();
  if (!launch(options_.command, make_filter(privileged), launched_, error)) return false;
  run.command = launched_.pid;
  // Wake the caller on this very core; kernels before 6.6 cannot, and are slower.
  ioctl(launched_.listener.get(), kIoctlSetFlags, kSyncWakeUp);

  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(wake_signal(), &action, nullptr);
  // The monitor's signals are node's: none of these threads takes one, but for the receiver its wake-up.
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  receiver_ = std::thread([this] { receive(); });
  completer_ = std::thread([this] { complete(); });
  keeper_ = std::thread([this] { keep(); });
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  launched_.release();
  return true;
}

Supervisor::~Supervisor() {
  stop();
  if (keeper_.joinable()) keeper_.join();
}

void Supervisor::stop() {
  if (launched_.pidfd) syscall(kNrPidfdSendSignal, launched_.pidfd.get(), SIGKILL, nullptr, 0);
}

// --- the receiver ------------------------------------------------------------------------------------------

void Supervisor::receive() {
  sigset_t wake;
  sigemptyset(&wake);
  sigaddset(&wake, wake_signal());
  pthread_sigmask(SIG_UNBLOCK, &wake, nullptr);
  unshare(CLONE_FS);
  std::string status;
  if (read_status(static_cast<pid_t>(syscall(SYS_gettid)), status)) own_credentials_ = credentials_of(status);
  // A later kernel's notification may be longer than this build knows.
  seccomp_notif_sizes sizes{};
  syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes);
  std::vector<char> buffer(std::max<size_t>(sizes.seccomp_notif, sizeof(seccomp_notif)));
  const int listener = launched_.listener.get();
  while (!stopping_) {
    std::fill(buffer.begin(), buffer.end(), 0);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, buffer.data()) != 0) {
      if (errno == EINTR || errno == ENOENT) continue;  // woken, or the caller died first
      // No task is left under the filter (Linux 6.6 and later say so).
      usleep(1000);
      continue;
    }
    const auto& request = *reinterpret_cast<const seccomp_notif*>(buffer.data());
    const auto call = std::make_shared<Call>(listener, request, now_ns());
    handle(call);
    // Nobody else holds the call: it was judged and answered here, not parked and not given to a worker.
    if (call.use_count() == 1 && call->event.pid != 0) latency_.add(now_ns() - call->received);
  }
  receiver_done_ = true;
}

void Supervisor::handle(const CallPtr& call) {
  try {
    Caller& caller = call->caller;
    call->deadline = call->received + options_.deadline_ns;
    if (changes_credentials(caller.nr())) {
      credentials_may_differ = true;
      caller.proceed();
      return;
    }
    Prepared prepared = prepare(caller);
    const bool own = is_callers_own(*call);
    if (auto* fails = std::get_if<Fails>(&prepared)) {
      caller.respond(0, own || run.observe ? fails->error : EACCES);
    } else if (std::holds_alternative<Harmless>(prepared)) {
      caller.proceed();
    } else if (auto* unjudged = std::get_if<Unjudged>(&prepared)) {
      call->attempt = std::move(unjudged->attempt);
      call->event = std::move(call->attempt->event);
      if (own || run.observe) release(call);
      else caller.respond(0, EACCES);
    } else if (auto* refused = std::get_if<Refused>(&prepared)) {
      call->event = std::move(refused->event);
      refuse(call, refused->reason);
    } else {
      call->attempt = std::move(std::get<std::unique_ptr<Attempt>>(prepared));
      call->event = call->attempt->event;
      if (call->event.argv.size() + call->event.interpreter_argv.size() > options_.journal_bytes / 4) {
        // A record that could never enter the journal.
        call->event.argv.clear();
        call->event.interpreter_argv.clear();
        refuse(call, Reason::kTooLong);
      } else if (call->event.pid == 0 || call->event.exe.empty()) refuse(call, Reason::kUnreadableCaller);
      else if (!own) refuse(call, Reason::kCredentials);
      else judge(call);
    }
  } catch (...) {
    fail_closed(*call);
  }
}

// Whether the monitor's power is the caller's own. Compared only once it may not be.
bool Supervisor::is_callers_own(Call& call) {
  if (!credentials_may_differ) return true;
  std::string status;
  return read_status(call.caller.tid(), status) && !own_credentials_.empty() &&
         credentials_of(status) == own_credentials_;
}

void Supervisor::refuse(const CallPtr& call, Reason reason) {
  if (!call->caller.valid()) return;
  // What could not be read still needs a name in the record.
  if (call->event.pid == 0) call->event.pid = call->caller.tid();
  if (call->event.exe.empty()) call->event.exe = "(unknown)";
  if (call->event.path.empty() && !call->event.is_address) call->event.path = "(unknown)";
  record(*call, Kind::kDecided, {Effect::kDeny, kNoRule}, Layer::kHook, reason);
  // Observing, even what could not be judged goes its way; the kernel then reads its arguments itself.
  if (run.observe) call->caller.proceed();
  else deny(call);
}

void Supervisor::judge(const CallPtr& call) {
  const Event& event = call->event;
  const Decision decision =
      options_.decide_here ? decide(table_, event) : Decision{Effect::kReview, kNoRule};
  const bool pure_read = event.op == Op::kRead && event.also == 0;
  if (decision.effect == Effect::kAllow && pure_read && !options_.record_all) {
    // Whether the caller still waits is settled by installing the descriptor.
    if (record(*call, Kind::kCounted, decision, Layer::kPolicy, Reason::kPolicy)) release(call);
    else deny(call);
    return;
  }
  // Its memory was read; only now is it sure that it was this caller's.
  if (!call->caller.valid()) return;
  if (decision.effect == Effect::kReview) {
    park(call);
    return;
  }
  const bool recorded = record(*call, Kind::kDecided, decision, Layer::kPolicy, Reason::kPolicy);
  if (run.observe || (decision.effect == Effect::kAllow && recorded)) release(call);
  else deny(call);
}

void Supervisor::deny(const CallPtr& call) { call->caller.respond(0, denial(call->event.op)); }

// --- recording ---------------------------------------------------------------------------------------------

// Puts one record into the journal, waiting for room until the deadline. False: none was given; the call must
// be denied.
bool Supervisor::record(Call& call, Kind kind, Decision decision, Layer layer, Reason reason) {
  RecordHeader header{};
  header.kind = kind;
  header.effect = decision.effect;
  header.layer = layer;
  header.received = call.received;
  header.deadline = call.deadline;
  header.pid = static_cast<uint32_t>(call.event.pid);
  header.rule = decision.rule;
  header.reason = reason;
  header.enforced = run.observe ? 0 : 1;
  for (;;) {
    header.answered = now_ns();
    if (journal_.append(header, call.event, {}) == Journal::kOk) break;
    wake_();
    if (now_ns() >= call.deadline || stopping_) {
      counters_.unrecorded++;
      return false;
    }
    usleep(500);
  }
  if (kind == Kind::kCounted) {
    counters_.counted++;
  } else {
    counters_.events++;
    (decision.effect == Effect::kDeny ? counters_.denied : counters_.allowed)++;
  }
  wake_if_filling();
  return true;
}

void Supervisor::wake_if_filling() {
  if (journal_.unread() > options_.journal_bytes / 4) wake_();
}

// --- reviews -----------------------------------------------------------------------------------------------

void Supervisor::park(const CallPtr& call) {
  Journal::Extras extras;
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/cmdline", call->caller.tid());
  extras.subject_argv = read_file(path, kLongestContext);
  if (!extras.subject_argv.empty() && extras.subject_argv.back() != 0) extras.subject_argv.push_back(0);
  snprintf(path, sizeof path, "/proc/%d/cwd", call->caller.tid());
  char cwd[4096];
  if (const ssize_t length = readlink(path, cwd, sizeof cwd); length > 0) extras.cwd.assign(cwd, length);

  RecordHeader header{};
  header.kind = Kind::kReview;
  header.effect = Effect::kReview;
  header.layer = Layer::kPolicy;
  header.received = call->received;
  header.deadline = call->deadline;
  header.pid = static_cast<uint32_t>(call->event.pid);
  header.rule = options_.decide_here ? decide(table_, call->event).rule : kNoRule;
  header.enforced = run.observe ? 0 : 1;
  for (;;) {
    {
      // The record becomes visible to the monitor only together with the parked call it must answer.
      std::lock_guard lock(mutex_);
      if (pending_.size() >= kMostPending) break;
      if (journal_.append(header, call->event, extras) == Journal::kOk) {
        pending_.emplace(header.n, call);
        counters_.events++;
        counters_.reviewed++;
        changed_.notify_one();
        break;
      }
    }
    wake_();
    if (now_ns() >= call->deadline || stopping_) {
      counters_.unrecorded++;
      deny(call);
      return;
    }
    usleep(500);
  }
  if (header.n != 0) {
    wake_();
    return;
  }
  refuse(call, Reason::kQueueFull);
}

bool Supervisor::answer(uint64_t n, bool allow) {
  std::lock_guard lock(mutex_);
  const auto it = pending_.find(n);
  if (it == pending_.end() || now_ns() >= it->second->deadline) return false;
  if (!it->second->caller.valid()) {
    pending_.erase(it);
    return false;
  }
  answered_.emplace_back(std::move(it->second), allow);
  pending_.erase(it);
  changed_.notify_one();
  return true;
}

void Supervisor::complete() {
  unshare(CLONE_FS);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!answered_.empty()) {
      auto [call, allow] = std::move(answered_.front());
      answered_.pop_front();
      lock.unlock();
      if (allow) release(call);
      else deny(call);
      call.reset();
      lock.lock();
      continue;
    }
    // All reviews have the same time to live, and numbers are given in order of arrival but for scheduling
    // between threads, so the oldest number is the next to expire to within that.
    const auto next = pending_.begin();
    if (next == pending_.end()) {
      changed_.wait(lock);
      continue;
    }
    const uint64_t now = now_ns();
    if (now < next->second->deadline) {
      changed_.wait_for(lock, std::chrono::nanoseconds(next->second->deadline - now));
      continue;
    }
    const CallPtr call = std::move(next->second);
    pending_.erase(next);
    counters_.expired++;
    lock.unlock();
    if (run.observe) release(call);
    else deny(call);
    lock.lock();
  }
}

// --- performing --------------------------------------------------------------------------------------------

// Performs an allowed call, here or, where it may wait, on a worker.
void Supervisor::release(const CallPtr& call) {
  if (call->attempt->seals()) perform_on(sealing_, call);
  else if (call->attempt->may_block()) perform_on(slow_, call);
  else perform(call);
}

void Supervisor::perform_on(SlowPool& pool, const CallPtr& call) {
  if (pool.submit(call->caller, [this, call] { perform(call); })) return;
  deny(call);
  stopped_after_all(*call, Reason::kQueueFull);
}

void Supervisor::perform(const CallPtr& call) {
  try {
    Outcome outcome = call->attempt->perform(call->caller);
    if (outcome.later) {
      perform_on(slow_, call);
      return;
    }
    if (outcome.error == EINTR && signal_pending(call->caller.tid())) outcome.error = kRestart;
    call->attempt.reset();  // its pins
    finish(*call, std::move(outcome));
  } catch (...) {
    fail_closed(*call);
  }
}

void Supervisor::finish(Call& call, Outcome outcome) {
  if (outcome.stopped != Reason::kPolicy) stopped_after_all(call, outcome.stopped);
  if (outcome.answered) return;
  if (outcome.proceed) {
    call.caller.proceed();
    return;
  }
  if (outcome.error == 0 && outcome.inject) {
    const int number = call.caller.install(outcome.inject.get(), outcome.cloexec);
    // The monitor's copy goes before the caller runs on: an open file for writing would make an exec of it
    // fail, an open pipe end would keep a reader waiting.
    outcome.inject.reset();
    call.caller.respond(number, number < 0 ? -number : 0);
    return;
  }
  call.caller.respond(outcome.value, outcome.error);
}

// An allowed call that did not run after all: one more event, denied by the hook.
void Supervisor::stopped_after_all(Call& call, Reason reason) {
  record(call, Kind::kDecided, {Effect::kDeny, kNoRule}, Layer::kHook, reason);
}

// The last resort of every handler: out of memory, or a fault of our own.
void Supervisor::fail_closed(Call& call) noexcept {
  call.caller.respond(0, EACCES);
  try {
    record(call, Kind::kDecided, {Effect::kDeny, kNoRule}, Layer::kHook, Reason::kInternal);
  } catch (...) {
    counters_.unrecorded++;
  }
}

// --- the keeper --------------------------------------------------------------------------------------------

void Supervisor::keep() {
  Ended ended;
  for (bool running = true; running;) {
    pollfd waiting[2] = {{launched_.pidfd.get(), POLLIN, 0}, {launched_.report.get(), POLLIN, 0}};
    poll(waiting, 2, 250);
    if (launched_.report && waiting[1].revents != 0) {
      int error = 0;
      if (read(launched_.report.get(), &error, sizeof error) == sizeof error) ended.exec_errno = error;
      launched_.report.reset();
    }
    reap_orphans();
    running = (waiting[0].revents & POLLIN) == 0;
  }
  // The pidfd is readable only of a zombie, so this cannot take a ptrace stop from a sealing thread.
  int status = 0;
  pid_t got;
  while ((got = waitpid(launched_.pid, &status, 0)) < 0 && errno == EINTR) {
  }
  if (got != launched_.pid) status = command_status;
  if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
  else ended.signal = WTERMSIG(status);

  ended.leftovers = end_subject();
  reap_orphans();
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  completer_.join();
  // Again and again: the signal may come just before the wait that it is to end.
  while (!receiver_done_) {
    pthread_kill(receiver_.native_handle(), wake_signal());
    usleep(1000);
  }
  receiver_.join();
  slow_.stop();
  sealing_.stop();
  // Nobody of the subject is left to wait; what was pending fails with ENOSYS when the listener goes.
  pending_.clear();
  answered_.clear();
  launched_.listener.reset();
  exited_(ended);
}

}  // namespace portcullis
