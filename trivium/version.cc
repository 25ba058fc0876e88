#include "trivium/version.h"

#define TRIVIUM_TEXT2(x) #x
#define TRIVIUM_TEXT(x) TRIVIUM_TEXT2(x)

namespace trivium {

const char* version() {
  return TRIVIUM_TEXT(TRIVIUM_VERSION_MAJOR) "." TRIVIUM_TEXT(
      TRIVIUM_VERSION_MINOR) "." TRIVIUM_TEXT(TRIVIUM_VERSION_PATCH);
}

}  // namespace trivium
