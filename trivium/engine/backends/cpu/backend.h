// The CPU backend: its kernels, what the machine can do, and the blocked formats it likes.
#pragma once

namespace trivium::cpu {

/// Makes "cpu" known to run::backend. Idempotent and cheap; any thread.
void register_backend();

}  // namespace trivium::cpu
