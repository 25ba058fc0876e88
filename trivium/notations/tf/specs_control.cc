// Branches, loops, tensor arrays. A tensor array is one tensor, [size, element…]; until something
// is written, or its element shape is given, it is a tensor without elements.
#include <algorithm>
#include <numeric>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

void handed_on(SpecTable& t, const std::string& type) {
  t.add({type,
         {"data"},
         [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
         [](Translate& c) { c.hand_on(0, 0); }});
}

void define_flow(SpecTable& t) {
  for (const char* type : {"Enter", "Exit"}) handed_on(t, type);
  t.add({"LoopVariable",
         {},
         [](Infer& c) {
           c.output(c.op().attr<PartialShape>("shape"), c.op().attr<DataType>("dtype"));
         },
         [](Translate&) {}});
  t.add({"While",
         {},
         [](Infer& c) {
           for (int i = 0; i < c.op().attr<int64_t>("variables"); ++i)
             c.output(c.op().attr<PartialShape>(fmt::format("shape{}", i)), c.dtype(i));
         },
         [](Translate& c) { c.translator().loop(c.op()); }});
  t.add({"If",
         {},
         [](Infer& c) {
           Graph& graph = c.op().graph();
           const Context &then = *graph.context_of(c.op().attr<int64_t>("then")),
                         &otherwise = *graph.context_of(c.op().attr<int64_t>("otherwise"));
           for (size_t i = 0; i < then.results.size(); ++i) {
             const auto &a = then.results[i].op->out(then.results[i].index),
                        &b = otherwise.results[i].op->out(otherwise.results[i].index);
             PartialShape shape;
             if (a.shape.known_rank() && b.shape.known_rank() && a.shape.rank() == b.shape.rank()) {
               shape = a.shape;
               for (int k = 0; k < shape.rank(); ++k)
                 if (a.shape[k] != b.shape[k]) shape.set(k, -1);
             }
             c.output(shape, a.type);
           }
         },
         [](Translate& c) { c.translator().choice(c.op()); }});
}

PartialShape element_of(const PartialShape& array) {
  if (!array.known_rank()) return {};
  return PartialShape(std::vector<int64_t>(array.dims().begin() + 1, array.dims().end()));
}

PartialShape with_axis(int64_t size, const PartialShape& element) {
  if (!element.known_rank()) return {};
  std::vector<int64_t> dims = element.dims();
  dims.insert(dims.begin(), size);
  return PartialShape(dims);
}

int64_t size_of_array(const PartialShape& array) { return array.known_rank() ? array[0] : -1; }

/// The array as it is; a failure where nothing was ever written to it.
Value written(Translate& c) {
  const Value array = c.in(0);
  if (!c.translator().unwritten(array)) return array;
  const bool says = c.inputs() > 1 && c.fixed(1);
  const std::vector<int64_t> positions = says ? c.known_integers(1) : std::vector<int64_t>{};
  const Operation* made = c.translator().array_of(c.op().edges()[0]);
  c.fail(unwritten_text(positions.empty() ? 0 : positions[0],
                        made ? made->attr<PartialShape>("element_shape") : PartialShape()));
}

using Touch = Translator::Touch;

Value one_index(Value index) { return ops::reshape(index, {1}); }

Shape behind(const Shape& s) {
  const std::vector<int64_t> dims = s.vec();
  return Shape(std::vector<int64_t>(dims.begin() + 1, dims.end()));
}

/// One element a row.
Value as_row(Value element) {
  std::vector<int64_t> dims = element.shape().vec();
  dims.insert(dims.begin(), 1);
  return ops::reshape(element, Shape(dims));
}

void check_element(Translate& c, const Shape& array, const Shape& element) {
  if (behind(array) == element) return;
  c.fail(fmt::format(
      "TensorArray: could not write a value of shape {}: the array's elements have shape {}",
      PartialShape(element).brackets(), PartialShape(behind(array)).brackets()));
}

void define_array_writers(SpecTable& t) {
  t.add({"TensorArrayV3",
         {"size"},
         [](Infer& c) {
           const auto size = c.constant(0);
           const bool stays = !c.op().attr<bool>("dynamic_size");
           c.output(with_axis(size && stays ? static_cast<int64_t>(size->item()) : -1,
                              c.op().attr<PartialShape>("element_shape")),
                    c.op().attr<DataType>("dtype"));
         },
         [](Translate& c) {
           const int64_t size = c.known_integers(0).at(0);
           const DType dtype = engine_type(c.op().attr<DataType>("dtype"));
           const PartialShape& element = c.op().attr<PartialShape>("element_shape");
           auto array = std::make_shared<Translator::Unwritten>();
           array->size = size;
           array->dtype = dtype;
           c.translator().begin_marks(c.op(), size);
           const Value fresh = c.translator().new_array(array);
           c.out(0, element.fully_known() ? c.translator().with_elements(fresh, element.known())
                                          : fresh);
         }});
  t.add({"TensorArrayWriteV3",
         {"handle", "index", "value"},
         [](Infer& c) {
           if (c.dtype(0) != c.dtype(2))
             raise<TypeError>("TensorArray dtype is {} but Op is trying to write dtype {}.",
                              name_of(c.dtype(0)), name_of(c.dtype(2)));
           c.output(c.shape(0).known_rank() ? c.shape(0) : with_axis(-1, c.shape(2)), c.dtype(0));
         },
         [](Translate& c) {
           const Value value = c.in(2);
           const Value room = c.translator().with_room(c.op(), c.in(0));
           c.translator().touch(c.op(), Touch::write);
           const Value array = c.translator().with_elements(room, value.shape());
           check_element(c, array.shape(), value.shape());
           c.out(0, ops::index_update(array, one_index(c.in(1)), as_row(value)));
         }});
  t.add({"TensorArrayScatterV3",
         {"handle", "indices", "value"},
         [](Infer& c) {
           c.output(c.shape(0).known_rank() ? c.shape(0) : with_axis(-1, element_of(c.shape(2))),
                    c.dtype(0));
         },
         [](Translate& c) {
           const Value value = c.in(2);
           const Value room = c.translator().with_room(c.op(), c.in(0));
           c.translator().touch(c.op(), Touch::write);
           const Value array = c.translator().with_elements(room, behind(value.shape()));
           check_element(c, array.shape(), behind(value.shape()));
           c.out(0, ops::index_update(array, c.in(1), value));
         }});
  t.add({"TensorArrayUnstack",
         {"handle", "value"},
         [](Infer& c) {
           // Rows of a smaller array stay as they are; a dynamic one grows.
           const int64_t size = size_of_array(c.shape(0)), rows = size_of_array(c.shape(1));
           const bool known = size >= 0 && rows >= 0;
           c.output(with_axis(known ? std::max(size, rows) : -1, element_of(c.shape(1))),
                    c.dtype(0));
         },
         [](Translate& c) {
           const Value value = c.in(1);
           const int64_t size = c.in(0).shape()[0], rows = value.shape()[0];
           c.translator().grow_array(c.op(), rows);
           c.translator().touch(c.op(), Touch::write, rows);
           if (rows >= size) return c.out(0, value);
           const Value array = c.translator().with_elements(c.in(0), behind(value.shape()));
           check_element(c, array.shape(), behind(value.shape()));
           std::vector<int64_t> from(array.shape().rank(), 0);
           from[0] = rows;
           const Value rest = ops::slice(array, from, array.shape().vec());
           c.out(0, ops::concat({value, rest}, 0));
         }});
}

void define_array_readers(SpecTable& t) {
  t.add({"TensorArrayReadV3",
         {"handle", "index"},
         [](Infer& c) { c.output(element_of(c.shape(0)), c.dtype(0)); },
         [](Translate& c) {
           const Value array = written(c);
           c.translator().touch(c.op(), Touch::read);
           c.out(0, ops::reshape(ops::gather(array, one_index(c.in(1))), behind(array.shape())));
         }});
  t.add({"TensorArrayStack",
         {"handle"},
         [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
         [](Translate& c) {
           const Value array = written(c);
           c.translator().touch(c.op(), Touch::read, array.shape()[0]);
           c.out(0, array);
         }});
  t.add({"TensorArrayGatherV3",
         {"handle", "indices"},
         [](Infer& c) {
           c.output(with_axis(size_of_array(c.shape(1)), element_of(c.shape(0))), c.dtype(0));
         },
         [](Translate& c) {
           const Value array = written(c);
           c.translator().touch(c.op(), Touch::read);
           c.out(0, ops::gather(array, c.in(1)));
         }});
  t.add({"TensorArrayConcatV3",
         {"handle"},
         [](Infer& c) {
           PartialShape out = element_of(c.shape(0));
           if (out.known_rank() && out.rank() > 0) {
             const int64_t size = size_of_array(c.shape(0));
             out.set(0, size < 0 || out[0] < 0 ? -1 : size * out[0]);
           }
           c.output(out, c.dtype(0));
         },
         [](Translate& c) {
           const Value array = written(c);
           c.translator().touch(c.op(), Touch::read, array.shape()[0]);
           std::vector<int64_t> dims = behind(array.shape()).vec();
           if (dims.empty()) c.fail("TensorArray: scalars can not be concatenated; use stack");
           dims[0] *= array.shape()[0];
           c.out(0, ops::reshape(array, Shape(dims)));
         }});
  t.add({"TensorArraySizeV3",
         {"handle"},
         [](Infer& c) { c.output(PartialShape(Shape{}), DataType::int32); },
         [](Translate& c) { c.out(0, Array::full({}, double(c.in(0).shape()[0]), DType::i32)); },
         Differentiable::cut});
}

}  // namespace

void define_control_ops(SpecTable& t) {
  define_flow(t);
  define_array_writers(t);
  define_array_readers(t);
}

}  // namespace trivium::tf
