// Who belongs to the subject: the command and all that descends from it. Read from /proc at the moment of the
// question, since nothing is told when a process is born.
//
// A process whose parent ends is adopted by the monitor (the subreaper), so a walk up the parents ends at the
// command, at the monitor or at an outsider. Among the monitor's own children an orphan of the subject is known
// by the filter that it inherited and cannot lose: it has one more than the monitor. Only a child of the monitor
// that confines itself with no_new_privs and a filter of its own (a reviewer in a sandbox, say) would be taken
// for one.
//
// Ids are reused. A parent that ended during the walk is noticed by its start time: a parent is never younger
// than its child. That the process asked about is still the same when the answer is used is for the caller to
// settle, by a pidfd opened before.
#include "subject.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

namespace portcullis {
namespace {

constexpr int kDeepest = 4096;   // generations
constexpr int kMostWalks = 8;    // started anew because a parent ended meanwhile

// The number after "\nKey:" in a status text, or -1.
long number_after(const std::string& status, const char* key) {
  const size_t at = status.find(key);
  return at == std::string::npos ? -1 : strtol(status.c_str() + at + strlen(key), nullptr, 10);
}

long filters_of(const std::string& status) { return number_after(status, "\nSeccomp_filters:"); }

// For a child of the monitor other than the command.
bool is_orphan_of_subject(pid_t pid) {
  static const long own = [] {
    std::string status;
    return read_status(run.monitor, status) ? filters_of(status) : -1;
  }();
  std::string status;
  if (own < 0 || !read_status(pid, status)) return false;
  return number_after(status, "\nNoNewPrivs:") == 1 && filters_of(status) > own;
}

enum class Walk { kInside, kOutside, kAgain };

Walk walk_up(pid_t id) {
  Lineage child;
  if (!read_lineage(id, child)) return Walk::kOutside;
  for (int generation = 0; generation < kDeepest; generation++) {
    if (id == run.command) return Walk::kInside;
    if (child.parent == run.monitor) return is_orphan_of_subject(id) ? Walk::kInside : Walk::kOutside;
    if (child.parent <= 1) return Walk::kOutside;
    Lineage parent;
    if (!read_lineage(child.parent, parent) || parent.started > child.started) return Walk::kAgain;
    id = child.parent;
    child = parent;
  }
  return Walk::kOutside;
}

}  // namespace

bool read_lineage(pid_t id, Lineage& out) {
  char path[40], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", id);
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  const ssize_t length = file ? read(file.get(), text, sizeof text - 1) : -1;
  if (length <= 0) return false;
  text[length] = 0;
  // The second field, the program's name, may hold anything; after its last parenthesis fields are plain.
  const char* after = strrchr(text, ')');
  int parent = 0, group = 0;
  unsigned long long started = 0;
  if (after == nullptr ||
      sscanf(after + 1, " %*c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &parent,
             &group, &started) != 3)
    return false;
  out = {parent, group, started};
  return true;
}

pid_t process_of(pid_t id) {
  std::string status;
  const long process = read_status(id, status) ? number_after(status, "\nTgid:") : 0;
  return process > 0 ? static_cast<pid_t>(process) : 0;
}

std::string executable_of(pid_t pid) {
  char path[40], name[4096];
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  const ssize_t length = readlink(path, name, sizeof name);
  return length > 0 && length < static_cast<ssize_t>(sizeof name) ? std::string(name, static_cast<size_t>(length))
                                                                   : std::string();
}

bool in_subject(pid_t pid) {
  if (run.command == 0 || pid <= 1 || pid == run.monitor) return false;
  for (int walk = 0; walk < kMostWalks; walk++) {
    const Walk answer = walk_up(pid);
    if (answer != Walk::kAgain) return answer == Walk::kInside;
  }
  return false;
}

}  // namespace portcullis
