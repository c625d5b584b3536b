// The seccomp filter: which calls wait for the monitor, which are closed for good, which run untouched.
#pragma once
#include <linux/filter.h>

#include <vector>

namespace portcullis {

// The program for this machine's architecture. `privileged`: the subject starts with powers it could drop, so
// changes of credentials are reported (DESIGN 5.1: a caller with other credentials is denied).
std::vector<sock_filter> make_filter(bool privileged);

}  // namespace portcullis
