#include "trivium/engine/ops/docs.h"

#include <algorithm>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"

namespace trivium::ops {
namespace {

std::vector<const OpDef*> sorted_ops() {
  register_all();
  std::vector<const OpDef*> all;
  for (const auto& op : OpRegistry::instance().all()) all.push_back(op.get());
  std::sort(all.begin(), all.end(),
            [](const OpDef* a, const OpDef* b) { return a->name() < b->name(); });
  return all;
}

std::string operand_line(const OpDef::Operand& operand, const char* role) {
  std::string kind = !operand.variadic ? "" : operand.optional ? ", any number" : ", one or more";
  if (operand.optional) kind = ", optional";
  return fmt::format("- {} `{}`{}: {}\n", role, operand.name, kind, operand.doc);
}

std::string attr_line(const OpDef::Attr& attr) {
  const std::string fallback =
      attr.fallback ? "default `" + attr_text(*attr.fallback) + "`" : "required";
  return fmt::format("- attribute `{}` ({}, {}): {}\n", attr.name, attr_type_name(attr.type),
                     fallback, attr.doc);
}

std::string properties(const OpDef& op) {
  std::vector<std::string> facts;
  facts.push_back(op.gradient() ? "differentiable" : "not differentiable: " + op.no_gradient());
  if (op.scalar()) facts.push_back("elementwise with broadcasting");
  if (op.is_commutative()) facts.push_back("commutative");
  if (op.is_view()) facts.push_back("a view: costs nothing");
  if (op.decompose())
    facts.push_back("may be written out as other ops (half precision: in float32)");
  if (op.is_run_by_executor()) facts.push_back("run by the executor, on every backend");
  if (op.effect() == Effect::random) facts.push_back("random: never folded");
  if (op.effect() == Effect::host) facts.push_back("runs on the host, in order");
  return fmt::format("- {}\n", fmt::join(facts, "; "));
}

std::string section(const OpDef& op) {
  std::string out = fmt::format("\n## {}\n\n{}\n\n", op.name(), op.summary());
  if (!op.formula().empty()) out += fmt::format("    {}\n\n", op.formula());
  for (const auto& in : op.inputs()) out += operand_line(in, "input");
  for (const auto& attr : op.attrs()) out += attr_line(attr);
  for (const auto& result : op.outputs()) out += operand_line(result, "output");
  return out + properties(op);
}

}  // namespace

std::string ops_markdown() {
  std::string out =
      "# Ops\n\n"
      "What every op means. This page is made from the op records in `trivium/engine/ops` by\n"
      "`trivium ops --markdown`; change the record, not the page.\n\n"
      "Shapes are row-major and static; operands have one dtype unless said otherwise; `[N, C, "
      "spatial…]` is\n"
      "the order of images. Mistakes are reported when the op is recorded, with operands, "
      "attributes and rule.\n\n";
  std::vector<std::string> links;
  const std::vector<const OpDef*> all = sorted_ops();
  for (const OpDef* op : all) links.push_back(fmt::format("[{0}](#{0})", op->name()));
  out += fmt::format("{}\n", fmt::join(links, " · "));
  for (const OpDef* op : all) out += section(*op);
  return out;
}

}  // namespace trivium::ops
