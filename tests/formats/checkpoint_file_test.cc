#include "trivium/formats/checkpoint_file.h"

#include "tests/formats/hostile.h"
#include "trivium/formats/checkpoint_state.h"
#include "trivium/formats/crc32c.h"
#include "trivium/formats/proto/tf_saved.pb.h"
#include "trivium/formats/table.h"

namespace trivium::formats {
namespace {

std::string file(const std::string& name) { return golden("tf_files/checkpoint/" + name); }

void expect_values(const Array& array, const std::string& text, const std::vector<double>& values) {
  EXPECT_EQ(array.text(), text);
  ASSERT_EQ(array.count(), static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(array.at(static_cast<int64_t>(i)), values[i]) << text << " " << i;
}

std::vector<double> ramp(int from, int count) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(from + i);
  return values;
}

TEST(Checkpoint, ReadsEveryTypeTensorFlowWrites) {
  const CheckpointReader checkpoint(file("types"));
  EXPECT_EQ(checkpoint.version(), 2);
  EXPECT_EQ(checkpoint.tensors().size(), 17u);
  for (const char* name : {"f32", "f64", "f16", "bf16", "i8", "i16", "i32", "i64"}) {
    const Array array = checkpoint.read(name);
    EXPECT_EQ(array.dtype(), dtype_of_tf(checkpoint.find(name)->type));
    expect_values(array, array.text(), {-4, -1, 2, 5, 8, 11});
    EXPECT_EQ(array.shape(), (Shape{2, 3}));
  }
  expect_values(checkpoint.read("u8"), "uint8[2, 3]", {0, 3, 6, 9, 12, 15});
  expect_values(checkpoint.read("u16"), "int32[2, 3]", {0, 3, 6, 9, 12, 15});
  expect_values(checkpoint.read("u32"), "int64[2, 3]", {0, 3, 6, 9, 12, 15});
  expect_values(checkpoint.read("u64"), "int64[2, 3]", {0, 3, 6, 9, 12, 15});
  expect_values(checkpoint.read("bool"), "bool[3]", {1, 0, 1});
  expect_values(checkpoint.read("scalar"), "float32[]", {1});
  expect_values(checkpoint.read("empty"), "float32[0, 2]", {});
  EXPECT_EQ(checkpoint.read_strings("text").values, (std::vector<std::string>{"a", "", "hello"}));
  expect_values(checkpoint.read_slice("f32", {{1, 1}, {0, 2}}), "float32[1, 2]", {5, 8});
}

TEST(Checkpoint, PartitionedTensorsOverTwoFiles) {
  const CheckpointReader checkpoint(file("sliced"));
  EXPECT_EQ(checkpoint.find("embedding")->slices.size(), 3u);
  expect_values(checkpoint.read("embedding"), "float32[5, 4]", ramp(0, 20));
  expect_values(checkpoint.read("columns"), "int32[2, 100]", ramp(0, 200));
  expect_values(checkpoint.read("bias"), "float32[2]", {7, 8});
  expect_values(checkpoint.read_slice("embedding", {{1, 4}, {1, 2}}), "float32[4, 2]",
                {5, 6, 9, 10, 13, 14, 17, 18});
  expect_values(checkpoint.read_slice("columns", {{1, 1}, {68, 4}}), "int32[1, 4]",
                {168, 169, 170, 171});
  EXPECT_THROW(checkpoint.read_slice("columns", {{1, 2}, {0, 4}}), UserError);
  EXPECT_THROW(checkpoint.read_slice("columns", {{0, 1}}), UserError);
}

TEST(Checkpoint, Version1PlainAndPacked) {
  for (const char* name : {"v1", "v1_packed"}) {
    const CheckpointReader checkpoint(file(name));
    EXPECT_EQ(checkpoint.version(), 1);
    expect_values(checkpoint.read("ramp"), "float32[4, 6]", ramp(0, 24));
    expect_values(checkpoint.read("zeros"), "float32[3000]", std::vector<double>(3000, 0));
    expect_values(checkpoint.read("count"), "int64[]", {-5});
    expect_values(checkpoint.read("flag"), "bool[2]", {1, 0});
    expect_values(checkpoint.read_slice("ramp", {{2, 2}, {5, 1}}), "float32[2, 1]", {17, 23});
  }
}

TEST(Checkpoint, Version1InNumberedFiles) {
  const Scratch dir;
  spill(dir / "m-00000-of-00001", slurp(file("v1")));
  EXPECT_TRUE(checkpoint_exists(dir / "m"));
  EXPECT_EQ(CheckpointReader(dir / "m").read("count").item(), -5);
  // Two files that both claim a tensor.
  spill(dir / "m-00001-of-00002", slurp(file("v1_packed")));
  expect_contains(message_of<UserError>([&] { CheckpointReader(dir / "m").read("ramp"); }),
                  "overlap");
}

TEST(Checkpoint, BigEndianFiles) {
  const std::string data("\x3f\x80\0\0\xc0\0\0\0", 8);
  tf_proto::BundleHeaderProto header;
  header.set_num_shards(1);
  header.set_endianness(tf_proto::BundleHeaderProto::BIG);
  tf_proto::BundleEntryProto entry;
  entry.set_dtype(tf_proto::DT_FLOAT);
  entry.mutable_shape()->add_dim()->set_size(2);
  entry.set_size(8);
  entry.set_crc32c(masked_crc32c(as_bytes(data)));
  TableBuilder table;
  table.add("", header.SerializeAsString());
  table.add("v", entry.SerializeAsString());
  const std::string index = table.finish();
  expect_values(CheckpointReader(as_bytes(index), {as_bytes(data)}, "m").read("v"), "float32[2]",
                {1, -2});
}

TEST(Checkpoint, WildEntriesAreRefused) {
  const std::string data(64, 'x');
  const auto error = [&](const std::function<void(tf_proto::BundleEntryProto*)>& change) {
    tf_proto::BundleHeaderProto header;
    header.set_num_shards(1);
    tf_proto::BundleEntryProto entry;
    entry.set_dtype(tf_proto::DT_FLOAT);
    entry.mutable_shape()->add_dim()->set_size(16);
    entry.set_size(64);
    entry.set_crc32c(masked_crc32c(as_bytes(data)));
    change(&entry);
    TableBuilder table;
    table.add("", header.SerializeAsString());
    table.add("v", entry.SerializeAsString());
    const std::string index = table.finish();
    return message_of<UserError>(
        [&] { CheckpointReader(as_bytes(index), {as_bytes(data)}, "m").read("v"); });
  };
  using Entry = tf_proto::BundleEntryProto;
  expect_contains(error([](Entry* e) { e->set_shard_id(7); }), "data file 7 of 1");
  expect_contains(error([](Entry* e) { e->set_offset(-1); }), "64 bytes at -1");
  expect_contains(error([](Entry* e) { e->set_offset(INT64_MAX); }),
                  "of data file 0, which has 64");
  expect_contains(error([](Entry* e) { e->set_size(-64); }), "-64 bytes");
  expect_contains(error([](Entry* e) { e->set_crc32c(1); }), "checksum");
  expect_contains(error([](Entry* e) { e->set_dtype(tf_proto::DT_DOUBLE); }), "takes 128 bytes");
  expect_contains(error([](Entry* e) { e->mutable_shape()->mutable_dim(0)->set_size(1LL << 61); }),
                  "64 are there");
  expect_contains(error([](Entry* e) {
                    e->mutable_shape()->mutable_dim(0)->set_size(1LL << 40);
                    e->add_slices()->add_extent()->set_length(1LL << 40);
                  }),
                  "is not in the index");
}

TEST(Checkpoint, WrittenFilesAreTensorFlowsByteForByte) {
  const Scratch dir;
  const CheckpointReader theirs(file("types"));
  CheckpointWriter writer(dir / "a/b/types");
  for (const CheckpointTensor& tensor : theirs.tensors()) {
    if (tensor.name == "text")
      writer.add_strings("text", theirs.read_strings("text"));
    else if (tensor.name[0] != 'u' && tensor.name != "complex")
      writer.add(tensor.name, theirs.read(tensor.name));
  }
  writer.finish();
  const CheckpointReader ours(dir / "a/b/types");
  for (const CheckpointTensor& tensor : ours.tensors())
    if (tensor.name != "text") {
      const Array a = ours.read(tensor.name), b = theirs.read(tensor.name);
      EXPECT_EQ(a.text(), b.text());
      EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.bytes()), 0);
    }
  const CheckpointReader model(file("model-2"));
  CheckpointWriter same(dir / "model");
  same.add("layer/weights", model.read("layer/weights"));
  same.add("layer/bias", model.read("layer/bias"));
  same.finish();
  EXPECT_EQ(slurp(dir / "model.index"), slurp(file("model-2.index")));
  EXPECT_EQ(slurp(dir / "model.data-00000-of-00001"), slurp(file("model-2.data-00000-of-00001")));
}

TEST(Checkpoint, OneScalarIsTheKnownFile) {
  const Scratch dir;
  CheckpointWriter writer(dir / "m");
  writer.add("v", Array::scalar(1.0f));
  writer.finish();
  EXPECT_EQ(slurp(dir / "m.data-00000-of-00001"), std::string("\0\0\x80\x3f", 4));
  EXPECT_EQ(slurp(dir / "m.index").size(), 117u);
}

TEST(Checkpoint, SlicesAndShardsRoundTrip) {
  const Scratch dir;
  std::vector<Array> parts;
  for (int i = 0; i < 3; ++i) parts.push_back(Array::full({2, 5}, i));
  CheckpointWriter writer(dir / "m", 3);
  writer.add("zz", Array::full({100}, 9, DType::i64));
  for (int i = 0; i < 3; ++i)
    writer.add_slice("part", {6, 5}, {{2 * i, 2}, {0, 5}}, parts[static_cast<size_t>(i)]);
  writer.add_strings("words", {Shape{1, 2}, {std::string(300, 'x'), ""}});
  writer.finish();
  const CheckpointReader checkpoint(dir / "m");
  const Array part = checkpoint.read("part");
  EXPECT_EQ(part.text(), "float32[6, 5]");
  for (int64_t i = 0; i < 30; ++i) EXPECT_EQ(part.at(i), static_cast<double>(i / 10));
  EXPECT_EQ(checkpoint.read("zz").at(99), 9);
  EXPECT_EQ(checkpoint.read_strings("words").values[0], std::string(300, 'x'));
  EXPECT_TRUE(file_exists(dir / "m.data-00002-of-00003"));
}

TEST(Checkpoint, WriterRefusesMistakes) {
  const Scratch dir;
  CheckpointWriter writer(dir / "m");
  writer.add("a", Array::zeros({2}));
  EXPECT_THROW(writer.add("a", Array::zeros({2})), UserError);
  EXPECT_THROW(writer.add("", Array::zeros({2})), UserError);
  EXPECT_THROW(writer.add("b", Array()), UserError);
  writer.add_slice("p", {4}, {{0, 2}}, Array::zeros({2}));
  EXPECT_THROW(writer.add_slice("p", {4}, {{2, 2}}, Array::zeros({3})), UserError);
  EXPECT_THROW(writer.add_slice("p", {4}, {{3, 2}}, Array::zeros({2})), UserError);
  EXPECT_THROW(writer.add_slice("p", {5}, {{2, 2}}, Array::zeros({2})), UserError);
  expect_contains(message_of<UserError>([&] { writer.finish(); }),
                  "the slices hold 2 elements, the tensor [4] has 4");
  EXPECT_FALSE(file_exists(dir / "m.index"));
  EXPECT_THROW(CheckpointWriter(dir / "m", 0), UserError);
}

TEST(Checkpoint, ErrorsSayWhatIsThere) {
  const CheckpointReader checkpoint(file("model-2"));
  expect_contains(message_of<UserError>([&] { checkpoint.read("layer/weigths"); }),
                  "Key layer/weigths not found in checkpoint of 2 tensors; did you mean "
                  "\"layer/weights\"?");
  EXPECT_THROW(checkpoint.read_strings("layer/bias"), UserError);
  expect_contains(message_of<UserError>([&] { CheckpointReader(file("types")).read("text"); }),
                  "use read_strings");
  expect_contains(message_of<UserError>([&] { CheckpointReader(file("types")).read("complex"); }),
                  "DT_COMPLEX64");
  EXPECT_THROW(CheckpointReader(file("nothing")), EnvironmentError);
}

TEST(Checkpoint, ChangedDataIsSeen) {
  const std::string index = slurp(file("model-2.index"));
  std::string data = slurp(file("model-2.data-00000-of-00001"));
  const auto read = [&] {
    const CheckpointReader checkpoint(as_bytes(index), {as_bytes(data)}, "m");
    for (const auto& tensor : checkpoint.tensors()) checkpoint.read(tensor.name);
  };
  read();
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = static_cast<char>(data[i] ^ 0x10);
    EXPECT_THROW(read(), UserError);
    data[i] = static_cast<char>(data[i] ^ 0x10);
  }
  data.resize(data.size() - 1);
  expect_contains(message_of<UserError>(read), "cut short or another one");
}

void read_all(const CheckpointReader& checkpoint) {
  for (const auto& tensor : checkpoint.tensors()) {
    try {
      if (tensor.type == tf_proto::DT_STRING)
        checkpoint.read_strings(tensor.name);
      else
        checkpoint.read(tensor.name);
    } catch (const UserError&) {
    }
  }
}

TEST(Checkpoint, SurvivesDamage) {
  for (const char* name : {"types", "sliced"}) {
    std::vector<std::string> data;
    const bool two = std::string(name) == "sliced";
    for (int i = 0; i <= two; ++i)
      data.push_back(slurp(file(fmt::format("{}.data-{:05}-of-{:05}", name, i, 1 + two))));
    std::vector<Bytes> views;
    for (const std::string& d : data) views.push_back(as_bytes(d));
    const std::string index = slurp(file(std::string(name) + ".index"));
    EXPECT_EQ(damage(index,
                     [&](const std::string& bytes) {
                       read_all(CheckpointReader(as_bytes(bytes), views, "m"));
                     }),
              static_cast<int>(index.size()));
  }
  for (const char* name : {"v1", "v1_packed"})
    damage(
        slurp(file(name)),
        [](const std::string& bytes) { read_all(CheckpointReader(as_bytes(bytes), "m")); }, 300,
        500);
}

TEST(CheckpointState, ReadsAndWritesTensorFlowsFile) {
  const auto state = read_checkpoint_state(golden("tf_files/checkpoint"));
  ASSERT_TRUE(state);
  EXPECT_EQ(state->latest, file("model-2"));
  EXPECT_EQ(state->all, (std::vector<std::string>{file("model-1"), file("model-2")}));
  EXPECT_EQ(latest_checkpoint(golden("tf_files/checkpoint")), file("model-2"));
  const Scratch dir;
  write_checkpoint_state(dir.path, {"model-2", {"model-1", "model-2"}});
  EXPECT_EQ(slurp(dir / "checkpoint"), slurp(file("checkpoint")));
}

TEST(CheckpointState, Paths) {
  const Scratch dir;
  EXPECT_EQ(read_checkpoint_state(dir.path), std::nullopt);
  EXPECT_EQ(latest_checkpoint(dir.path), std::nullopt);
  write_checkpoint_state(dir.path, {"/abs/m-3", {"m-1"}, {1.5}});
  const auto state = read_checkpoint_state(dir.path);
  EXPECT_EQ(state->latest, "/abs/m-3");
  EXPECT_EQ(state->all, (std::vector<std::string>{dir / "m-1", "/abs/m-3"}));
  EXPECT_TRUE(state->times.empty());
  EXPECT_EQ(latest_checkpoint(dir.path), std::nullopt) << "its files do not exist";
  EXPECT_THROW(write_checkpoint_state(dir.path, {}, "a/b"), UserError);
  spill(dir / "checkpoint", "model_checkpoint_path: 3");
  expect_contains(message_of<UserError>([&] { read_checkpoint_state(dir.path); }), "line 1");
}

TEST(CheckpointState, RemovesTheFilesOfOneCheckpoint) {
  const Scratch dir;
  for (const char* name : {"m-1", "m-10"}) {
    CheckpointWriter writer(dir / name, 2);
    writer.add("v", Array::zeros({4}));
    writer.finish();
    spill(dir / name + ".meta", "x");
  }
  EXPECT_TRUE(checkpoint_exists(dir / "m-1"));
  remove_checkpoint(dir / "m-1");
  EXPECT_FALSE(checkpoint_exists(dir / "m-1"));
  EXPECT_TRUE(checkpoint_exists(dir / "m-10"));
  size_t left = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path)) left += entry.exists();
  EXPECT_EQ(left, 4u);
}

}  // namespace
}  // namespace trivium::formats
