// The engine for programs of their own: record a graph, prepare a plan, execute it.
//
//   trivium::start();
//   trivium::Graph graph;
//   auto x = graph.input("x", {2, 3});
//   auto prepared = trivium::compile::prepare(graph, {}, {trivium::ops::relu(x * 2.0)});
//   std::vector<trivium::Array> out;
//   trivium::run::execute(*prepared.plan, {{trivium::Array::full({2, 3}, 1.5)}, {}, {}}, out);
#pragma once

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/core/array.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/core/trace.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/graph.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/run/executor.h"

namespace trivium {

/// Makes ops and the CPU backend known; call once before recording. May be called again.
inline void start() {
  ops::register_all();
  cpu::register_backend();
  trace::start_from_environment();
}

}  // namespace trivium
