// Inputs, variables and what gives a graph its structure.
#include <algorithm>
#include <cmath>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

void same_as_input(Infer& c) { c.output(c.shape(0), c.dtype(0)); }

/// Shape of a new value beside its variable's; ValueError when they can not agree.
PartialShape assigned_shape(Infer& c, bool may_change) {
  c.same_dtype(1);
  if (may_change) return c.shape(1);
  const PartialShape &ref = c.shape(0), &value = c.shape(1);
  if (ref.known_rank() && value.known_rank() && ref.rank() != value.rank())
    c.fail(fmt::format("Shapes must be equal rank, but are {} and {}", ref.rank(), value.rank()),
           "an assignment does not broadcast");
  for (int i = 0; i < ref.rank() && value.known_rank(); ++i)
    if (ref[i] >= 0 && value[i] >= 0 && ref[i] != value[i])
      c.fail(
          fmt::format("Dimension {} in both shapes must be equal, but are {} and {}. Shapes are {} "
                      "and {}.",
                      i, ref[i], value[i], ref.brackets(), value.brackets()));
  return ref.merge(value);
}

void assign(SpecTable& table, const std::string& type, Value (*update)(Value, Value)) {
  table.add({type,
             {"ref", "value"},
             [](Infer& c) {
               c.output(assigned_shape(c, !c.op().attr_or<bool>("validate_shape", true)),
                        c.dtype(0));
             },
             [update](Translate& c) {
               Operation* variable = c.translator().variable_of(c.op().edges()[0]);
               Value value = c.in(1);
               if (update) value = update(c.translator().latest(variable), value);
               value = ops::stop_gradient(value);
               c.translator().write(c.op(), variable, value);
               c.out(0, value);
             },
             Differentiable::cut});
}

/// ref with rows replaced, increased or decreased at indices of any shape.
void scatter(SpecTable& table, const std::string& type, const std::string& mode, bool negate) {
  table.add({type,
             {"ref", "indices", "updates"},
             [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
             [=](Translate& c) {
               Operation* variable = c.translator().variable_of(c.op().edges()[0]);
               const Value old = c.translator().latest(variable);
               Value index = c.in(1), updates = c.in(2);
               const int64_t rows = index.shape().count();
               std::vector<int64_t> dims = old.shape().vec();
               dims[0] = rows;
               if (updates.shape().rank() == 0) updates = ops::broadcast_to(updates, Shape(dims));
               updates = ops::reshape(updates, Shape(dims));
               if (negate) updates = ops::neg(updates);
               const Value value = ops::stop_gradient(
                   ops::index_update(old, ops::reshape(index, {rows}), updates, 0, mode));
               c.translator().write(c.op(), variable, value);
               c.out(0, value);
             },
             Differentiable::cut});
}

void define_inputs(SpecTable& t) {
  t.add({"Placeholder",
         {},
         [](Infer& c) {
           c.output(c.op().attr<PartialShape>("shape"), c.op().attr<DataType>("dtype"));
         },
         [](Translate&) {}});
  t.add({"PlaceholderWithDefault",
         {"input"},
         [](Infer& c) {
           const PartialShape& shape = c.op().attr<PartialShape>("shape");
           if (!shape.compatible(c.shape(0)))
             c.fail(fmt::format("Shapes {} and {} are not compatible", c.shape(0).text(),
                                shape.text()));
           c.output(shape, c.dtype(0));
         },
         [](Translate& c) { c.hand_on(0, 0); }});
  t.add({"Const",
         {},
         [](Infer& c) {
           const Data& value = c.op().attr<Data>("value");
           c.output(PartialShape(value.shape()), value.type());
         },
         [](Translate& c) { c.translator().set(c.op(), 0, c.op().attr<Data>("value")); },
         Differentiable::cut});
  t.add({"VariableV2",
         {},
         [](Infer& c) {
           c.output(c.op().attr<PartialShape>("shape"), c.op().attr<DataType>("dtype"));
         },
         [](Translate&) {}});
  t.add({"IsVariableInitialized",
         {"ref"},
         [](Infer& c) { c.output(PartialShape(Shape{}), DataType::bool_); },
         [](Translate& c) {
           Operation* variable = c.translator().variable_of(c.op().edges()[0]);
           c.out(0, Array::full({}, c.translator().is_initialized(variable), DType::bool_));
         },
         Differentiable::cut});
}

void define_structure(SpecTable& t) {
  t.add({"Identity", {"input"}, same_as_input, [](Translate& c) {
           if (const Data* data = c.translator().known_data(c.op().edges()[0])) {
             c.translator().set(c.op(), 0, *data);
             if (data->strings) return;
           }
           const Value x = c.in(0);
           // A tensor that somebody asks the gradient of must be a value of its own.
           c.out(0, c.op().attr_or<bool>("_distinct", false) ? ops::reshape(x, x.shape()) : x);
         }});
  for (const char* type : {"StopGradient", "PreventGradient"})
    t.add({type,
           {"input"},
           same_as_input,
           [](Translate& c) { c.out(0, ops::stop_gradient(c.in(0))); },
           Differentiable::cut});
  t.add({"NoOp", {}, [](Infer&) {}, [](Translate&) {}, Differentiable::cut});
  // ys…, xs…, grad_ys…, stops… → one gradient per x.
  t.add({"Gradients",
         {},
         [](Infer& c) {
           const auto ys = static_cast<int>(c.op().attr<int64_t>("ys"));
           for (int i = 0; i < c.op().attr<int64_t>("xs"); ++i)
             c.output(c.shape(ys + i), c.dtype(ys + i));
         },
         [](Translate& c) {
           const auto count = [&](const char* name) {
             return static_cast<int>(c.op().attr<int64_t>(name));
           };
           const std::vector<Value> result = c.translator().gradients(
               c.op(), count("ys"), count("xs"), count("seeds"), count("stops"));
           for (size_t i = 0; i < result.size(); ++i) c.out(static_cast<int>(i), result[i]);
         }});
}

std::vector<Data> check_numerics(const Operation& op, const std::vector<Data>& in) {
  const Array wide = in[0].array.cast(DType::f64);
  bool nan = false, infinite = false;
  for (const double v : wide.span<double>()) {
    nan = nan || std::isnan(v);
    infinite = infinite || std::isinf(v);
  }
  if (!nan && !infinite) return {};
  throw OpError(Code::invalid_argument,
                fmt::format("{} : Tensor had {} values\n\t [[{{{{node {}}}}}]]",
                            op.attr_or<std::string>("message", ""),
                            nan && infinite ? "Inf and NaN"
                            : nan           ? "NaN"
                                            : "Inf",
                            op.name()),
                op.name());
}

void define_host(SpecTable& t) {
  OpSpec check{"Assert", {"condition", "data"}, [](Infer&) {}, {}, Differentiable::cut};
  check.host = [](const Operation& op, const std::vector<Data>& in) -> std::vector<Data> {
    if (in[0].array.item() != 0) return {};
    std::string text;
    for (size_t i = 1; i < in.size(); ++i)
      text += " " + summary_of(in[i], op.attr_or<int64_t>("summarize", 3));
    throw OpError(Code::invalid_argument,
                  fmt::format("assertion failed:{}\n\t [[{{{{node {}}}}}]]", text, op.name()),
                  op.name());
  };
  t.add(check);
  OpSpec numerics{"CheckNumerics", {"tensor"}, same_as_input, {}};
  numerics.translate = [](Translate& c) { c.out(0, c.in(0)); };
  numerics.host = check_numerics;
  t.add(numerics);
  // The number a counter stands at; at its limit the run ends.
  OpSpec limit{"CountUpTo", {"ref"}, same_as_input, {}, Differentiable::cut};
  limit.translate = [](Translate& c) { c.out(0, c.in(0)); };
  limit.host = [](const Operation& op, const std::vector<Data>& in) -> std::vector<Data> {
    const auto most = op.attr<int64_t>("limit");
    if (static_cast<int64_t>(in[0].array.item()) < most) return {};
    throw OpError(Code::out_of_range,
                  fmt::format("Reached limit of {}\n\t [[{{{{node {}}}}}]]", most, op.name()),
                  op.name());
  };
  t.add(limit);
}

}  // namespace

void define_state_ops(SpecTable& t) {
  define_inputs(t);
  assign(t, "Assign", nullptr);
  assign(t, "AssignAdd", [](Value a, Value b) { return ops::add(a, b); });
  assign(t, "AssignSub", [](Value a, Value b) { return ops::sub(a, b); });
  scatter(t, "ScatterUpdate", "set", false);
  scatter(t, "ScatterAdd", "add", false);
  scatter(t, "ScatterSub", "add", true);
  define_structure(t);
  define_host(t);
}

}  // namespace trivium::tf
