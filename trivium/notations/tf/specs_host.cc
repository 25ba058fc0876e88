// Operations the host runs: those a program wrote itself, and Print.
#include <cstdio>

#include "trivium/notations/tf/host.h"
#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {
namespace {

using Outputs = std::vector<std::pair<DataType, PartialShape>>;

[[noreturn]] void fail(const Operation& op, const std::string& message) {
  throw OpError(Code::invalid_argument,
                fmt::format("{}\n\t [[{{{{node {}}}}}]]", message, op.name()), op.name());
}

const char* short_name(DataType type) {
  return type == DataType::float32 ? "float" : type == DataType::float64 ? "double" : name_of(type);
}

std::vector<Data> checked(const Operation& op, std::vector<Data> results) {
  if (static_cast<int>(results.size()) != op.num_outputs())
    fail(op, fmt::format("{} returns {} values, but expects to see {} values.", op.name(),
                         results.size(), op.num_outputs()));
  for (int i = 0; i < op.num_outputs(); ++i) {
    const auto& out = op.out(i);
    if (results[i].type() != out.type)
      fail(op, fmt::format("{}-th value returned by {} is {}, but expects {}", i, op.name(),
                           short_name(results[i].type()), short_name(out.type)));
    if (!out.shape.compatible(PartialShape(results[i].shape())))
      fail(op, fmt::format("{}-th value returned by {} has shape {}, but expects {}", i, op.name(),
                           PartialShape(results[i].shape()).brackets(), out.shape.brackets()));
  }
  return results;
}

void written(SpecTable& t, const std::string& type, bool before) {
  OpSpec spec{type, {}, {}, {}, Differentiable::cut};
  spec.infer = [](Infer& c) {
    for (int i = 0;; ++i) {
      const std::string key = fmt::format("out{}", i);
      if (!c.op().has_attr(key)) break;
      c.output(c.op().attr<PartialShape>("shape" + std::to_string(i)), c.op().attr<DataType>(key));
    }
  };
  spec.session_host = [](const Operation& op, const std::vector<Data>& inputs, Session& session) {
    if (!op.host_function())
      fail(op, fmt::format("{} ({}) came without the program that gives it its work", op.name(),
                           op.type()));
    return checked(op, op.host_function()(session, inputs));
  };
  spec.before = before;
  t.add(spec);
}

/// "[1 2 3]" for each datum, as many times as first_n allows.
void print(const Operation& op, const std::vector<Data>& in, Session& session) {
  const auto first_n = op.attr_or<int64_t>("first_n", -1);
  if (first_n >= 0) {
    auto& state = session.state_of(&op);
    if (!state) state = std::make_shared<int64_t>(0);
    auto& count = *static_cast<int64_t*>(state.get());
    if (count++ >= first_n) return;
  }
  std::string text = op.attr_or<std::string>("message", "");
  for (size_t i = 1; i < in.size(); ++i)
    text += summary_of(in[i], op.attr_or<int64_t>("summarize", 3));
  std::fprintf(stderr, "%s\n", text.c_str());
  std::fflush(stderr);
}

}  // namespace

void define_host_ops(SpecTable& t) {
  for (const char* type : {"PyFunc", "IteratorGetNext", "IteratorToStringHandle", "QueueDequeueV2",
                           "QueueDequeueManyV2", "QueueDequeueUpToV2", "QueueSizeV2",
                           "QueueIsClosedV2", "ReaderReadV2", "ReaderReadUpToV2"})
    written(t, type, true);
  for (const char* type : {"MakeIterator", "QueueEnqueueV2", "QueueEnqueueManyV2", "QueueCloseV2"})
    written(t, type, false);
  OpSpec spec{"Print", {"input", "data"}, {}, {}};
  spec.infer = [](Infer& c) { c.output(c.shape(0), c.dtype(0)); };
  spec.translate = [](Translate& c) { c.out(0, c.in(0)); };
  spec.session_host = [](const Operation& op, const std::vector<Data>& in, Session& session) {
    print(op, in, session);
    return std::vector<Data>{};
  };
  t.add(spec);
}

std::shared_ptr<Operation> host_operation(const std::string& type, const std::vector<Input>& inputs,
                                          const Outputs& outputs, HostFunction fn,
                                          const std::string& name) {
  Build b(type, name);
  for (size_t i = 0; i < inputs.size(); ++i) b.in(inputs[i], fmt::format("input_{}", i));
  for (size_t i = 0; i < outputs.size(); ++i) {
    b.attr(fmt::format("out{}", i), outputs[i].first);
    b.attr(fmt::format("shape{}", i), outputs[i].second);
  }
  auto op = b.op();
  op->set_host_function(std::move(fn));
  return op;
}

}  // namespace trivium::tf
