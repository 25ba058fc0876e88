#include "trivium/engine/run/frame.h"

#include <typeinfo>

namespace trivium::run {

void link(Plan& plan) {
  Links& links = plan.links;
  links = {};
  links.inputs.resize(plan.inputs.size());
  links.scalars.resize(plan.scalars.size());
  links.cells.resize(plan.cells.size());
  links.outputs.resize(plan.outputs.size());
  const auto add = [&](const Operand& o) {
    const int32_t pointer = links.pointers++;
    if (o.buffer < 0) return;
    const BufferInfo& info = plan.buffers[o.buffer];
    switch (info.place) {
      case Place::arena:
        return links.arena.push_back({pointer, info.offset + o.offset});
      case Place::constant:
        return links.constants.push_back(
            {pointer, static_cast<const char*>(plan.constants[info.slot].raw()) + o.offset});
      case Place::input:
        return links.inputs[info.slot].push_back({pointer, o.offset});
      case Place::scalar:
        return links.scalars[info.slot].push_back({pointer, o.offset});
      case Place::cell:
        return links.cells[info.slot].push_back({pointer, o.offset});
      case Place::kept:
        return links.kept.push_back({pointer, info.offset + o.offset});
      case Place::output:
        return links.outputs[info.slot].push_back({pointer, o.offset});
    }
  };
  for (const Step& step : plan.steps) {
    links.first.push_back(links.pointers);
    for (const Operand& o : step.in) add(o);
    for (const Operand& o : step.out) add(o);
  }
}

Frame::Frame(const Plan& plan, const void** pointers, void* arena, RunMemory* run)
    : plan_(plan), pointers_(pointers), arena_(static_cast<char*>(arena)), run_(run) {
  for (int32_t i = 0; i < plan.links.pointers; ++i) pointers[i] = nullptr;
  for (const Links::Place& p : plan.links.arena) pointers[p.pointer] = arena_ + p.offset;
  for (const auto& [pointer, data] : plan.links.constants) pointers[pointer] = data;
}

void Frame::run(size_t begin, size_t end) const {
  size_t i = begin;
  try {
    for (; i < end; ++i) run_step(i);
  } catch (const UserError& error) {
    rethrow(error, i);
  }
}

void Frame::rethrow(const UserError& error, size_t index) const {
  const std::string& scope = plan_.traces[plan_.steps[index].trace].scope;
  const std::string text = error.what();
  if (scope.empty() || typeid(error) != typeid(UserError) ||
      text.find(", in layer \"") != std::string::npos)
    throw;
  user_error("{}, in layer \"{}\"", text, scope);
}

}  // namespace trivium::run
