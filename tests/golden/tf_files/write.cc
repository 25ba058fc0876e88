// Writes one file of every kind into a directory, for check.py to read with TensorFlow. By hand:
//   c++ -std=c++20 -I. -I<build>/generated tests/golden/tf_files/write.cc <the formats, core and
//       proto archives of a build> -lprotobuf … -o write && ./write OUT tests/golden/tf_files &&
//   python3 tests/golden/tf_files/check.py OUT
#include <cmath>
#include <cstdio>

#include "trivium/formats/checkpoint_file.h"
#include "trivium/formats/checkpoint_state.h"
#include "trivium/formats/event_file.h"
#include "trivium/formats/saved_model.h"
#include "trivium/formats/tf_example.h"

using namespace trivium;
using namespace trivium::formats;

namespace {

Array ramp(const Shape& shape, DType dtype) {
  Array a(shape, dtype);
  for (int64_t i = 0; i < a.count(); ++i) a.set(i, static_cast<double>(i % 100));
  return a;
}

void checkpoints(const std::string& out) {
  CheckpointWriter writer(out + "/ckpt/model-7", 2);
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8,
                            DType::i16, DType::i32, DType::i64})
    writer.add(std::string("type/") + name_of(dtype), ramp({3, 4}, dtype));
  writer.add("type/bool", ramp({2}, DType::bool_));
  writer.add("scalar", Array::scalar(1.5f));
  writer.add("empty", Array::zeros({0, 3}));
  writer.add_strings("text", {Shape{2}, {"hello", std::string(200, 'x')}});
  for (int64_t i = 0; i < 3; ++i)
    writer.add_slice("sliced", {6, 100}, {{2 * i, 2}, {0, std::nullopt}},
                     ramp({2, 100}, DType::f32));
  for (int i = 0; i < 20000; ++i)
    writer.add(fmt::format("many/{:05}/weights", i), Array::scalar(static_cast<float>(i)));
  writer.finish();
  write_checkpoint_state(out + "/ckpt", {"model-7", {"model-7"}});
}

void records(const std::string& out) {
  const struct {
    const char* name;
    RecordCompression kind;
  } files[] = {{"/plain", RecordCompression::none},
               {"/gzip", RecordCompression::gzip},
               {"/zlib", RecordCompression::zlib}};
  for (const auto& file : files) {
    TFRecordWriter writer(out + file.name, file.kind);
    for (int64_t i = 0; i < 1000; ++i)
      writer.write(serialize_example(
          {{"id", Feature::of_ints({i, -i})},
           {"x", Feature::of_floats({0.5f * static_cast<float>(i)})},
           {"name", Feature::of_bytes({std::string(static_cast<size_t>(i), 'n')})}}));
    writer.close();
  }
}

void events(const std::string& out, const tf_proto::GraphDef& graph) {
  EventWriter writer(out + "/logs");
  writer.add_graph(graph);
  for (int64_t step = 0; step < 10; ++step) {
    writer.add_scalar("loss", 1.0 / static_cast<double>(step + 1), step);
    writer.add_histogram("weights", ramp({50}, DType::f32), step);
  }
  Array picture({2, 2, 3}, DType::u8);
  for (int64_t i = 0; i < 12; ++i) picture.set(i, static_cast<double>(20 * i));
  writer.add_image("picture", picture, 0);
  writer.add_text("note", "hello", 0);
  writer.close();
}

/// y = x * w + b for a model that TensorFlow loads and runs, with its restore nodes.
tf_proto::MetaGraphDef affine(const std::string& golden) {
  return SavedModelDirectory(golden + "/saved_model").meta_graph({"serve"});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "write OUT GOLDEN\n"), 2;
  const std::string out = argv[1], golden = argv[2];
  checkpoints(out);
  records(out);
  const tf_proto::GraphDef graph = read_graph(golden + "/graph/training.pbtxt");
  events(out, graph);
  SavedModelParts parts;
  *parts.proto.add_meta_graphs() = affine(golden);
  parts.variables = [](CheckpointWriter& writer) {
    writer.add("layer/weights", ramp({2, 3}, DType::f32));
    writer.add("layer/bias", ramp({3}, DType::f32));
  };
  parts.assets = {{"words.txt", "a\nb\n"}};
  write_saved_model(out + "/saved", parts);
  write_saved_model(out + "/saved_text", parts, TfForm::text);
  const tf_proto::GraphDef frozen = freeze_graph(graph, {"y"}, [](const std::string& key) {
    return key == "layer/bias" ? ramp({3}, DType::f32) : ramp({2, 3}, DType::f32);
  });
  write_graph(out + "/frozen.pb", frozen);
  write_graph(out + "/frozen.pbtxt", frozen, TfForm::text);
}
