// Plan: what runs. A list of steps over buffers whose places were fixed when it was compiled.
// Immutable; knows neither graphs nor ops. Several threads may execute one plan at once, each in
// its own context.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/engine/core/cell.h"
#include "trivium/engine/run/kernel.h"

namespace trivium::run {

/// Where a buffer's memory comes from in a run.
/// kept: derived from Cells that the plan does not write, and made again when one has changed.
enum class Place : uint8_t { arena, input, scalar, constant, cell, output, kept };

struct BufferInfo {
  Place place = Place::arena;
  int32_t slot = 0;   // index among inputs, scalars, constants, cells or outputs
  size_t offset = 0;  // arena, kept: byte offset
  size_t bytes = 0;
  TensorDesc desc;
  int32_t first_step = 0, last_step = 0;  // lifetime, for the memory report and the verifier
  std::string label;
};

/// Operand: a buffer and a byte offset into it (views, slices of a concat). Buffer -1: absent.
struct Operand {
  int32_t buffer = -1;
  size_t offset = 0;
};

struct Step {
  KernelFn fn = nullptr;
  const void* state = nullptr;
  std::vector<Operand> in, out;
  size_t scratch_offset = 0, scratch_bytes = 0;  // inside the arena
  int32_t trace = 0;                             // index into Plan::traces
};

/// Which pointers of a run follow from what (frame.h): operands of all steps in order, in then out.
struct Links {
  struct Place {
    int32_t pointer;
    size_t offset;
  };
  int32_t pointers = 0;
  std::vector<int32_t> first;  // per step
  std::vector<Place> arena, kept;
  std::vector<std::pair<int32_t, const void*>> constants;
  std::vector<std::vector<Place>> inputs, scalars, cells, outputs;  // per slot
};

struct Plan;

/// What a step is called and what it should cost; read by the profiler and explain only.
struct Trace {
  std::string kernel, op, scope;
  double flops = 0, bytes = 0, predicted_us = 0;
  std::vector<std::pair<std::string, std::shared_ptr<const Plan>>> regions;  // it runs, by name
};

struct Plan {
  std::vector<Step> steps;
  std::vector<BufferInfo> buffers;
  std::vector<Trace> traces;
  std::vector<std::shared_ptr<const void>> states;  // keeps step states alive
  std::vector<Array> constants;
  std::vector<TensorDesc> inputs, scalars, cells, outputs;  // what binding expects (all plain)
  std::vector<char> cell_written;                           // per cell: the run changes it
  std::vector<int32_t> output_buffers;                      // per output: its buffer
  int32_t prologue = 0;                // the first steps: they make what is kept between runs
  std::vector<int32_t> kept_sources;   // cell slots that the prologue reads
  bool prologue_reads_inputs = false;  // a loop's: it runs at the beginning of every loop
  size_t kept_bytes = 0;
  /// Per output: 1 where it is written over the input it is carried from (Options::carried).
  std::vector<char> output_stays;
  Links links;
  size_t arena_bytes = 0;
  size_t live_lower_bound = 0;  // most bytes alive at once: the arena can not be smaller
  uint64_t key = 0;
  std::string notes;  // what the compiler did and refused, line by line (explain)

  Plan();
  ~Plan();
  Plan(const Plan&) = delete;
  struct Contexts;
  std::unique_ptr<Contexts> contexts;  // arenas ready for use; see executor.cc
};

}  // namespace trivium::run
