// Starting the command under the filter, and ending what it leaves behind.
#pragma once
#include <linux/filter.h>

#include <string>
#include <vector>

#include "gate.h"

namespace portcullis {

struct Command {
  std::vector<std::string> argv;  // at least one
  std::vector<std::string> env;   // NAME=value
  std::string cwd;
};

// A command that waits, filter installed, for release() before it runs anything. Destroyed unreleased, it dies
// without having run.
struct Launched {
  pid_t pid = 0;
  Fd pidfd;     // readable when the command has ended
  Fd listener;  // the only one; closing it makes every waiting and later mediated call fail with ENOSYS
  Fd go;
  Fd report;    // closed by the exec, or yields the errno (int) of a failed one

  void release();
};

// Forks from the calling thread. On failure nothing runs and `error` is one sentence.
bool launch(const Command& command, const std::vector<sock_filter>& filter, Launched& out, std::string& error);

// Whether the subject, running with the monitor's credentials, has powers or ids that it could change.
bool is_privileged();

// Kills every process of the subject until none is left, or gives up after a second. How many were killed.
int end_subject();

// Reaps zombies of the subject that the monitor inherited. Those of other children, which node waits for by
// id, are left alone: a task of the subject is known by no_new_privs, which the monitor itself does not have.
// Where it does, nothing is reaped before the end.
void reap_orphans();

}  // namespace portcullis
