// exec: the one call that cannot be made for its caller. It is judged by what it would run, let through, and
// sealed: the new image is stopped before its first instruction, and killed unless executable and arguments are
// those that were judged.
//
// A script is judged as itself and as the program its #! line leads to; that last program is what is compared.
// Not sealed: which script the kernel read the #! line of (its interpreter opens it by name, and that open is
// judged), and the environment. A program loader (PT_INTERP) that is not the system's own is judged as a second
// program; whichever it is, the image and its loader are all that may be mapped when the program is stopped.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <mutex>
#include <vector>

#include "resolve.h"
#include "seal.h"
#include "syscalls.h"

namespace portcullis {

std::atomic<int> command_status{-1};

namespace {

constexpr size_t kLongestPath = 4095;
constexpr size_t kMostArguments = 65536;
constexpr size_t kLongestArguments = 4u << 20;
constexpr size_t kLongestArgument = 131071;  // the kernel's own bound on one string
constexpr int kMostScripts = 4;              // #! of #! of …, as the kernel

// Copies a NULL-terminated array of strings, each ended by NUL in `out`. 0, a negative errno, or 1: too long.
int read_arguments(const Caller& caller, uint64_t array, std::string& out) {
  out.clear();
  if (array == 0) {
    out.push_back(0);  // the kernel gives an empty argument list one empty argument
    return 0;
  }
  std::string text;
  uint64_t pointers[64];
  for (size_t count = 0; count < kMostArguments;) {
    // Never across a page end, as for strings.
    const size_t room = (4096 - array % 4096) / 8;
    const size_t chunk = room == 0 ? 1 : std::min<size_t>(room, 64);
    if (const int error = caller.read(array, pointers, chunk * 8); error != 0) return error;
    array += chunk * 8;
    for (size_t i = 0; i < chunk; i++, count++) {
      if (pointers[i] == 0) {
        if (count == 0) out.push_back(0);
        return 0;
      }
      const int error = caller.read_string(pointers[i], kLongestArgument, text);
      if (error == -ENAMETOOLONG) return -E2BIG;
      if (error != 0) return error;
      if (out.size() + text.size() + 1 > kLongestArguments) return 1;
      out.append(text).push_back(0);
    }
  }
  return 1;
}

struct Shebang {
  std::string interpreter;
  std::string argument;
  bool has_argument = false;
};

// Reads a #! line as the kernel does. 0: not a script; 1: a script; -1: a script the kernel refuses (ENOEXEC).
int parse_shebang(const char* bytes, size_t length, Shebang& out) {
  constexpr size_t kLine = 256;
  if (length < 2 || bytes[0] != '#' || bytes[1] != '!') return 0;
  const std::string line(bytes + 2, std::min(length, kLine) - 2);
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  size_t end = line.find('\n');
  if (end == std::string::npos) {
    // Cut off by the buffer: acceptable only where the interpreter's name is whole.
    size_t at = 0;
    while (at < line.size() && blank(line[at])) at++;
    while (at < line.size() && !blank(line[at]) && line[at] != 0) at++;
    if (at >= line.size() && length >= kLine) return -1;
    end = line.size();
  }
  while (end > 0 && blank(line[end - 1])) end--;
  size_t at = 0;
  while (at < end && blank(line[at])) at++;
  size_t stop = at;
  while (stop < end && !blank(line[stop]) && line[stop] != 0) stop++;
  if (stop == at) return -1;
  out.interpreter = line.substr(at, stop - at);
  if (stop < end && line[stop] == 0) return 1;
  while (stop < end && blank(line[stop])) stop++;
  if (stop < end) {
    out.argument = line.substr(stop, end - stop);
    out.argument.resize(strlen(out.argument.c_str()));
    out.has_argument = true;
  }
  return 1;
}

// The program loader that an ELF image names (PT_INTERP). 0: none; 1: `out`; -1: not to be made out.
int parse_loader(int image, std::string& out) {
  Elf64_Ehdr head;
  if (pread(image, &head, sizeof head, 0) != sizeof head || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) return 0;
  // 32-bit programs cannot make a single system call here.
  if (head.e_ident[EI_CLASS] != ELFCLASS64) return 0;
  if (head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phnum == 0 || head.e_phnum > 65536 / sizeof(Elf64_Phdr)) return -1;
  std::vector<Elf64_Phdr> parts(head.e_phnum);
  const auto bytes = static_cast<ssize_t>(parts.size() * sizeof(Elf64_Phdr));
  if (pread(image, parts.data(), static_cast<size_t>(bytes), static_cast<off_t>(head.e_phoff)) != bytes) return -1;
  for (const Elf64_Phdr& part : parts) {
    if (part.p_type != PT_INTERP) continue;
    if (part.p_filesz < 2 || part.p_filesz > kLongestPath + 1) return -1;
    std::string text(part.p_filesz, 0);
    if (pread(image, text.data(), text.size(), static_cast<off_t>(part.p_offset)) != static_cast<ssize_t>(text.size()) ||
        text.back() != 0)
      return -1;
    out.assign(text.c_str());
    return 1;
  }
  return 0;
}

// A loader of the system's own, by the name in the image. Others are judged as programs of their own.
bool is_system_loader(const std::string& name) {
  for (const char* folder : {"/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/", "/nix/store/", "/gnu/store/"})
    if (name.compare(0, strlen(folder), folder) == 0) return name.find("/../") == std::string::npos;
  return false;
}

// What a system loader's name resolves to; empty when it does not. The folders are not the subject's to change.
std::string system_loader(Caller& caller, const std::string& name) {
  static std::mutex mutex;
  static std::map<std::string, std::string> known;  // owned by `mutex`; a handful of loaders
  std::lock_guard lock(mutex);
  if (const auto found = known.find(name); found != known.end()) return found->second;
  Pinned file;
  if (known.size() > 64 || pin(caller, AT_FDCWD, name, Lookup(), file) != 0) return {};
  return known[name] = file.name;
}

std::string without_first(const std::string& argv) { return argv.substr(argv.find('\0') + 1); }

class Exec final : public Attempt {
 public:
  Exec(Pinned image, std::string argv, std::string loader)
      : image_(std::move(image.fd)), name_(std::move(image.name)), argv_(std::move(argv)), loader_(std::move(loader)) {}
  bool seals() const override { return true; }
  Outcome perform(Caller& caller) override;

 private:
  bool as_judged(pid_t pid) const;
  bool loaded_as_judged(pid_t pid) const;

  Fd image_;           // what will run: the program, or the last interpreter
  std::string name_;   // and its name
  std::string argv_;   // its arguments as the kernel will lay them out
  std::string loader_;  // name of its loader; empty: none
};

bool Exec::as_judged(pid_t pid) const {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  struct stat judged, running;
  if (fstat(image_.get(), &judged) != 0 || stat(path, &running) != 0) return false;
  if (judged.st_dev != running.st_dev || judged.st_ino != running.st_ino) return false;
  snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return false;
  std::string line(argv_.size() + 1, 0);
  size_t length = 0;
  while (length < line.size()) {
    const ssize_t got = read(file.get(), line.data() + length, line.size() - length);
    if (got < 0) return false;
    if (got == 0) break;
    length += static_cast<size_t>(got);
  }
  return length == argv_.size() && memcmp(line.data(), argv_.data(), length) == 0 &&
         loaded_as_judged(pid);
}

// A name as /proc/PID/maps spells it.
std::string in_maps(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (c == '\n') out += "\\012";
    else out += c;
  }
  return out;
}

// Whether, of files, the image and its loader are all that is mapped. Before its first instruction a program has
// nothing else, whatever was written to the image meanwhile.
bool Exec::loaded_as_judged(pid_t pid) const {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/maps", pid);
  std::ifstream maps(path);
  const std::string image = in_maps(name_), loader = in_maps(loader_);
  bool loaded = loader_.empty();
  for (std::string line; std::getline(maps, line);) {
    const size_t at = line.find('/');
    if (at == std::string::npos) continue;
    const std::string name = line.substr(at);
    if (!loader_.empty() && name == loader) loaded = true;
    else if (name != image && name != image + " (deleted)") return false;
  }
  return loaded;
}

// The ptrace relation belongs to this thread alone, and ends before it returns.
Outcome Exec::perform(Caller& caller) {
  Outcome outcome;
  outcome.answered = true;
  const pid_t tid = caller.tid();
  if (ptrace(PTRACE_SEIZE, tid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) != 0) {
    if (errno == ESRCH) return outcome;
    caller.respond(0, EACCES);
    outcome.stopped = Reason::kUnsealable;
    return outcome;
  }
  // The caller waits unkillably but for SIGKILL, so the interruption takes effect only after the call: an exec
  // that succeeds reports itself first, one that fails shows as this stop.
  ptrace(PTRACE_INTERRUPT, tid, 0, 0);
  caller.proceed();
  for (;;) {
    siginfo_t info{};
    if (waitid(P_ALL, 0, &info, WSTOPPED | WEXITED | WNOWAIT | __WALL | __WNOTHREAD) != 0) {
      if (errno == EINTR) continue;
      return outcome;  // ECHILD: gone, another thread of its process ran exec
    }
    const pid_t pid = info.si_pid;
    int status = 0;
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) {
      if (waitpid(pid, &status, __WALL | __WNOTHREAD) == pid && pid == run.command) command_status = status;
      return outcome;
    }
    waitpid(pid, &status, __WALL | __WNOTHREAD);
    const int event = status >> 16;
    if (event == PTRACE_EVENT_EXEC && !as_judged(pid)) {
      outcome.stopped = Reason::kSealBroken;
      kill(pid, SIGKILL);
      continue;
    }
    if (event == PTRACE_EVENT_EXEC) executables_changed();
    const int signal = event == 0 ? WSTOPSIG(status) : 0;
    if (ptrace(PTRACE_DETACH, pid, 0, signal) == 0) return outcome;
    // Killed meanwhile: its end comes next.
  }
}

}  // namespace

Prepared prepare_exec(Caller& caller) {
  const bool at = caller.nr() == __NR_execveat;
  const int dirfd = at ? static_cast<int>(caller.arg(0)) : AT_FDCWD;
  const int flags = at ? static_cast<int>(caller.arg(4)) : 0;
  constexpr int kCheckOnly = 0x10000;  // AT_EXECVE_CHECK
  if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | kCheckOnly)) return Fails{EINVAL};
  std::string path;
  if (const int error = caller.read_string(caller.arg(at ? 1 : 0), kLongestPath, path); error != 0) return Fails{-error};

  Event event;
  event.op = Op::kExec;
  event.is_program = true;
  event.pid = caller.tgid();
  event.exe = caller.exe();
  Lookup lookup;
  lookup.follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
  lookup.empty_path = (flags & AT_EMPTY_PATH) != 0;
  Pinned image;
  const int arguments = read_arguments(caller, caller.arg(at ? 2 : 1), event.argv);
  if (arguments < 0) return Fails{-arguments};
  if (const int error = pin(caller, dirfd, path, lookup, image); error != 0) {
    if (error != kUnresolvable) return Fails{error};
    event.path = path;
    return Refused{Reason::kUnresolvable, std::move(event)};
  }
  event.path = image.name;
  if (arguments > 0) {
    event.argv.clear();
    return Refused{Reason::kTooLong, std::move(event)};
  }
  // What the kernel calls the file in a script's arguments.
  std::string called = path;
  if (dirfd != AT_FDCWD && (path.empty() || path[0] != '/'))
    called = "/dev/fd/" + std::to_string(dirfd) + (path.empty() ? "" : "/" + path);

  std::string argv = event.argv;
  std::string loader;
  for (int scripts = 0;; scripts++) {
    if (S_ISLNK(image.st.st_mode)) return Fails{ELOOP};
    if (!S_ISREG(image.st.st_mode)) return Fails{EACCES};
    if (faccessat(image.fd.get(), "", X_OK, AT_EMPTY_PATH | AT_EACCESS) != 0) return Fails{EACCES};
    const Fd content(open_pinned(image.fd.get(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    char head[256];
    const ssize_t length = content ? pread(content.get(), head, sizeof head, 0) : -1;
    if (length < 0) return Refused{Reason::kUnsealable, std::move(event)};
    Shebang line;
    const int script = parse_shebang(head, static_cast<size_t>(length), line);
    if (script < 0) return Fails{ENOEXEC};
    if (script == 0) {
      const int found = parse_loader(content.get(), loader);
      if (found < 0) return Refused{Reason::kUnsealable, std::move(event)};
      if (found == 0) loader.clear();
      break;
    }
    if (scripts == kMostScripts) return Fails{ELOOP};
    std::string made = line.interpreter + '\0';
    if (line.has_argument) made += line.argument + '\0';
    argv = made + called + '\0' + without_first(argv);
    called = line.interpreter;
    image = Pinned();
    if (const int error = pin(caller, AT_FDCWD, line.interpreter, Lookup(), image); error != 0) {
      if (error != kUnresolvable) return Fails{error};
      return Refused{Reason::kUnresolvable, std::move(event)};
    }
    event.interpreter = image.name;
    event.interpreter_argv = argv;
  }
  if (is_system_loader(loader)) {
    loader = system_loader(caller, loader);
    if (loader.empty()) return Fails{ENOENT};
  } else if (!loader.empty()) {
    Pinned judged;
    if (const int error = pin(caller, AT_FDCWD, loader, Lookup(), judged); error > 0) return Fails{error};
    // One event has room for one further program.
    if (!judged.fd || !event.interpreter.empty()) return Refused{Reason::kUnsealable, std::move(event)};
    if (judged.protected_) return Refused{Reason::kProtected, std::move(event)};
    if (faccessat(judged.fd.get(), "", X_OK, AT_EMPTY_PATH | AT_EACCESS) != 0) return Fails{EACCES};
    event.interpreter = loader = judged.name;
    event.interpreter_argv = argv;
  }
  auto attempt = std::make_unique<Exec>(std::move(image), std::move(argv), std::move(loader));
  attempt->event = std::move(event);
  return attempt;
}

}  // namespace portcullis
