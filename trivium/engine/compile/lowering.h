// Inside lowering: what its stages share. A Draft is a step before it has a place in the order, a
// Storage the memory of a value before it has an address. Each stage has a file, `lower_*.cc`;
// `Lowering::run` in lower.cc calls them in their order.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trivium/engine/compile/layout.h"
#include "trivium/engine/compile/regions.h"
#include "trivium/engine/compile/windows.h"
#include "trivium/engine/run/plan.h"

namespace trivium::compile {

/// A piece of memory. Views of a value are the same storage.
struct Storage {
  run::Place place = run::Place::arena;
  int slot = 0;
  run::TensorDesc desc;
  std::string label;
  int writer = -1;           // draft step that makes it; -1 for leaves
  std::vector<int> readers;  // draft steps
  int root = -1;             // joined in place with this one; -1: itself
  int whole = -1;            // the storage that this one is a part of; -1: none
  size_t offset = 0;         // there, in bytes
  bool in_parts = false;     // steps write parts of it
};

struct Draft {
  int node = -1;  // graph node, or -1 for a reorder or copy
  const run::KernelEntry* entry = nullptr;
  std::optional<run::Kernel> built;  // instead of an entry
  run::KernelRequest request;
  std::vector<int> in, out;  // storages; -1 absent
  std::vector<int> after;    // steps that must run before (beside the writers of `in`)
  std::string scope;
  bool elementwise = false;
  bool pure = true;                  // the same results from the same operands
  bool prologue = false;             // runs only when a Cell has changed
  std::optional<RegionStep> region;  // a node that runs other plans, or the host
};

class Lowering {
 public:
  Lowering(Unit& unit, const Layout& layout, const run::Backend& backend);
  std::shared_ptr<run::Plan> run();

 private:
  using Format = run::Format;
  using Place = run::Place;

  // lower.cc: what every stage uses.
  int value_in(Edge e, Format f, const std::string& scope);
  int add_reorder(int from, run::TensorDesc from_desc, int to, run::TensorDesc to_desc,
                  const std::string& scope);
  int add(Draft d);
  int new_storage(Place place, int slot, run::TensorDesc desc, std::string label, int writer = -1);
  run::TensorDesc desc(Edge e, Format f = {}) const {
    return {g_.meta(e).shape, g_.meta(e).dtype, f};
  }
  static int format_key(Format f) { return f.kind * 256 + f.lanes; }
  /// Where the memory of a storage is.
  int whole(int s) const { return storages_[s].whole >= 0 ? storages_[s].whole : s; }

  // lower_steps.cc: nodes become drafts.
  void draft_steps();
  void draft_leaves();
  void draft_node(int n, const Choice& choice);
  void pack_operands(Draft& d);
  void draft_window(int n);
  int storage_of_piece(Edge e);
  int new_part(Edge e, const Window& w, int larger);

  // lower_results.cc: where results live.
  void draft_cell_results();
  void place_outputs();
  void place_output(size_t i, int storage);
  void place_cells();
  void finish_copies();
  bool try_direct(int home, int result, int slot, Place place);
  bool depends(int from, int on) const;

  // lower_keep.cc: what is kept between runs.
  void find_prologue();
  void keep_results();
  bool is_steady(const Storage& leaf) const;
  bool is_written(int cell) const;
  bool read_outside_prologue(int storage) const;
  bool worth_keeping(const Draft& d, bool changing) const;

  // lower_order.cc: the order of steps.
  void schedule();
  double gain(int s, const std::vector<int>& readers_left) const;
  bool reads(int s, int writer) const;
  int last_use(int storage) const;

  // lower_in_place.cc: what may be written over what.
  void join_in_place();
  int root(int storage) const;
  bool shared_operand(int s, int memory, int in) const;
  bool may_overwrite(int step, int in, int out) const;
  bool same_memory(const run::TensorDesc& a, const run::TensorDesc& b) const;

  // lower_plan.cc: the plan.
  std::shared_ptr<run::Plan> build();
  void add_buffers(run::Plan& plan);
  void add_step(run::Plan& plan, int s);
  double flops(int n) const;
  void add_prologue(run::Plan& plan) const;
  void place_memory(run::Plan& plan);

  struct Copy {
    int from, home, slot;
  };
  Unit& unit_;
  const Graph& g_;
  const Layout& layout_;
  const run::Backend& backend_;
  const Attrs no_attrs_;
  const std::vector<char> steady_;
  std::vector<Storage> storages_;
  std::vector<Draft> drafts_;
  std::map<std::pair<Edge, int>, int> at_;        // (value, format) → storage
  std::map<std::pair<Edge, int>, Format> views_;  // format a view is read in
  Windows windows_;
  std::map<int, int> wholes_;  // concat whose operands are written into it → its storage, -1 yet
  std::vector<Copy> pending_copies_;
  std::vector<char> output_stays_;
  std::vector<int> cell_results_, output_storage_, order_, position_, buffer_of_;
};

}  // namespace trivium::compile
