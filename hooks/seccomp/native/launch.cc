// See launch.h. The child shares no thread with the monitor and may be a copy of it in the middle of anything:
// from fork to exec it only makes system calls, on memory prepared before.
#include "launch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "seal.h"
#include "syscalls.h"

namespace portcullis {
namespace {

enum Stage : int { kInstalled, kLimits, kDirectory, kPrivileges, kFilter };

struct Message {
  int stage;
  int value;  // the listener's number, or an errno
};

// What the child needs, laid out before the fork.
struct Plan {
  std::vector<std::string> candidates;  // paths to try, in order
  std::vector<char*> argv, env;
  std::vector<char*> shell_argv;        // /bin/sh CANDIDATE ARGUMENTS…, for a script without a #! line
  const char* cwd;
  sock_fprog program;
  bool restore_files = false;
  rlimit files{};
  sigset_t mask;
  int go, report;
};

std::vector<std::string> candidates_of(const Command& command) {
  const std::string& name = command.argv[0];
  if (name.empty() || name.find('/') != std::string::npos) return {name};
  std::string path = "/usr/local/bin:/usr/bin:/bin";
  for (const std::string& variable : command.env)
    if (variable.compare(0, 5, "PATH=") == 0) path = variable.substr(5);
  std::vector<std::string> found;
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const std::string folder = path.substr(begin, end - begin);
    found.push_back((folder.empty() ? "." : folder) + "/" + name);
    begin = end + 1;
  }
  return found;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void give_up(int report, int stage, int error) {
  const Message message{stage, error};
  (void)!write(report, &message, sizeof message);
  _exit(125);
}

// The monitor's dispositions are not the command's: handlers end, and the two signals that node ignores are
// given back. What the monitor's own parent ignored (nohup) stays ignored.
void reset_signals(const sigset_t& mask) {
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;
    if (sigaction(number, nullptr, &action) != 0) continue;
    const bool handled = action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN;
    if (!handled && number != SIGPIPE && number != SIGXFSZ) continue;
    action = {};
    action.sa_handler = SIG_DFL;
    sigaction(number, &action, nullptr);
  }
  sigprocmask(SIG_SETMASK, &mask, nullptr);
}

[[noreturn]] void child(Plan& plan) {
  reset_signals(plan.mask);
  if (plan.restore_files) setrlimit(RLIMIT_NOFILE, &plan.files);
  const rlimit core{kCoreLimit, kCoreLimit}, none{0, 0};
  if (setrlimit(RLIMIT_CORE, &core) != 0 && setrlimit(RLIMIT_CORE, &none) != 0) give_up(plan.report, kLimits, errno);
  if (chdir(plan.cwd) != 0) give_up(plan.report, kDirectory, errno);
  // The command gets standard input, output and error (which node marks to be closed), and nothing else.
  for (int fd = 0; fd < 3; fd++) fcntl(fd, F_SETFD, 0);
  syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(plan.report, kPrivileges, errno);
  const long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                SECCOMP_FILTER_FLAG_NEW_LISTENER | kWaitKillableRecv, &plan.program);
  if (listener < 0) give_up(plan.report, kFilter, errno);
  const Message message{kInstalled, static_cast<int>(listener)};
  if (write(plan.report, &message, sizeof message) != sizeof message) _exit(125);
  char go;
  if (read(plan.go, &go, 1) != 1) _exit(125);
  // From here on every exec waits for its verdict.
  int error = ENOENT;
  for (const std::string& candidate : plan.candidates) {
    execve(candidate.c_str(), plan.argv.data(), plan.env.data());
    if (errno == ENOEXEC) {
      plan.shell_argv[1] = const_cast<char*>(candidate.c_str());
      execve("/bin/sh", plan.shell_argv.data(), plan.env.data());
    }
    if (errno == EACCES) error = EACCES;
    else if (errno != ENOENT && errno != ENOTDIR) {
      error = errno;
      break;
    }
  }
  (void)!write(plan.report, &error, sizeof error);
  _exit(error == ENOENT ? 127 : 126);
}

std::string explain(const Message& message, const std::string& cwd) {
  const std::string why = strerror(message.value);
  if (message.stage == kLimits) return "the limit of core dumps cannot be set: " + why;
  if (message.stage == kDirectory) return "cannot enter " + cwd + ": " + why;
  if (message.stage == kPrivileges) return "no_new_privs refused: " + why;
  if (message.value == EBUSY) return "another seccomp supervisor already guards this process (is this a run inside a run?)";
  if (message.value == EINVAL) return "the kernel refused the seccomp filter; Linux 5.19 or newer is needed";
  return "the kernel refused the seccomp filter: " + why;
}

// node raises its own limit on open files to the maximum; the command gets back what the caller of the monitor
// had, as far as that can be seen.
bool callers_file_limit(rlimit& limit) {
  rlimit own;
  if (getrlimit(RLIMIT_NOFILE, &own) != 0 || prlimit(getppid(), RLIMIT_NOFILE, nullptr, &limit) != 0) return false;
  return limit.rlim_max == own.rlim_max && limit.rlim_cur < own.rlim_cur;
}

bool status_says(const std::string& status, const char* line) { return status.find(line) != std::string::npos; }

// The ids in /proc.
std::vector<pid_t> processes() {
  std::vector<pid_t> out;
  DIR* proc = opendir("/proc");
  if (proc == nullptr) return out;
  while (const dirent* entry = readdir(proc))
    if (const int pid = atoi(entry->d_name); pid > 0) out.push_back(pid);
  closedir(proc);
  return out;
}

bool is_zombie(pid_t pid) {
  std::string status;
  return !read_status(pid, status) || status_says(status, "\nState:\tZ") || status_says(status, "\nState:\tX");
}

}  // namespace

void Launched::release() {
  const char go = 1;
  (void)!write(this->go.get(), &go, 1);
  this->go.reset();
}

bool launch(const Command& command, const std::vector<sock_filter>& filter, Launched& out, std::string& error) {
  int go[2], report[2];
  if (pipe2(go, O_CLOEXEC) != 0) {
    error = std::string("no pipe: ") + strerror(errno);
    return false;
  }
  Fd go_read(go[0]);
  out.go.reset(go[1]);
  if (pipe2(report, O_CLOEXEC) != 0) {
    error = std::string("no pipe: ") + strerror(errno);
    return false;
  }
  out.report.reset(report[0]);
  Fd report_write(report[1]);
  // Not the command's descriptors 0 to 2, even where the monitor was started without them.
  if (go[0] < 3 || go[1] < 3 || report[0] < 3 || report[1] < 3) {
    error = "standard input, output and error must be open";
    return false;
  }
  Plan plan;
  plan.candidates = candidates_of(command);
  plan.argv = pointers(command.argv);
  plan.env = pointers(command.env);
  plan.shell_argv = plan.argv;
  plan.shell_argv.insert(plan.shell_argv.begin(), const_cast<char*>("/bin/sh"));
  plan.cwd = command.cwd.c_str();
  plan.program = {static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  plan.restore_files = callers_file_limit(plan.files);
  plan.go = go_read.get();
  plan.report = report_write.get();

  // The monitor adopts what the command orphans, so that the subject stays one tree below it.
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &plan.mask);
  const pid_t pid = fork();
  if (pid == 0) {
    close(out.go.get());
    close(out.report.get());
    child(plan);
  }
  pthread_sigmask(SIG_SETMASK, &plan.mask, nullptr);
  if (pid < 0) {
    error = std::string("cannot fork: ") + strerror(errno);
    return false;
  }
  out.pid = pid;
  report_write.reset();
  Message message{kFilter, ECHILD};
  ssize_t got;
  while ((got = read(out.report.get(), &message, sizeof message)) < 0 && errno == EINTR) {
  }
  if (got != sizeof message || message.stage != kInstalled) {
    error = explain(message, command.cwd);
  } else {
    out.pidfd.reset(static_cast<int>(syscall(kNrPidfdOpen, pid, 0)));
    out.listener.reset(static_cast<int>(syscall(kNrPidfdGetfd, out.pidfd.get(), message.value, 0)));
    if (out.listener) return true;
    error = std::string("cannot take the listener from the new process (pidfd_getfd): ") + strerror(errno);
  }
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  return false;
}

bool is_privileged() {
  std::string status;
  if (!read_status(getpid(), status)) return true;
  uid_t user, effective_user, saved_user;
  gid_t group, effective_group, saved_group;
  getresuid(&user, &effective_user, &saved_user);
  getresgid(&group, &effective_group, &saved_group);
  const bool one_identity = user == effective_user && user == saved_user && group == effective_group && group == saved_group;
  return !one_identity || effective_user == 0 || !status_says(status, "\nCapPrm:\t0000000000000000");
}

int end_subject() {
  std::set<pid_t> ended;
  for (int round = 0; round < 100; round++) {
    bool left = false;
    for (const pid_t pid : processes()) {
      if (pid == run.monitor || !in_subject(pid) || is_zombie(pid)) continue;
      left = true;
      if (kill(pid, SIGKILL) == 0) ended.insert(pid);
    }
    if (!left) break;
    usleep(10'000);
  }
  return static_cast<int>(ended.size());
}

void reap_orphans() {
  static const bool recognisable = [] {
    std::string own;
    return read_status(getpid(), own) && status_says(own, "\nNoNewPrivs:\t0");
  }();
  if (!recognisable) return;
  for (;;) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    if (info.si_code != CLD_EXITED && info.si_code != CLD_KILLED && info.si_code != CLD_DUMPED) return;
    std::string status;
    if (info.si_pid == run.command || !read_status(info.si_pid, status)) return;
    if (!status_says(status, "\nNoNewPrivs:\t1")) return;
    if (waitpid(info.si_pid, nullptr, WNOHANG) <= 0) return;
  }
}

}  // namespace portcullis
