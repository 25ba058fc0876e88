// Lowering, first stage: a draft of a step per node. Views share the memory of their source; parts
// of larger tensors (slices, operands of a concat) have their place there.
#include "trivium/engine/compile/lowering.h"

namespace trivium::compile {

void Lowering::draft_steps() {
  draft_leaves();
  for (int n = 0; n < g_.size(); ++n) {
    const Choice& choice = layout_.nodes[n];
    if (choice.view) {
      const Edge source = g_.node(n).inputs[0];
      const Format f = choice.placement.in[0];
      const int storage = value_in(source, f, g_.scope_name(g_.node(n).scope));
      at_[{{n, 0}, format_key(choice.placement.out[0])}] = storage;
      views_[{{n, 0}, format_key(choice.placement.out[0])}] = choice.placement.out[0];
    } else if (const auto w = windows_.parts.find({n, 0});
               w != windows_.parts.end() && w->second.node == n) {
      draft_window(n);
    } else if (wholes_.count(n)) {
      at_[{{n, 0}, 0}] = wholes_.at(n);  // its pieces lie there already
    } else if (choice.entry) {
      draft_node(n, choice);
    }
  }
}

void Lowering::draft_leaves() {
  for (size_t i = 0; i < g_.inputs().size(); ++i)
    at_[{g_.inputs()[i].value, 0}] = new_storage(Place::input, static_cast<int>(i),
                                                 desc(g_.inputs()[i].value), g_.inputs()[i].name);
  for (size_t i = 0; i < g_.scalars().size(); ++i)
    at_[{g_.scalars()[i].value, 0}] = new_storage(
        Place::scalar, static_cast<int>(i), desc(g_.scalars()[i].value), g_.scalars()[i].name);
  for (size_t i = 0; i < g_.cells().size(); ++i)
    at_[{g_.cells()[i].initial, 0}] = new_storage(
        Place::cell, static_cast<int>(i), desc(g_.cells()[i].initial), g_.cells()[i].cell->name());
  for (int n = 0; n < g_.size(); ++n)
    if (g_.node(n).op->name() == "constant")
      at_[{{n, 0}, 0}] = new_storage(Place::constant, g_.node(n).literal, desc({n, 0}), "constant");
}

void Lowering::draft_node(int n, const Choice& choice) {
  const Node& node = g_.node(n);
  Draft d;
  d.node = n;
  d.entry = choice.entry;
  d.scope = g_.scope_name(node.scope);
  d.request = request_for(g_, n, unit_.options.threads, steady_);
  d.pure = node.op->effect() == Effect::none;
  if (node.op->is_run_by_executor()) d.region = region_step(g_, n, unit_.options);
  d.elementwise = node.op->scalar().has_value() || node.op->name() == "elementwise_group";
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    d.request.in[i].format = choice.placement.in[i];
    d.in.push_back(value_in(node.inputs[i], choice.placement.in[i], d.scope));
    d.request.in[i].strides = storages_[d.in[i]].desc.strides;
  }
  for (int o = 0; o < node.outputs; ++o) d.request.out[o].format = choice.placement.out[o];
  if (unit_.enabled("keep")) pack_operands(d);
  for (int o = 0; o < node.outputs; ++o) {
    const int storage = windows_.parts.count({n, o})
                            ? storage_of_piece({n, o})
                            : new_storage(Place::arena, 0, d.request.out[o], node.op->name());
    d.request.out[o].strides = storages_[storage].desc.strides;
    d.out.push_back(storage);
    at_[{{n, o}, format_key(choice.placement.out[o])}] = storage;
  }
  add(std::move(d));
}

/// Steady operands are brought into the form that the kernel reads fastest by a step of their
/// own, which then runs seldom.
void Lowering::pack_operands(Draft& d) {
  if (!d.entry->pack) return;
  for (size_t i = 0; i < d.in.size() && i < 32; ++i) {
    if (!(d.request.steady >> i & 1)) continue;
    auto packing = d.entry->pack(d.request, static_cast<int>(i));
    if (!packing) continue;
    const run::TensorDesc packed{Shape{static_cast<int64_t>(packing->bytes)}, DType::u8, {}};
    Draft p;
    p.request = {"pack", &no_attrs_, {d.request.in[i]}, {packed}, unit_.options.threads};
    p.built = std::move(packing->kernel);
    p.in = {d.in[i]};
    p.out = {new_storage(Place::arena, 0, packed, "packed")};
    p.scope = d.scope;
    d.in[i] = p.out[0];
    d.request.packed |= 1u << i;
    add(std::move(p));
  }
}

void Lowering::draft_window(int n) {
  const Edge source = g_.node(n).inputs[0];
  const int larger = value_in(source, {}, g_.scope_name(g_.node(n).scope));
  at_[{{n, 0}, 0}] = new_part({n, 0}, windows_.parts.at({n, 0}), larger);
}

int Lowering::storage_of_piece(Edge e) {
  const Window& w = windows_.parts.at(e);
  int& larger = wholes_.at(w.node);
  if (larger < 0) {
    larger = new_storage(Place::arena, 0, desc({w.node, 0}), "concat");
    storages_[larger].in_parts = true;
  }
  return new_part(e, w, larger);
}

int Lowering::new_part(Edge e, const Window& w, int larger) {
  run::TensorDesc d = desc(e);
  d.strides = w.strides;
  const Storage& of = storages_[larger];
  const int part = new_storage(of.place, of.slot, std::move(d), "part", of.writer);
  storages_[part].whole = whole(larger);
  storages_[part].offset =
      storages_[larger].offset + static_cast<size_t>(w.offset) * size_of(g_.meta(e).dtype);
  return part;
}

}  // namespace trivium::compile
