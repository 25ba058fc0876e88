// A plan in the middle of running: the operand pointers of its steps. Which pointer depends on what
// was worked out with the plan (Links); a frame only stores them, in memory it is given.
#pragma once

#include "trivium/engine/run/plan.h"

namespace trivium::run {

/// Fills plan.links from its steps and buffers; the last thing done to a plan.
void link(Plan& plan);

class Frame {
 public:
  /// `pointers` holds plan.links.pointers entries, `arena` plan.arena_bytes, aligned to 64.
  Frame(const Plan& plan, const void** pointers, void* arena, RunMemory* run);

  void bind_input(int slot, const void* data) const { put(plan_.links.inputs[slot], data); }
  void bind_cell(int slot, const void* data) const { put(plan_.links.cells[slot], data); }
  void bind_output(int slot, const void* data) const { put(plan_.links.outputs[slot], data); }
  void bind_scalar(int slot, const void* data) const { put(plan_.links.scalars[slot], data); }

  void run_step(size_t index) const {
    const Step& step = plan_.steps[index];
    const void** in = pointers_ + plan_.links.first[index];
    void** out = const_cast<void**>(in) + step.in.size();
    step.fn({in, out, arena_ + step.scratch_offset, step.state, run_});
  }
  /// What the prologue makes lies here.
  void bind_kept(void* memory) const { put(plan_.links.kept, memory); }

  /// These steps. A step's UserError gets its layer's name.
  void run(size_t begin, size_t end) const;
  void run() const { run(0, plan_.steps.size()); }
  /// Throws the error again, with the layer's name where it has none yet.
  [[noreturn]] void rethrow(const UserError& error, size_t index) const;

 private:
  void put(const std::vector<Links::Place>& places, const void* data) const {
    for (const Links::Place& p : places)
      pointers_[p.pointer] = static_cast<const char*>(data) + p.offset;
  }

  const Plan& plan_;
  const void** pointers_;
  char* arena_;
  RunMemory* run_;
};

}  // namespace trivium::run
