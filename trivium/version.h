// The version of the library a program was built with.
#pragma once

#define TRIVIUM_VERSION_MAJOR 0
#define TRIVIUM_VERSION_MINOR 1
#define TRIVIUM_VERSION_PATCH 0

namespace trivium {

/// Version of the library that runs, "0.1.0"; differs from the macros when another one was linked.
const char* version();

}  // namespace trivium
