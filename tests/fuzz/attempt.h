// A reader may refuse its input with trivium::Error; every other way out is a finding.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trivium/engine/core/error.h"

template <typename F>
void attempt(F&& f) {
  try {
    f();
  } catch (const trivium::Error&) {
  }
}
