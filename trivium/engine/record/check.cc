#include "trivium/engine/record/check.h"

#include <cmath>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/run/executor.h"

namespace trivium::record {

void require_finite(const std::string& op, const std::string& scope,
                    const std::vector<Array>& results) {
  for (const Array& a : results) {
    if (!is_floating(a.dtype())) continue;
    for (int64_t i = 0; i < a.count(); ++i)
      if (!std::isfinite(a.at(i)))
        user_error("{}: element {} of the result {} is {}{}{}", op, i, a.text(), a.at(i),
                   scope.empty() ? "" : ", in layer ", scope);
  }
}

void check_against_reference(const Graph& graph, const std::vector<Value>& fetches,
                             const std::vector<Array>& inputs, const std::vector<double>& scalars) {
  const std::vector<RefTensor> expected = interpret(graph, fetches, {inputs, scalars});
  const compile::Prepared p = compile::prepare(graph, {}, fetches, false);
  run::Bindings bindings;
  for (int i : p.inputs) bindings.inputs.push_back(inputs[i]);
  for (int s : p.scalars) bindings.scalars.push_back(scalars[s]);
  bindings.cells = p.cells;
  std::vector<Array> results;
  run::execute(*p.plan, bindings, results);
  for (size_t f = 0; f < fetches.size(); ++f) {
    double largest = 0;
    for (double v : expected[f].data)
      if (std::isfinite(v)) largest = std::max(largest, std::abs(v));
    const DType dtype = fetches[f].dtype();
    const bool half = dtype == DType::f16 || dtype == DType::bf16;
    const double limit = dtype == DType::f64 ? 1e-9 : half ? 1e-2 : 1e-3;
    for (int64_t i = 0; i < results[f].count(); ++i) {
      const double got = results[f].at(i), want = expected[f].data[i];
      if (std::isnan(got) == std::isnan(want) && !(std::abs(got - want) > limit * (1 + largest)))
        continue;
      internal_error("{}: element {} of {} is {}, the reference gives {}",
                     graph.node(fetches[f].node).op->name(), i, results[f].text(), got, want);
    }
  }
}

}  // namespace trivium::record
