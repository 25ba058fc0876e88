// A run takes a context (arena, pointer table) from the plan's pool, binds the pointers that point
// outside the arena, and calls the steps one after another.
#include "trivium/engine/run/executor.h"

#include <mutex>
#include <optional>

#include "trivium/engine/core/log.h"
#include "trivium/engine/core/trace.h"
#include "trivium/engine/run/frame.h"
#include "trivium/engine/run/kept.h"
#include "trivium/engine/run/profile.h"
#include "trivium/engine/run/tape.h"

namespace trivium::run {
namespace {

struct Context {
  std::shared_ptr<Buffer> arena;
  std::vector<double> scalar_page;    // one 8-byte place per scalar slot
  std::vector<const void*> pointers;  // operands of all steps, in then out
  RunMemory memory;
  std::optional<Frame> frame;
};

std::unique_ptr<Context> make_context(const Plan& plan) {
  auto c = std::make_unique<Context>();
  c->arena = Buffer::allocate(plan.arena_bytes);
  log::event(log::Topic::memory, "context of plan {:016x}: arena {} bytes", plan.key,
             plan.arena_bytes);
  c->scalar_page.resize(plan.scalars.size());
  c->pointers.resize(static_cast<size_t>(plan.links.pointers));
  c->frame.emplace(plan, c->pointers.data(), c->arena->data(), &c->memory);
  for (size_t i = 0; i < plan.scalars.size(); ++i)
    c->frame->bind_scalar(static_cast<int>(i), &c->scalar_page[i]);
  return c;
}

void put_scalar(double value, DType dtype, void* at) {
  switch (dtype) {
    case DType::f32:
      *static_cast<float*>(at) = static_cast<float>(value);
      break;
    case DType::f64:
      *static_cast<double*>(at) = value;
      break;
    case DType::i32:
      *static_cast<int32_t*>(at) = static_cast<int32_t>(value);
      break;
    case DType::i64:
      *static_cast<int64_t*>(at) = static_cast<int64_t>(value);
      break;
    case DType::bool_:
      *static_cast<bool*>(at) = value != 0;
      break;
    default:  // the rare ones convert as arrays do
      Array(Shape{}, dtype, Buffer::wrap(at, sizeof(double), nullptr)).set(0, value);
  }
}

void check_slot(const char* what, size_t slot, const TensorDesc& wanted, const Shape& shape,
                DType dtype) {
  if (wanted.shape == shape && wanted.dtype == dtype) return;
  user_error("run: {} {} expects {}{}, received {}{}", what, slot, name_of(wanted.dtype),
             wanted.shape.text(), name_of(dtype), shape.text());
}

void check_count(const char* what, size_t wanted, size_t received) {
  if (wanted != received) user_error("run: {} {} expected, {} received", wanted, what, received);
}

void check(const Plan& plan, const Bindings& b) {
  check_count("inputs", plan.inputs.size(), b.inputs.size());
  check_count("scalars", plan.scalars.size(), b.scalars.size());
  check_count("cells", plan.cells.size(), b.cells.size());
  for (size_t i = 0; i < b.inputs.size(); ++i) {
    if (!b.inputs[i].defined()) user_error("run: input {} is not set", i);
    check_slot("input", i, plan.inputs[i], b.inputs[i].shape(), b.inputs[i].dtype());
  }
  for (size_t i = 0; i < b.cells.size(); ++i)
    check_slot("cell", i, plan.cells[i], b.cells[i]->shape(), b.cells[i]->dtype());
}

void bind(const Plan& plan, const Bindings& b, std::vector<Array>& outputs, void* kept,
          Context& c) {
  for (size_t i = 0; i < b.scalars.size(); ++i)
    put_scalar(b.scalars[i], plan.scalars[i].dtype, &c.scalar_page[i]);
  outputs.resize(plan.outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorDesc& d = plan.outputs[i];
    const bool reusable = outputs[i].defined() && outputs[i].shape() == d.shape &&
                          outputs[i].dtype() == d.dtype && outputs[i].buffer().use_count() == 1;
    if (!reusable) outputs[i] = Array(d.shape, d.dtype);
  }
  const Frame& frame = *c.frame;
  for (size_t i = 0; i < b.inputs.size(); ++i)
    frame.bind_input(static_cast<int>(i), b.inputs[i].raw());
  for (size_t i = 0; i < b.cells.size(); ++i)
    frame.bind_cell(static_cast<int>(i), b.cells[i]->value().raw());
  for (size_t i = 0; i < outputs.size(); ++i)
    frame.bind_output(static_cast<int>(i), outputs[i].raw());
  if (kept) frame.bind_kept(kept);
}

void run_step(Context& c, size_t index) {
  try {
    c.frame->run_step(index);
  } catch (const UserError& error) {
    c.frame->rethrow(error, index);
  }
}

void run_steps_traced(const Plan& plan, size_t begin, size_t end, Context& c) {
  for (size_t i = begin; i < end; ++i) {
    const auto start = trace::Clock::now();
    run_step(c, i);
    trace::add("step", plan.traces[plan.steps[i].trace].kernel, start, trace::Clock::now());
  }
}

void run_steps(const Plan& plan, size_t begin, size_t end, Context& c, Profile* profile) {
  if (!profile && trace::on()) return run_steps_traced(plan, begin, end, c);
  if (!profile) return c.frame->run(begin, end);
  for (size_t i = begin; i < end; ++i) {
    const auto start = Profile::Clock::now();
    run_step(c, i);
    profile->step_done(plan, static_cast<int32_t>(i), start, Profile::Clock::now());
  }
}

/// The prologue when what it made last is out of date, then the other steps.
void run_all(const Plan& plan, KeptLease& kept, Context& c, Profile* profile) {
  const auto prologue = static_cast<size_t>(plan.prologue);
  const trace::Span whole("run", "plan");
  if (profile) profile->begin_run(plan);
  if (!kept.fresh()) {
    run_steps(plan, 0, prologue, c, profile);
    kept.made();
  }
  run_steps(plan, prologue, plan.steps.size(), c, profile);
  if (profile) profile->end_run();
}

}  // namespace

struct Plan::Contexts {
  KeptStore kept;
  std::mutex lock;  // guards `idle`
  std::vector<std::unique_ptr<Context>> idle;
};

Plan::Plan() : contexts(std::make_unique<Contexts>()) {}
Plan::~Plan() = default;

void execute(const Plan& plan, const Bindings& bindings, std::vector<Array>& outputs,
             Profile* profile) {
  check(plan, bindings);
  KeptLease kept;
  if (plan.prologue_reads_inputs) internal_error("run: a loop's plan outside of its loop");
  if (plan.prologue) kept = plan.contexts->kept.lease(plan, bindings.cells);
  std::unique_ptr<Context> context;
  {
    std::lock_guard<std::mutex> hold(plan.contexts->lock);
    if (!plan.contexts->idle.empty()) {
      context = std::move(plan.contexts->idle.back());
      plan.contexts->idle.pop_back();
    }
  }
  if (!context) context = make_context(plan);
  struct Return {  // the context goes back whatever happens
    const Plan& plan;
    std::unique_ptr<Context>& context;
    ~Return() {
      context->memory.clear();
      std::lock_guard<std::mutex> hold(plan.contexts->lock);
      plan.contexts->idle.push_back(std::move(context));
    }
  } giving_back{plan, context};
  bind(plan, bindings, outputs, kept.memory(), *context);
  run_all(plan, kept, *context, profile);
  for (size_t i = 0; i < plan.cells.size(); ++i)
    if (plan.cell_written[i]) bindings.cells[i]->touched();
}

}  // namespace trivium::run
