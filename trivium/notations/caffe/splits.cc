// Two passes: the first resolves every bottom to the (layer, top) that made it and counts the
// readers of each; the second writes the layers out again, renaming bottoms and adding the Split
// layers.
#include "trivium/notations/caffe/splits.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "trivium/engine/core/error.h"

namespace trivium::caffe {
namespace {

// A version of a blob: the layer that made it and the position among that layer's tops.
struct Maker {
  int layer = -1;
  int top = -1;
  auto operator<=>(const Maker&) const = default;
};

// Who uses one version of a blob. `readers` are layers, in order, one entry a bottom.
struct Use {
  std::vector<int> readers;
  float loss_weight = 0;
  int count() const { return static_cast<int>(readers.size()) + (loss_weight != 0); }
};

bool in_place(const proto::LayerParameter& layer, int top) {
  return top < layer.bottom_size() && layer.bottom(top) == layer.top(top);
}

std::string split_name(const proto::LayerParameter& layer, int top) {
  return fmt::format("{}_{}_{}_split", layer.top(top), layer.name(), top);
}

// The first pass.
class Wiring {
 public:
  Wiring(const proto::NetParameter& net, const SourceMap* lines) : net_(net), lines_(lines) {
    for (int i = 0; i < net.layer_size(); ++i) {
      const proto::LayerParameter& layer = net.layer(i);
      for (int b = 0; b < layer.bottom_size(); ++b) resolve_bottom(i, b);
      for (int t = 0; t < layer.top_size(); ++t) add_top(i, t);
    }
  }

  Maker maker_of(int layer, int bottom) const { return makers_[layer][bottom]; }
  const Use& use_of(const Maker& maker) const { return uses_.at(maker); }

 private:
  void resolve_bottom(int i, int b) {
    const std::string& blob = net_.layer(i).bottom(b);
    const auto found = latest_.find(blob);
    if (found == latest_.end()) fail_unknown(i, b);
    makers_.resize(i + 1);
    makers_[i].push_back(found->second);
    uses_[found->second].readers.push_back(i);
  }

  void add_top(int i, int t) {
    const proto::LayerParameter& layer = net_.layer(i);
    const std::string& blob = layer.top(t);
    if (const auto before = latest_.find(blob); before != latest_.end()) {
      if (!in_place(layer, t) || before->second.layer == i) fail_twice(i, t, before->second);
      if (uses_[before->second].count() > 1) fail_in_place(i, t, before->second);
    }
    const Maker maker{i, t};
    uses_[maker].loss_weight = t < layer.loss_weight_size() ? layer.loss_weight(t) : 0;
    latest_[blob] = maker;
  }

  std::string name_of(int layer, std::string_view field, int nth) const {
    return describe_layer(lines_, net_.layer(layer), layer, field, nth);
  }

  // A second layer in the same message: its line is enough, the file was named before.
  std::string other(int layer, std::string_view field, int nth) const {
    std::string text = fmt::format("layer \"{}\"", net_.layer(layer).name());
    const LayerSource* source = lines_ ? lines_->find(layer) : nullptr;
    const int line = source ? source->line_of(field, nth) : 0;
    return line > 0 ? fmt::format("{} (line {})", text, line) : text;
  }

  [[noreturn]] void fail_unknown(int i, int b) const {
    const std::string& blob = net_.layer(i).bottom(b);
    const std::string start =
        fmt::format("{}: no earlier layer makes the bottom \"{}\"", name_of(i, "bottom", b), blob);
    for (int later = i; later < net_.layer_size(); ++later) {
      for (int t = 0; t < net_.layer(later).top_size(); ++t) {
        if (net_.layer(later).top(t) != blob) continue;
        if (later == i) user_error("{}; a layer cannot read its own top", start);
        user_error("{}; {} makes it later: move that layer up", start, other(later, "top", t));
      }
    }
    std::vector<std::string> known;
    for (const auto& entry : latest_) known.push_back(entry.first);
    const std::string near = closest_match(blob, known);
    if (!near.empty()) user_error("{}; did you mean \"{}\"?", start, near);
    user_error(
        "{}; add a layer with that top (for an input: type: \"Input\"), or check the phase rules "
        "of "
        "the layer that makes it",
        start);
  }

  [[noreturn]] void fail_twice(int i, int t, const Maker& first) const {
    const std::string& blob = net_.layer(i).top(t);
    std::string message =
        fmt::format("{}: the top \"{}\" is already made by {}", name_of(i, "top", t), blob,
                    other(first.layer, "top", first.top));
    for (int b = 0; b < net_.layer(i).bottom_size(); ++b) {
      if (net_.layer(i).bottom(b) == blob && b != t) {
        user_error("{}; to work in place, bottom and top need the same position (here {} and {})",
                   message, b, t);
      }
    }
    user_error("{}; give this top a name of its own", message);
  }

  [[noreturn]] void fail_in_place(int i, int t, const Maker& maker) {
    const std::string& blob = net_.layer(i).top(t);
    const Use& use = uses_[maker];
    int reader = i;
    for (const int candidate : use.readers) {
      if (candidate != i) reader = candidate;
    }
    const std::string why =
        reader != i ? other(reader, "bottom", 0) + " also reads the old content"
        : use.loss_weight != 0
            ? other(maker.layer, "top", maker.top) + " uses the old content as a loss (loss_weight)"
            : "it reads the old content more than once";
    user_error("{}: works in place on \"{}\", but {}; give the top another name",
               name_of(i, "top", t), blob, why);
  }

  const proto::NetParameter& net_;
  const SourceMap* lines_;
  std::vector<std::vector<Maker>> makers_;  // [layer][bottom]
  std::map<Maker, Use> uses_;
  std::unordered_map<std::string, Maker> latest_;  // the newest version of each name
};

// The second pass.
class Splitter {
 public:
  Splitter(const proto::NetParameter& net, const SourceMap* lines)
      : net_(net), lines_(lines), wiring_(net, lines) {
    if (lines) sources_.file = lines->file;
    for (const proto::LayerParameter& layer : net.layer())
      names_.insert(layer.top().begin(), layer.top().end());
  }

  proto::NetParameter run() {
    proto::NetParameter out = net_;
    out.clear_layer();
    for (int i = 0; i < net_.layer_size(); ++i) add_layer(i, &out);
    return out;
  }

  SourceMap take_sources() { return std::move(sources_); }

 private:
  void add_layer(int i, proto::NetParameter* out) {
    proto::LayerParameter* layer = out->add_layer();
    *layer = net_.layer(i);
    add_source(i);
    for (int b = 0; b < layer->bottom_size(); ++b) rename_bottom(i, b, layer);
    for (int t = 0; t < net_.layer(i).top_size(); ++t) {
      const Use& use = wiring_.use_of({i, t});
      if (use.count() < 2) continue;
      add_split(i, t, use, out->add_layer());
      add_source(i);
      if (use.loss_weight != 0) drop_weight(t, layer);
    }
  }

  void rename_bottom(int i, int b, proto::LayerParameter* layer) {
    const Maker maker = wiring_.maker_of(i, b);
    const Use& use = wiring_.use_of(maker);
    if (use.count() < 2) return;
    const int k = next_top_[maker]++ + (use.loss_weight != 0);
    layer->set_bottom(b, fmt::format("{}_{}", split_name(net_.layer(maker.layer), maker.top), k));
  }

  void add_split(int i, int t, const Use& use, proto::LayerParameter* split) {
    const proto::LayerParameter& maker = net_.layer(i);
    split->set_name(split_name(maker, t));
    split->set_type("Split");
    split->add_bottom(maker.top(t));
    for (int k = 0; k < use.count(); ++k) {
      const std::string top = fmt::format("{}_{}", split->name(), k);
      if (!names_.insert(top).second) {
        user_error(
            "{}: the top \"{}\" has several readers and its copies need the name \"{}\", which "
            "another top "
            "has; rename that one",
            describe_layer(lines_, maker, i, "top", t), maker.top(t), top);
      }
      split->add_top(top);
      if (use.loss_weight != 0) split->add_loss_weight(k == 0 ? use.loss_weight : 0);
    }
  }

  // The weight now belongs to the split. Caffe drops the weights of all tops here; only this one is
  // meant. A loss layer keeps an explicit zero, since without any weight it would count itself with
  // weight 1 again.
  static void drop_weight(int t, proto::LayerParameter* layer) {
    layer->set_loss_weight(t, 0);
    for (const float weight : layer->loss_weight()) {
      if (weight != 0) return;
    }
    const bool is_loss = layer->type().find("Loss") != std::string::npos;
    if (!is_loss) layer->clear_loss_weight();
  }

  void add_source(int i) {
    const LayerSource* source = lines_ ? lines_->find(i) : nullptr;
    sources_.layers.push_back(source ? *source : LayerSource{});
  }

  const proto::NetParameter& net_;
  const SourceMap* lines_;
  Wiring wiring_;
  SourceMap sources_;
  std::map<Maker, int> next_top_;
  std::unordered_set<std::string> names_;
};

}  // namespace

proto::NetParameter insert_splits(const proto::NetParameter& net, SourceMap* lines) {
  Splitter splitter(net, lines);
  proto::NetParameter out = splitter.run();
  if (lines) *lines = splitter.take_sources();
  return out;
}

}  // namespace trivium::caffe
