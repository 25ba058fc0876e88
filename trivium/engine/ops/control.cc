// while, cond and host_call: ops that hold graphs, or leave the engine for a moment. Their meaning
// here is the slow and obvious one; run/regions.cc is how they run.
#include "trivium/engine/ops/control.h"

#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

bool same(const ValueMeta& a, const ValueMeta& b) {
  return a.shape == b.shape && a.dtype == b.dtype;
}
std::string text_of(const ValueMeta& m) { return name_of(m.dtype) + m.shape.text(); }

/// `what` i of a region has to be `wanted`.
void expect(const InferCtx& c, const std::string& what, int i, const ValueMeta& wanted,
            const ValueMeta& got) {
  if (same(wanted, got)) return;
  c.fail(fmt::format("{} {} is {}, {} expected", what, i, text_of(got), text_of(wanted)),
         "shapes and dtypes stay the same from one iteration to the next");
}

ValueMeta meta_of(const InferCtx& c, int i) { return {c.shape(i), c.dtype(i)}; }

void infer_while(InferCtx& c) {
  const Loop loop(c.attrs(), c.inputs());
  c.require(loop.carries >= 0 && loop.rows >= 0 && loop.captures >= 0 && loop.saves >= 0,
            fmt::format("{} operands and {} results do not hold {} carries and {} stacks",
                        c.inputs(), loop.body->results.size(), loop.carries, loop.rows));
  c.require(!loop.condition || (!loop.known() && loop.rows == 0),
            "a condition beside a known number of iterations, or rows");
  c.require(loop.condition || loop.known() || loop.from_tape(),
            "neither a condition, nor a number of iterations, nor a tape");
  const Region& body = *loop.body;
  c.require(body.inputs() == loop.carries + loop.rows + loop.captures,
            fmt::format("the body has {} inputs, {} expected", body.inputs(),
                        loop.carries + loop.rows + loop.captures));
  for (int i = 0; i < loop.carries; ++i) {
    expect(c, "input of the body", i, meta_of(c, i), body.input(i));
    expect(c, "result of the body", i, meta_of(c, i), body.result(i));
  }
  for (int i = 0; loop.known() && i < loop.rows; ++i) {
    const ValueMeta stack = meta_of(c, loop.carries + i);
    c.require(stack.shape.rank() > 0 && stack.shape[0] == loop.trips,
              fmt::format("stack {} is {}, {} rows expected", i, text_of(stack), loop.trips));
    const std::vector<int64_t> dims = stack.shape.vec();
    expect(c, "row", i, {Shape(std::vector<int64_t>(dims.begin() + 1, dims.end())), stack.dtype},
           body.input(loop.carries + i));
  }
  if (loop.from_tape())
    c.require(c.dtype(loop.carries) == kTapeType && c.shape(loop.carries).rank() == 0,
              "the operand after the carries is no tape");
  for (int i = 0; i < loop.captures; ++i)
    expect(c, "captured input", i, meta_of(c, loop.first_capture() + i),
           body.input(loop.carries + loop.rows + i));
  if (loop.condition) {
    const Region& condition = *loop.condition;
    c.require(condition.inputs() == body.inputs() && condition.results.size() == 1 &&
                  same(condition.result(0), {Shape{}, DType::bool_}),
              "the condition needs the inputs of the body and gives one bool");
    for (int i = 0; i < body.inputs(); ++i)
      expect(c, "input of the condition", i, body.input(i), condition.input(i));
  }
  for (int i = 0; i < loop.carries; ++i) c.output(c.shape(i), c.dtype(i));
  if (loop.to_tape()) return c.output(Shape{}, kTapeType);
  for (int i = 0; i < loop.saves; ++i) {
    const ValueMeta& row = body.result(loop.carries + i);
    std::vector<int64_t> dims = row.shape.vec();
    dims.insert(dims.begin(), loop.trips);
    c.output(Shape(dims), row.dtype);
  }
}

/// One row of a stack, as a value of its own.
RefTensor row_of(const RefTensor& stack, const ValueMeta& meta, int64_t row) {
  const int64_t count = meta.shape.count();
  const auto first = stack.data.begin() + row * count;
  return {meta.shape, meta.dtype, std::vector<double>(first, first + count)};
}

/// The tape of the reference: the number of iterations, then the rows of each iteration in turn.
struct ReferenceTape {
  int64_t trips = 0;
  std::vector<std::vector<RefTensor>> rows;

  ReferenceTape(const RefTensor& tape, const Loop& loop) {
    trips = static_cast<int64_t>(tape.data.at(0));
    size_t at = 1;
    for (int64_t t = 0; t < trips; ++t) {
      rows.emplace_back();
      for (int i = 0; i < loop.rows; ++i) {
        const ValueMeta& meta = loop.body->input(loop.carries + i);
        const auto first = tape.data.begin() + static_cast<int64_t>(at);
        rows.back().push_back(
            {meta.shape, meta.dtype, std::vector<double>(first, first + meta.shape.count())});
        at += static_cast<size_t>(meta.shape.count());
      }
    }
  }
};

void reference_while(RefCtx& r) {
  const Loop loop(r.attrs, static_cast<int>(r.in.size()));
  std::vector<RefTensor> carries;
  for (int i = 0; i < loop.carries; ++i) carries.push_back(*r.in[i]);
  std::optional<ReferenceTape> tape;
  if (loop.from_tape()) tape.emplace(*r.in[loop.carries], loop);
  const int64_t trips = tape ? tape->trips : loop.trips;
  if (loop.to_tape()) r.out[loop.carries]->data = {0};
  for (int64_t t = 0; trips < 0 || t < trips; ++t) {
    std::vector<const RefTensor*> inputs;
    for (const RefTensor& carry : carries) inputs.push_back(&carry);
    const int64_t row = loop.reverse ? trips - 1 - t : t;
    std::vector<RefTensor> rows;
    for (int i = 0; i < loop.rows; ++i)
      rows.push_back(
          tape ? tape->rows[row][i]
               : row_of(*r.in[loop.carries + i], loop.body->input(loop.carries + i), row));
    for (const RefTensor& value : rows) inputs.push_back(&value);
    for (int i = 0; i < loop.captures; ++i) inputs.push_back(r.in[loop.first_capture() + i]);
    if (loop.condition && interpret_region(*loop.condition, inputs)[0].data[0] == 0) break;
    std::vector<RefTensor> results = interpret_region(*loop.body, inputs);
    for (int i = 0; i < loop.saves; ++i) {
      const std::vector<double>& data = results[loop.carries + i].data;
      if (loop.to_tape()) {
        std::vector<double>& to = r.out[loop.carries]->data;
        to[0] += i == 0;
        to.insert(to.end(), data.begin(), data.end());
      } else {
        std::copy(data.begin(), data.end(),
                  r.out[loop.carries + i]->data.begin() + row * static_cast<int64_t>(data.size()));
      }
    }
    results.resize(loop.carries);
    carries = std::move(results);
  }
  for (int i = 0; i < loop.carries; ++i) r.out[i]->data = std::move(carries[i].data);
}

// Regions of the samples, by which the generic tests check the op.
const char* const kTwist =  // (h, x, w) -> h', x * h
    "%0 = input : float64[2, 3]\n%1 = input : float64[3]\n%2 = input : float64[3, 3]\n"
    "%3 = matmul(%0, %2) : float64[2, 3]\n%4 = add(%3, %1) : float64[2, 3]\n"
    "%5 = tanh(%4) : float64[2, 3]\n%6 = mul(%0, %1) : float64[2, 3]\nfetch %5\nfetch %6\n";
const char* const kUntilLarge =  // (x, limit) -> x < limit
    "%0 = input : float64[]\n%1 = input : float64[]\n%2 = less(%0, %1) : bool[]\nfetch %2\n";
const char* const kFibonacci =  // (a, b) -> b, a + b
    "%0 = input : int64[]\n%1 = input : int64[]\n%2 = add(%0, %1) : int64[]\nfetch %1\nfetch %2\n";

std::string complete(const std::string& text) {  // attributes filled in
  std::vector<Value> results;
  const auto graph = parse_region_text(text, &results);
  std::vector<Value> inputs;
  for (const auto& in : graph->inputs()) inputs.push_back(graph->value(in.value));
  return region_text(*graph, inputs, results);
}

void define_while(OpRegistry& ops) {
  using S = SampleInput;
  ops.define("while")
      .run_by_executor()
      .summary(
          "A loop. Its body turns the carries into the next ones, over and over: while the "
          "condition holds, or a known number of times; stacks come in and go out row by row. "
          "Shapes stay the same from one iteration to the next. A loop without a known number of "
          "iterations puts its rows on a tape, which lives as long as the run and is read by the "
          "loop of its gradient only.")
      .formula("while condition(c, captures): c, save = body(c, row, captures)")
      .optional_variadic_input("operands",
                               "first values of the carries, stacks [trips, ..] (or a tape), "
                               "captured values")
      .output("results", "the last carries, then the stacks [trips, ..] of what is saved")
      .required_attr("body", std::string(),
                     "region: carries, rows, captures -> next carries, rows to save")
      .attr("condition", "", "region: the inputs of the body -> bool; \"\" when trips is given")
      .required_attr("carries", int64_t{0}, "how many of the operands change")
      .attr("rows", 0, "how many inputs of the body are rows of stacks")
      .attr("trips", -1, "number of iterations; -1: while the condition holds, or as the tape says")
      .attr("reverse", AttrValue(false), "take and save rows from the last to the first")
      .infer(infer_while)
      .gradient(grad_while)
      .reference(reference_while)
      .samples({{{S({2, 3}, S::any, DType::f64), S({4, 3}, S::any, DType::f64),
                  S({3, 3}, S::any, DType::f64)},
                 {{"body", complete(kTwist)},
                  {"carries", int64_t{1}},
                  {"rows", int64_t{1}},
                  {"trips", int64_t{4}}}},
                {{S({2, 3}, S::any, DType::f64), S({3, 3}, S::any, DType::f64),
                  S({3, 3}, S::any, DType::f64)},
                 {{"body", complete(kTwist)},
                  {"carries", int64_t{1}},
                  {"rows", int64_t{1}},
                  {"trips", int64_t{3}},
                  {"reverse", true}}},
                {{S({}, S::integers, DType::i64, 3), S({}, S::integers, DType::i64, 3)},
                 {{"body", complete(kFibonacci)}, {"carries", int64_t{2}}, {"trips", int64_t{9}}}},
                {{S({}, S::integers, DType::i64, 3), S({}, S::integers, DType::i64, 3)},
                 {{"body", complete(kFibonacci)}, {"carries", int64_t{2}}, {"trips", int64_t{0}}}},
                {{S({}, S::integers, DType::f64, 3), S({}, S::integers, DType::f64, 9)},
                 {{"body", complete("%0 = input : float64[]\n%1 = input : float64[]\n"
                                    "%2 = constant [1] : float64[]\n"
                                    "%3 = add(%0, %2) : float64[]\nfetch %3\n")},
                  {"condition", complete(kUntilLarge)},
                  {"carries", int64_t{1}}}}});
}

// ---- cond

void infer_cond(InferCtx& c) {
  c.require(c.dtype(0) == DType::bool_ && c.shape(0).rank() == 0,
            fmt::format("the predicate is {}", text_of(meta_of(c, 0))), "one bool");
  const auto then = region_of(c.attrs().string("then")),
             otherwise = region_of(c.attrs().string("otherwise"));
  c.require(then->results.size() == otherwise->results.size(),
            fmt::format("one region has {} results, the other {}", then->results.size(),
                        otherwise->results.size()));
  for (const auto& region : {then, otherwise}) {
    c.require(
        region->inputs() == c.inputs() - 1,
        fmt::format("a region has {} inputs, {} are captured", region->inputs(), c.inputs() - 1));
    for (int i = 0; i < region->inputs(); ++i)
      c.require(same(region->input(i), meta_of(c, i + 1)),
                fmt::format("input {} of a region is {}, {} is captured", i,
                            text_of(region->input(i)), text_of(meta_of(c, i + 1))));
  }
  for (size_t i = 0; i < then->results.size(); ++i) {
    const ValueMeta &a = then->result(static_cast<int>(i)),
                    &b = otherwise->result(static_cast<int>(i));
    c.require(
        same(a, b),
        fmt::format("result {} is {} in one region, {} in the other", i, text_of(a), text_of(b)),
        "equal shapes and dtypes");
    c.output(a.shape, a.dtype);
  }
}

void define_cond(OpRegistry& ops) {
  using S = SampleInput;
  const std::string product = complete(
      "%0 = input : float64[2]\n%1 = input : float64[2]\n%2 = mul(%0, %1) : float64[2]\n"
      "fetch %2\nfetch %0\n");
  const std::string sine = complete(
      "%0 = input : float64[2]\n%1 = input : float64[2]\n%2 = sin(%0) : float64[2]\n"
      "%3 = square(%0) : float64[2]\nfetch %2\nfetch %3\n");
  const std::vector<S> inputs = {S({}, S::booleans, DType::bool_), S({2}, S::any, DType::f64),
                                 S({2}, S::any, DType::f64)};
  ops.define("cond")
      .run_by_executor()
      .summary(
          "The results of one of two regions; only that one is computed. Both see the same "
          "captured values.")
      .formula("then(captures) if predicate else otherwise(captures)")
      .input("predicate", "one bool")
      .optional_variadic_input("captures", "what the regions use of the graph around them")
      .output("results", "of the region taken; shapes and dtypes are the same in both")
      .required_attr("then", std::string(), "region: captures -> results, where predicate holds")
      .required_attr("otherwise", std::string(), "region: captures -> results, where it does not")
      .infer(infer_cond)
      .gradient(grad_cond)
      .reference([](RefCtx& r) {
        const std::vector<const RefTensor*> captures(r.in.begin() + 1, r.in.end());
        const auto region = region_of(r.attrs.string(r.in[0]->data[0] ? "then" : "otherwise"));
        std::vector<RefTensor> results = interpret_region(*region, captures);
        for (size_t i = 0; i < results.size(); ++i) r.out[i]->data = std::move(results[i].data);
      })
      .samples({{inputs, {{"then", product}, {"otherwise", sine}}},
                {inputs, {{"then", sine}, {"otherwise", product}}}});
}

// ---- host_call

/// "float32[3], int64[]" as metas.
std::vector<ValueMeta> metas_of(const std::string& text) {
  std::vector<Value> results;  // read by the parser of graphs: a leaf a value
  std::string lines;
  int n = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(']', at), text.size() - 1) + 1;
    lines += fmt::format("%{} = input : {}\n", n++, text.substr(at, end - at));
    at = text.find_first_not_of(", ", end);
  }
  const auto graph = parse_region_text(lines, &results);
  std::vector<ValueMeta> metas;
  for (const auto& in : graph->inputs()) metas.push_back(graph->meta(in.value));
  return metas;
}

void define_host_call(OpRegistry& ops) {
  const SampleInput whole({}, SampleInput::integers, DType::i64, 3);
  ops.define("host_call")
      .run_by_executor()
      .summary(
          "Calls a function of the host (run/regions.h, HostFunction) in the middle of a run. "
          "Calls happen in the order in which each takes the token of the one before.")
      .formula("token + 1, results = function(arguments)")
      .input("function", "int64, rank 0: the address of a HostFunction, bound at every run")
      .input("token", "int64, rank 0: of the call before, or any number")
      .optional_variadic_input("arguments", "any")
      .output("results", "the token, then what the function gives")
      .attr("results", "", "shapes and dtypes of what the function gives: \"float32[3], int64[]\"")
      .effect(Effect::host)
      .infer([](InferCtx& c) {
        for (int i : {0, 1})
          c.require(c.dtype(i) == DType::i64 && c.shape(i).rank() == 0,
                    fmt::format("operand {} is {}", i, text_of(meta_of(c, i))), "int64, rank 0");
        c.output(Shape{}, DType::i64);
        for (const ValueMeta& m : metas_of(c.attrs().string("results"))) c.output(m.shape, m.dtype);
      })
      .not_differentiable("what a function of the host does is not known")
      .reference([](RefCtx& r) {  // the function is not called; its results stay zero
        r.out[0]->data[0] = r.in[1]->data[0] + 1;
      })
      .samples({{{whole, whole, {2}}, {{"results", std::string("float32[3], int64[]")}}}});
}

}  // namespace

Loop::Loop(const Attrs& attrs, int operands) {
  body = region_of(attrs.string("body"));
  if (!attrs.string("condition").empty()) condition = region_of(attrs.string("condition"));
  carries = static_cast<int>(attrs.integer("carries"));
  rows = static_cast<int>(attrs.integer("rows"));
  trips = attrs.integer("trips");
  reverse = attrs.flag("reverse");
  saves = static_cast<int>(body->results.size()) - carries;
  captures = operands - first_capture();
}

void define_control(OpRegistry& ops) {
  define_host_call(ops);
  define_while(ops);
  define_cond(ops);
}

}  // namespace trivium::ops
