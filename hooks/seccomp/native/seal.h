// What sealing shares with the keeper of the command: sealing may be the one that reaps it.
#pragma once
#include <atomic>

namespace portcullis {

// The wait status of the command where a sealing thread reaped it; -1 otherwise.
extern std::atomic<int> command_status;

}  // namespace portcullis
