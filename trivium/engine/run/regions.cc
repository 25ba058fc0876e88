#include "trivium/engine/run/regions.h"

#include <cstring>

#include "trivium/engine/run/frame.h"
#include "trivium/engine/run/tape.h"

namespace trivium::run {
namespace {

constexpr size_t kAlignment = 64;
size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

template <typename State>
Kernel kernel_of(const char* name, State state, size_t scratch_bytes) {
  return {[](const KernelArgs& args) { static_cast<const State*>(args.state)->run(args); },
          std::make_shared<const State>(std::move(state)), scratch_bytes, name};
}

size_t table_bytes(const Plan& plan) {
  return aligned(static_cast<size_t>(plan.links.pointers) * sizeof(void*));
}

/// Slot of the plan for each of a region's inputs, -1 where the plan does not read it.
std::vector<int> slots_of(const RegionPlan& region, int inputs) {
  std::vector<int> slots(inputs, -1);
  for (size_t s = 0; s < region.inputs.size(); ++s) slots[region.inputs[s]] = static_cast<int>(s);
  return slots;
}

/// One loop: what is fixed. Scratch: pointer tables, the second buffers of carries, the carries'
/// current places, the answer of the condition, what the body keeps from one iteration to the next,
/// the arena (of body and condition in turn).
struct LoopState {
  LoopParts p;
  std::vector<int> body_slots, condition_slots;
  std::vector<char> stays;              // carry is written where it is
  std::vector<size_t> second;           // carry: offset of the second buffer
  std::vector<size_t> row_at, save_at;  // places in a record of a tape
  size_t record_bytes = 0;
  size_t body_table = 0, condition_table = 0, places = 0, answer = 0, kept = 0, arena = 0,
         bytes = 0;

  explicit LoopState(LoopParts parts) : p(std::move(parts)) {
    const int inputs = p.carries + p.rows + p.captures;
    body_slots = slots_of(p.body, inputs);
    condition_slots = slots_of(p.condition, inputs);
    const auto take = [&](size_t size) {
      const size_t at = bytes;
      bytes += aligned(size);
      return at;
    };
    body_table = take(table_bytes(*p.body.plan));
    condition_table = take(p.condition.plan ? table_bytes(*p.condition.plan) : 0);
    places = take(static_cast<size_t>(p.carries) * sizeof(void*));
    answer = take(1);
    kept = take(p.body.plan->kept_bytes);
    for (int i = 0; i < p.carries; ++i) {
      stays.push_back(p.body.plan->output_stays.empty() ? 0 : p.body.plan->output_stays[i]);
      second.push_back(stays[i] ? 0 : take(p.carry_bytes[i]));
    }
    arena = take(
        std::max(p.body.plan->arena_bytes, p.condition.plan ? p.condition.plan->arena_bytes : 0));
    size_t at = 0;
    for (size_t size : p.row_bytes) row_at.push_back(at), at += aligned(size);
    for (size_t size : p.save_bytes) save_at.push_back(record_bytes), record_bytes += aligned(size);
  }

  bool from_tape() const { return p.trips < 0 && p.rows > 0; }
  bool to_tape() const { return p.trips < 0 && p.saves > 0; }
  int first_capture() const { return p.carries + (from_tape() ? 1 : p.rows); }

  void run(const KernelArgs& args) const { LoopRun(*this, args).run(); }

  /// One run of the loop.
  struct LoopRun {
    const LoopState& s;
    const LoopParts& p;
    const KernelArgs& args;
    char* scratch;
    const void** place;  // of each carry now
    Frame body;
    Tape *read = nullptr, *written = nullptr;
    int64_t trips;

    LoopRun(const LoopState& state, const KernelArgs& a)
        : s(state),
          p(state.p),
          args(a),
          scratch(static_cast<char*>(a.scratch)),
          place(reinterpret_cast<const void**>(scratch + s.places)),
          body(*p.body.plan, reinterpret_cast<const void**>(scratch + s.body_table),
               scratch + s.arena, a.run),
          trips(p.trips) {
      bind_captures(body, s.body_slots);
      body.bind_kept(scratch + s.kept);
      for (int i = 0; i < p.carries; ++i) {
        place[i] = args.in[i];
        if (!s.stays[i]) continue;
        if (args.in[i] != args.out[i]) std::memcpy(args.out[i], args.in[i], p.carry_bytes[i]);
        place[i] = args.out[i];
        if (s.body_slots[i] >= 0) body.bind_input(s.body_slots[i], place[i]);
      }
      if (s.from_tape()) {
        std::memcpy(&read, args.in[p.carries], sizeof(read));
        trips = read->records();
      }
      if (s.to_tape()) {
        written = &args.run->tape(s.record_bytes);
        std::memcpy(args.out[p.carries], &written, sizeof(written));
      }
    }

    void bind_captures(const Frame& frame, const std::vector<int>& slots) const {
      for (int i = 0; i < p.captures; ++i)
        if (const int slot = slots[p.carries + p.rows + i]; slot >= 0)
          frame.bind_input(slot, args.in[s.first_capture() + i]);
    }

    void run() {
      if (!p.condition.plan) {
        for (int64_t t = 0; t < trips; ++t) iterate(t);
      } else {
        const Frame condition(*p.condition.plan,
                              reinterpret_cast<const void**>(scratch + s.condition_table),
                              scratch + s.arena, args.run);
        bind_captures(condition, s.condition_slots);
        condition.bind_output(0, scratch + s.answer);
        for (int64_t t = 0; holds(condition); ++t) iterate(t);
      }
      for (int i = 0; i < p.carries; ++i)
        if (place[i] != args.out[i]) std::memcpy(args.out[i], place[i], p.carry_bytes[i]);
    }

    bool holds(const Frame& condition) const {
      for (int i = 0; i < p.carries; ++i)
        if (s.condition_slots[i] >= 0) condition.bind_input(s.condition_slots[i], place[i]);
      condition.run();
      return scratch[s.answer] != 0;
    }

    void iterate(int64_t t) {
      const int64_t row = p.reverse ? trips - 1 - t : t;
      bind_rows(row);
      for (int i = 0; i < p.carries; ++i)
        if (!s.stays[i]) {
          if (s.body_slots[i] >= 0) body.bind_input(s.body_slots[i], place[i]);
          body.bind_output(i, next_place(i, t));
        }
      const Plan& plan = *p.body.plan;
      if (t == 0) body.run(0, static_cast<size_t>(plan.prologue));  // what no iteration changes
      body.run(static_cast<size_t>(plan.prologue), plan.steps.size());
      for (int i = 0; i < p.carries; ++i)
        if (!s.stays[i]) place[i] = next_place(i, t);
    }

    /// Two places in turn, so that the last result of a known number lands in the output.
    void* next_place(int i, int64_t t) const {
      const bool second = ((trips < 0 ? t : trips - 1 - t) & 1) != 0;
      return second ? scratch + s.second[i] : args.out[i];
    }

    void bind_rows(int64_t row) const {
      const char* record = read ? read->at(row) : nullptr;
      for (int i = 0; i < p.rows; ++i)
        if (const int slot = s.body_slots[p.carries + i]; slot >= 0)
          body.bind_input(slot, read ? record + s.row_at[i]
                                     : static_cast<const char*>(args.in[p.carries + i]) +
                                           static_cast<size_t>(row) * p.row_bytes[i]);
      char* to = written ? written->push() : nullptr;
      for (int i = 0; i < p.saves; ++i)
        body.bind_output(p.carries + i, written ? to + s.save_at[i]
                                                : static_cast<char*>(args.out[p.carries + i]) +
                                                      static_cast<size_t>(row) * p.save_bytes[i]);
    }
  };
};

struct ChoiceState {
  RegionPlan regions[2];  // otherwise, then
  size_t arena = 0;       // behind the pointer table

  void run(const KernelArgs& args) const {
    const RegionPlan& region = regions[*static_cast<const bool*>(args.in[0]) ? 1 : 0];
    char* scratch = static_cast<char*>(args.scratch);
    const Frame frame(*region.plan, reinterpret_cast<const void**>(scratch), scratch + arena,
                      args.run);
    for (size_t s = 0; s < region.inputs.size(); ++s)
      frame.bind_input(static_cast<int>(s), args.in[1 + region.inputs[s]]);
    for (size_t i = 0; i < region.plan->outputs.size(); ++i)
      frame.bind_output(static_cast<int>(i), args.out[i]);
    frame.run();
  }
};

struct HostCallState {
  std::vector<TensorDesc> in, out;  // of the function alone

  static Array wrapped(const TensorDesc& d, const void* data) {
    return Array(d.shape, d.dtype, Buffer::wrap(const_cast<void*>(data), d.bytes(), nullptr));
  }
  void run(const KernelArgs& args) const {
    int64_t address = 0, token = 0;
    std::memcpy(&address, args.in[0], sizeof(address));
    std::memcpy(&token, args.in[1], sizeof(token));
    std::vector<Array> arguments, results;
    for (size_t i = 0; i < in.size(); ++i) arguments.push_back(wrapped(in[i], args.in[2 + i]));
    for (size_t i = 0; i < out.size(); ++i) results.push_back(wrapped(out[i], args.out[1 + i]));
    reinterpret_cast<const HostFunction*>(address)->call(arguments, results);
    ++token;
    std::memcpy(args.out[0], &token, sizeof(token));
  }
};

}  // namespace

Kernel loop_kernel(LoopParts parts) {
  LoopState state(std::move(parts));
  const size_t bytes = state.bytes;
  return kernel_of("while", std::move(state), bytes);
}

Kernel choice_kernel(RegionPlan then, RegionPlan otherwise) {
  ChoiceState state;
  state.arena = std::max(table_bytes(*then.plan), table_bytes(*otherwise.plan));
  const size_t bytes =
      state.arena + aligned(std::max(then.plan->arena_bytes, otherwise.plan->arena_bytes));
  state.regions[0] = std::move(otherwise);
  state.regions[1] = std::move(then);
  return kernel_of("cond", std::move(state), bytes);
}

Array HostFunction::bound(
    std::function<void(const std::vector<Array>&, const std::vector<Array>&)> call) {
  struct Held {
    HostFunction function;
    int64_t address;
  };
  auto held = std::make_shared<Held>();
  held->function.call = std::move(call);
  held->address = static_cast<int64_t>(reinterpret_cast<intptr_t>(&held->function));
  void* data = &held->address;
  return Array(Shape{}, DType::i64, Buffer::wrap(data, sizeof(int64_t), std::move(held)));
}

Kernel host_call_kernel(std::vector<TensorDesc> in, std::vector<TensorDesc> out) {
  return kernel_of("host_call", HostCallState{std::move(in), std::move(out)}, 0);
}

}  // namespace trivium::run
