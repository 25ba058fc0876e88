// Shapes and the rearrangement of elements. What a shape is computed from is known when a run is
// translated, so shapes themselves cost nothing in the run.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

Array vector_of(const std::vector<int64_t>& values, DataType type) {
  return Array::from(values, Shape{static_cast<int64_t>(values.size())}).cast(engine_type(type));
}

/// Shape of input 0 of a node in this run, without making a literal of it.
Shape run_shape(Translate& c, int i) {
  if (const Data* data = c.translator().known_data(c.op().edges().at(i))) return data->shape();
  return c.shape(i);
}

/// The sizes that `wanted` (with at most one -1) means for `count` elements.
std::vector<int64_t> resolved(std::vector<int64_t> wanted, int64_t count, Translate& c) {
  int64_t known = 1, hole = -1;
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] >= 0)
      known *= wanted[i];
    else if (hole < 0)
      hole = static_cast<int64_t>(i);
    else
      c.fail("only one input size may be -1");
  }
  if (hole >= 0 && known > 0) wanted[hole] = count / known;
  int64_t product = 1;
  for (int64_t d : wanted) product *= d;
  if (product != count)
    c.fail(
        fmt::format("Input to reshape is a tensor with {} values, but the requested shape has {}",
                    count, product));
  return wanted;
}

void define_shapes(SpecTable& t) {
  t.add({"Shape",
         {"input"},
         [](Infer& c) {
           const int rank = c.shape(0).rank();
           c.output(PartialShape{rank < 0 ? -1 : rank},
                    c.op().attr_or<DataType>("out_type", DataType::int32));
         },
         [](Translate& c) { c.out(0, vector_of(run_shape(c, 0).vec(), c.op().out(0).type)); },
         Differentiable::cut});
  const auto scalar = [](Infer& c) {
    c.output(PartialShape(Shape{}), c.op().attr_or<DataType>("out_type", DataType::int32));
  };
  t.add({"Size",
         {"input"},
         scalar,
         [](Translate& c) {
           c.out(0,
                 Array::full({}, double(run_shape(c, 0).count()), engine_type(c.op().out(0).type)));
         },
         Differentiable::cut});
  t.add({"Rank",
         {"input"},
         scalar,
         [](Translate& c) { c.out(0, Array::full({}, run_shape(c, 0).rank(), DType::i32)); },
         Differentiable::cut});
}

void infer_reshape(Infer& c) {
  PartialShape wanted = c.constant_shape(1);
  if (!wanted.known_rank()) return c.output({}, c.dtype(0));
  std::vector<int64_t> dims = wanted.dims();
  const auto given = c.constant(1);
  const int64_t count = c.shape(0).count();
  const auto holes = std::count(dims.begin(), dims.end(), -1);
  int64_t known = 1;
  for (int64_t d : dims) known *= d < 0 ? 1 : d;
  if (given && holes > 1) c.fail("only one input size may be -1");
  if (holes == 1 && count >= 0 && known > 0) {
    if (count % known != 0)
      c.fail(fmt::format("Dimension size must be evenly divisible by {} but is {}", known, count));
    *std::find(dims.begin(), dims.end(), -1) = count / known;
  } else if (holes == 0 && count >= 0 && known != count) {
    c.fail(fmt::format("Cannot reshape a tensor with {} elements to shape {} ({} elements)", count,
                       PartialShape(dims).brackets(), known));
  }
  c.output(PartialShape(dims), c.dtype(0));
}

void infer_squeeze(Infer& c) {
  const auto axes = c.op().attr_or<std::vector<int64_t>>("squeeze_dims", {});
  if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
  std::vector<int64_t> dims = c.shape(0).dims(), out;
  if (axes.empty() && std::count(dims.begin(), dims.end(), -1)) return c.output({}, c.dtype(0));
  std::vector<bool> drop(dims.size(), false);
  for (int64_t a : axes) drop[c.axis(a, c.shape(0).rank())] = true;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (drop[i] && dims[i] > 1)
      c.fail(fmt::format("Can not squeeze dim[{}], expected a dimension of 1, got {}", i, dims[i]));
    if (!(drop[i] || (axes.empty() && dims[i] == 1))) out.push_back(dims[i]);
  }
  c.output(PartialShape(out), c.dtype(0));
}

void translate_squeeze(Translate& c) {
  const auto axes = c.op().attr_or<std::vector<int64_t>>("squeeze_dims", {});
  const Shape shape = c.shape(0);
  std::vector<bool> drop(shape.rank(), false);
  for (int64_t a : axes) drop[shape.axis(static_cast<int>(a))] = true;
  std::vector<int64_t> out;
  for (int i = 0; i < shape.rank(); ++i) {
    if (drop[i] && shape[i] != 1)
      c.fail(
          fmt::format("Can not squeeze dim[{}], expected a dimension of 1, got {}", i, shape[i]));
    if (!(drop[i] || (axes.empty() && shape[i] == 1))) out.push_back(shape[i]);
  }
  c.out(0, ops::reshape(c.in(0), Shape(out)));
}

void define_reshapes(SpecTable& t) {
  t.add({"Reshape", {"tensor", "shape"}, infer_reshape, [](Translate& c) {
           const Value x = c.in(0);
           c.out(0, ops::reshape(x, Shape(resolved(c.known_integers(1), x.shape().count(), c))));
         }});
  t.add({"ExpandDims",
         {"input", "dim"},
         [](Infer& c) {
           const auto axis = c.constant(1);
           if (!axis || !c.shape(0).known_rank()) return c.output({}, c.dtype(0));
           std::vector<int64_t> dims = c.shape(0).dims();
           dims.insert(
               dims.begin() + c.axis(static_cast<int64_t>(axis->at(0)), c.shape(0).rank() + 1), 1);
           c.output(PartialShape(dims), c.dtype(0));
         },
         [](Translate& c) {
           std::vector<int64_t> dims = c.shape(0).vec();
           int64_t axis = c.known_integers(1).at(0);
           if (axis < 0) axis += static_cast<int64_t>(dims.size()) + 1;
           dims.insert(dims.begin() + axis, 1);
           c.out(0, ops::reshape(c.in(0), Shape(dims)));
         }});
  t.add({"Squeeze", {"input"}, infer_squeeze, translate_squeeze});
  t.add({"Transpose",
         {"x", "perm"},
         [](Infer& c) {
           const auto perm = c.constant(1);
           const int rank = c.shape(0).rank();
           if (!perm || rank < 0)
             return c.output(
                 rank < 0 ? PartialShape() : PartialShape(std::vector<int64_t>(rank, -1)),
                 c.dtype(0));
           if (perm->count() != rank)
             c.fail(fmt::format("Dimension must be {} but is {}", perm->count(), rank));
           std::vector<int64_t> dims;
           for (int i = 0; i < rank; ++i)
             dims.push_back(c.shape(0)[c.axis(static_cast<int64_t>(perm->at(i)), rank)]);
           c.output(PartialShape(dims), c.dtype(0));
         },
         [](Translate& c) { c.out(0, turned(c.in(0), c.known_integers(1))); }});
}

void infer_concat(Infer& c) {
  const int n = c.inputs() - 1;
  const auto axis = c.constant(n);
  PartialShape out;
  for (int i = 0; i < n; ++i) {
    c.same_dtype(i);
    if (!out.known_rank() && c.shape(i).known_rank())
      out = PartialShape(std::vector<int64_t>(c.shape(i).rank(), -1));
  }
  if (!axis || !out.known_rank()) return c.output(out, c.dtype(0));
  const int at = c.axis(static_cast<int64_t>(axis->at(0)), out.rank());
  int64_t total = 0;
  for (int i = 0; i < n; ++i) {
    PartialShape s = c.shape(i);
    if (!s.known_rank()) {
      total = -1;
      continue;
    }
    if (s.rank() != out.rank())
      c.fail(fmt::format("Shape must be rank {} but is rank {}", out.rank(), s.rank()));
    total = total < 0 || s[at] < 0 ? -1 : total + s[at];
    s.set(at, -1);
    for (int k = 0; k < s.rank(); ++k)
      if (s[k] >= 0 && out[k] >= 0 && s[k] != out[k])
        c.fail(fmt::format(
            "Dimension {} in both shapes must be equal, but are {} and {}. Shapes are {} "
            "and {}.",
            k, out[k], s[k], out.brackets(), s.brackets()));
    out = out.merge(s);
  }
  out.set(at, total);
  c.output(out, c.dtype(0));
}

/// Lists of tensors joined along an axis that is there (ConcatV2) or new (Pack), and taken apart.
void define_lists(SpecTable& t) {
  t.add({"ConcatV2", {}, infer_concat, [](Translate& c) {
           std::vector<Value> values;
           for (int i = 0; i + 1 < c.inputs(); ++i) values.push_back(c.in(i));
           const int axis = static_cast<int>(c.known_integers(c.inputs() - 1).at(0));
           c.out(0, values.size() == 1 ? values[0]
                                       : ops::concat(values, values[0].shape().axis(axis)));
         }});
  t.add({"Pack",
         {},
         [](Infer& c) {
           PartialShape s = c.shape(0);
           for (int i = 1; i < c.inputs(); ++i) {
             c.same_dtype(i);
             if (!s.compatible(c.shape(i)))
               c.fail(fmt::format("From merging shape {} with other shapes.", i - 1));
             s = s.merge(c.shape(i));
           }
           if (!s.known_rank()) return c.output({}, c.dtype(0));
           std::vector<int64_t> dims = s.dims();
           dims.insert(dims.begin() + c.axis(c.op().attr_or<int64_t>("axis", 0), s.rank() + 1),
                       c.inputs());
           c.output(PartialShape(dims), c.dtype(0));
         },
         [](Translate& c) {
           int64_t axis = c.op().attr_or<int64_t>("axis", 0);
           if (axis < 0) axis += c.shape(0).rank() + 1;
           std::vector<Value> values;
           for (const Value& v : c.ins()) {
             std::vector<int64_t> dims = v.shape().vec();
             dims.insert(dims.begin() + axis, 1);
             values.push_back(ops::reshape(v, Shape(dims)));
           }
           c.out(0, values.size() == 1 ? values[0] : ops::concat(values, static_cast<int>(axis)));
         }});
  t.add({"Unpack",
         {"value"},
         [](Infer& c) {
           const auto n = c.op().attr<int64_t>("num");
           PartialShape out;
           if (c.shape(0).known_rank()) {
             std::vector<int64_t> dims = c.shape(0).dims();
             dims.erase(dims.begin() +
                        c.axis(c.op().attr_or<int64_t>("axis", 0), c.shape(0).rank()));
             out = PartialShape(dims);
           }
           for (int64_t i = 0; i < n; ++i) c.output(out, c.dtype(0));
         },
         [](Translate& c) {
           const Shape shape = c.shape(0);
           const int axis = shape.axis(static_cast<int>(c.op().attr_or<int64_t>("axis", 0)));
           if (shape[axis] != c.op().num_outputs())
             c.fail(fmt::format("unstack: {} outputs, the axis has {}", c.op().num_outputs(),
                                shape[axis]));
           std::vector<int64_t> dims = shape.vec();
           dims.erase(dims.begin() + axis);
           for (int i = 0; i < c.op().num_outputs(); ++i) {
             ops::Ints starts(shape.rank(), 0), stops = shape.vec();
             starts[axis] = i;
             stops[axis] = i + 1;
             c.out(i, ops::reshape(ops::slice(c.in(0), starts, stops), Shape(dims)));
           }
         }});
}

void define_filled(SpecTable& t) {
  t.add({"Fill",
         {"dims", "value"},
         [](Infer& c) { c.output(c.constant_shape(0), c.dtype(1)); },
         [](Translate& c) { c.out(0, ops::broadcast_to(c.in(1), Shape(c.known_integers(0)))); }});
  t.add({"BroadcastTo",
         {"input", "shape"},
         [](Infer& c) { c.output(c.constant_shape(1), c.dtype(0)); },
         [](Translate& c) { c.out(0, ops::broadcast_to(c.in(0), Shape(c.known_integers(1)))); }});
  for (const double value : {0.0, 1.0})
    t.add({value == 0 ? "ZerosLike" : "OnesLike",
           {"x"},
           [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
           [value](Translate& c) {
             c.out(0, c.graph().constant(value, engine_type(c.op().out(0).type), run_shape(c, 0)));
           },
           Differentiable::cut});
  t.add({"Range",
         {"start", "limit", "delta"},
         [](Infer& c) {
           const auto a = c.constant(0), b = c.constant(1), d = c.constant(2);
           if (!a || !b || !d) return c.output(PartialShape{-1}, c.dtype(0));
           const double step = d->item(), span = b->item() - a->item();
           if (step == 0) c.fail("Requires delta != 0");
           if (span * step < 0)
             c.fail(fmt::format("Requires start {} limit when delta {} 0: {:g}/{:g}",
                                step > 0 ? "<=" : ">=", step > 0 ? ">" : "<", a->item(),
                                b->item()));
           c.output(PartialShape{static_cast<int64_t>(std::ceil(span / step))}, c.dtype(0));
         },
         [](Translate& c) {
           const double start = c.known(0).item(), limit = c.known(1).item(),
                        step = c.known(2).item();
           const auto n =
               std::max<int64_t>(0, static_cast<int64_t>(std::ceil((limit - start) / step)));
           Array out({n}, engine_type(c.op().out(0).type));
           for (int64_t i = 0; i < n; ++i) out.set(i, start + step * double(i));
           c.out(0, out);
         },
         Differentiable::cut});
  t.add({"LinSpace",
         {"start", "stop", "num"},
         [](Infer& c) {
           const auto n = c.constant(2);
           c.output(PartialShape{n ? static_cast<int64_t>(n->item()) : -1}, c.dtype(0));
         },
         [](Translate& c) {
           const double start = c.known(0).item(), stop = c.known(1).item();
           const auto n = static_cast<int64_t>(c.known(2).item());
           Array out({n}, engine_type(c.op().out(0).type));
           const float step = n > 1 ? static_cast<float>((stop - start) / double(n - 1)) : 0.0f;
           for (int64_t i = 0; i < n; ++i)
             out.set(i, n > 1 && i == n - 1 ? stop : start + double(step) * double(i));
           c.out(0, out);
         },
         Differentiable::cut});
  t.add({"OneHot",
         {"indices", "depth", "on_value", "off_value"},
         [](Infer& c) {
           const auto depth = c.constant(1);
           if (!c.shape(0).known_rank()) return c.output({}, c.dtype(2));
           std::vector<int64_t> dims = c.shape(0).dims();
           const int axis = c.axis(c.op().attr_or<int64_t>("axis", -1), c.shape(0).rank() + 1);
           dims.insert(dims.begin() + axis, depth ? static_cast<int64_t>(depth->item()) : -1);
           c.output(PartialShape(dims), c.dtype(2));
         },
         [](Translate& c) {
           const int64_t depth = c.known_integers(1).at(0),
                         axis = c.op().attr_or<int64_t>("axis", -1);
           const Value on = c.in(2), off = c.in(3);
           Value hot = ops::one_hot(c.in(0), depth, on.dtype());
           hot = hot * (on - off) + off;
           const int rank = hot.shape().rank();
           if (axis >= 0 && axis != rank - 1) {
             ops::Ints perm(rank - 1);
             std::iota(perm.begin(), perm.end(), 0);
             perm.insert(perm.begin() + axis, rank - 1);
             hot = ops::permute(hot, perm);
           }
           c.out(0, hot);
         },
         Differentiable::cut});
}

void define_selection(SpecTable& t) {
  t.add({"Select",
         {"condition", "t", "e"},
         [](Infer& c) {
           if (c.dtype(1) != c.dtype(2))
             raise<TypeError>(
                 "Input 'e' of 'Select' Op has type {} that does not match type {} of "
                 "argument 't'.",
                 name_of(c.dtype(2)), name_of(c.dtype(1)));
           if (!c.shape(1).compatible(c.shape(2)))
             c.fail(fmt::format("Shapes must be equal, but are {} and {}", c.shape(1).text(),
                                c.shape(2).text()));
           c.output(c.shape(1).merge(c.shape(2)), c.dtype(1));
         },
         [](Translate& c) {
           Value condition = c.in(0);
           const Value a = c.in(1), b = c.in(2);
           std::vector<int64_t> dims = condition.shape().vec();  // a vector chooses rows
           while (dims.size() < static_cast<size_t>(a.shape().rank())) dims.push_back(1);
           condition = ops::broadcast_to(ops::reshape(condition, Shape(dims)), a.shape());
           c.out(0, ops::select(condition, a, b));
         }});
}

}  // namespace

void define_array_ops(SpecTable& t) {
  define_shapes(t);
  define_reshapes(t);
  define_lists(t);
  define_filled(t);
  define_selection(t);
}

}  // namespace trivium::tf
