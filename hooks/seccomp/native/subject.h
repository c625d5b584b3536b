// Where a process stands in the tree of processes.
#pragma once
#include <cstdint>
#include <string>

#include "gate.h"

namespace portcullis {

struct Lineage {
  pid_t parent = 0;
  pid_t group = 0;        // process group
  uint64_t started = 0;   // clock ticks since boot
};

// From /proc/ID/stat; ID may be a thread's. False when there is none.
bool read_lineage(pid_t id, Lineage& out);

// The process that a task belongs to; 0 when there is none.
pid_t process_of(pid_t id);

// Path of a process's executable; empty when it may not be read or has none.
std::string executable_of(pid_t pid);

}  // namespace portcullis
