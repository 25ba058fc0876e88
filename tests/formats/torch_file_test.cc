#include "trivium/formats/torch_file.h"

#include "tests/formats/hostile.h"
#include "trivium/formats/zip.h"

namespace trivium::formats {
namespace {

using Kind = PickleValue::Kind;

std::string operator""_b(const char* text, size_t size) { return {text, size}; }

TorchValue load(const std::string& name, PickleMode mode = PickleMode::strict) {
  return load_torch(golden("torch_files/" + name), mode);
}

TorchValue parse(const std::string& bytes) { return parse_torch(as_bytes(bytes), "x.pth"); }

std::string refusal(const std::string& bytes) {
  return message_of<UserError>([&] { parse(bytes); });
}

/// Every element of a tensor made by ramp() of make.py.
void expect_ramp(const Array& a, const std::string& text, double start = 0) {
  ASSERT_EQ(a.text(), text);
  for (int64_t i = 0; i < a.count(); ++i) ASSERT_EQ(a.at(i), start + static_cast<double>(i));
}

/// The parameters and buffers of make.py's Net, counted() up.
void expect_net(const NamedArrays& arrays) {
  const std::pair<const char*, const char*> expected[] = {{"conv.weight", "float32[2, 1, 3, 3]"},
                                                          {"conv.bias", "float32[2]"},
                                                          {"bn.weight", "float32[2]"},
                                                          {"bn.bias", "float32[2]"},
                                                          {"bn.running_mean", "float32[2]"},
                                                          {"bn.running_var", "float32[2]"},
                                                          {"bn.num_batches_tracked", "int64[]"},
                                                          {"head.1.weight", "float32[3, 8]"},
                                                          {"head.1.bias", "float32[3]"}};
  ASSERT_EQ(arrays.size(), std::size(expected));
  for (size_t i = 0; i < arrays.size(); ++i) {
    EXPECT_EQ(arrays[i].first, expected[i].first);
    expect_ramp(arrays[i].second, expected[i].second, 100.0 * static_cast<double>(i));
  }
}

/// A ZIP file of torch.save with this pickle and one storage "0" of 24 bytes.
std::string file_with(const std::string& pickle,
                      const std::string& storage = std::string(24, '\0')) {
  Scratch dir;
  write_file_atomically(dir / "a.pth", [&](FileSink& sink) {
    ZipWriter zip(sink);
    zip.add("a/data.pkl", as_bytes(pickle));
    zip.add("a/data/0", as_bytes(storage));
    zip.finish();
  });
  return slurp(dir / "a.pth");
}

/// The pickle of one float tensor on storage "0" with the given (pickled) numbers.
std::string tensor_pickle(const std::string& count, const std::string& offset,
                          const std::string& size, const std::string& stride) {
  return "\x80\x02"
         "ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x01"
         "0U\x03"
         "cpu"_b +
         count + "tQ" + offset + size + stride +
         "\x89"
         "ccollections\nOrderedDict\n)RtR.";
}

TEST(TorchFile, StateDictsOfBothContainers) {
  for (const char* name : {"net_state.zip.pth", "net_state.legacy.pth"}) {
    const TorchValue value = load(name);
    EXPECT_TRUE(value.ordered());
    EXPECT_EQ(value.attributes().at("_metadata").at("bn").at("version").as_int(), 2);
    expect_net(state_dict_of(value));
  }
}

TEST(TorchFile, EveryDtype) {
  for (const char* name : {"dtypes.zip.pth", "dtypes.legacy.pth"}) {
    const NamedArrays arrays = state_dict_of(load(name));
    ASSERT_EQ(arrays.size(), 10u);
    for (const auto& entry : arrays) {
      EXPECT_EQ(entry.second.text(), std::string(entry.first) + "[2, 3]");
      if (entry.second.dtype() == DType::bool_) {
        for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(entry.second.at(i), i > 0);
      } else if (size_of(entry.second.dtype()) == 2 && is_floating(entry.second.dtype())) {
        const auto* bits = static_cast<const uint16_t*>(entry.second.raw());
        EXPECT_EQ(bits[3], entry.second.dtype() == DType::f16 ? 0x4200 : 0x4040);  // 3
      } else {
        expect_ramp(entry.second, entry.second.text());
      }
    }
  }
}

TEST(TorchFile, ViewsShareOneStorage) {
  for (const char* name : {"shared.zip.pth", "shared.legacy.pth"}) {
    const TorchValue value = load(name);
    const TorchTensor& base = value.at("base").as_tensor();
    for (const char* view : {"transposed", "row", "strided", "tail"})
      EXPECT_EQ(value.at(view).as_tensor().storage, base.storage) << view;
    EXPECT_EQ(value.at("tied_a").as_tensor().storage, value.at("tied_b").as_tensor().storage);
    EXPECT_EQ(value.at("transposed").as_tensor().stride, (std::vector<int64_t>{1, 6}));
    const Array array = value.at("base").array(), row = value.at("row").array();
    EXPECT_EQ(array.buffer(), row.buffer());  // no copy
    expect_ramp(array, "float32[4, 6]");
    expect_ramp(row, "float32[6]", 12);
    expect_ramp(value.at("tail").array(), "float32[4]", 20);
    expect_ramp(value.at("tied_b").array(), "float32[3, 2]", 50);
    const Array transposed = value.at("transposed").array();
    ASSERT_EQ(transposed.text(), "float32[6, 4]");
    for (int64_t i = 0; i < 24; ++i) EXPECT_EQ(transposed.at(i), i % 4 * 6 + i / 4);
    const Array strided = value.at("strided").array();
    ASSERT_EQ(strided.text(), "float32[2, 2]");
    const double expected[] = {6, 9, 18, 21};
    for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(strided.at(i), expected[i]);
    EXPECT_EQ(value.at("expanded").array().text(), "float32[5]");
  }
}

TEST(TorchFile, PlainValues) {
  const TorchValue v = load("values.pth");
  EXPECT_TRUE(v.at("none").is_none());
  EXPECT_EQ(v.at("big").as_int(), int64_t{1} << 40);
  EXPECT_EQ(v.at("huge").text(), std::string(10, '\0') + '\x01');
  EXPECT_EQ(v.at("text").as_string(), "a\xe2\x82\xac");
  EXPECT_EQ(v.at("bytes").as_bytes(),
            "\x00\xff\x80"
            "a"_b);
  EXPECT_EQ(v.at("tuple").items()[1].size(), 4u);
  EXPECT_EQ(v.at("ordered").entries()[0].first.as_string(), "b");
  EXPECT_EQ(v.at("size").items()[1].as_int(), 3);
  EXPECT_EQ(v.at("device").text(), "cpu");
  EXPECT_EQ(v.at("dtype").as_dtype(), ElementType::f16);
  EXPECT_EQ(v.at("set").size(), 2u);
  EXPECT_TRUE(v.at("parameter").as_tensor().parameter);
  EXPECT_TRUE(v.at("parameter").as_tensor().requires_grad);
  EXPECT_EQ(v.at("scalar").array().item(), 3.5);
  EXPECT_EQ(v.at("empty").array().text(), "float32[0, 4]");
}

TEST(TorchFile, CheckpointsWithOptimizers) {
  const TorchValue v = load("checkpoint.pth");
  EXPECT_EQ(v.at("epoch").as_int(), 7);
  EXPECT_EQ(v.at("best").as_double(), 0.25);
  EXPECT_EQ(v.at("name").as_string(),
            "Gr\xc3\xbc\xc3\x9f"
            "e");
  const TorchValue& optimizer = v.at("optimizer");
  const TorchValue& first = optimizer.at("state").entries()[0].second;
  EXPECT_EQ(first.at("step").array().item(), 1);
  EXPECT_EQ(first.at("exp_avg").array().text(), "float32[2, 1, 3, 3]");
  EXPECT_EQ(optimizer.at("param_groups").items()[0].at("lr").as_double(), 0.01);
  v.set_entry("rng_state", Array::zeros({8}, DType::u8));  // not one of the weights
  const NamedArrays weights = state_dict_of(v);
  EXPECT_EQ(weights.size(), 9u);
  EXPECT_EQ(weights[0].first, "conv.weight");
}

TEST(TorchFile, NumpyArraysAndScalars) {
  for (const char* name : {"numpy.pth", "numpy.2.pkl", "numpy.4.pkl", "numpy.5.pkl"}) {
    const TorchValue v = load(name);
    expect_ramp(v.at("f8").array(), "float64[2, 3]");
    expect_ramp(v.at("fortran").array(), "int64[2, 3]");
    expect_ramp(v.at("big").array(), "int32[3]");
    EXPECT_EQ(v.at("scalar").as_double(), 2.5);
    EXPECT_EQ(v.at("flags").array().text(), "bool[2]");
  }
  expect_contains(message_of<UserError>([] { load("object_array.pkl"); }), "\"O8\"");
}

TEST(TorchFile, TypesThatDTypeLacks) {
  const TorchValue wide = load("wide.pth");
  expect_ramp(wide.at("u16").array(), "int32[3]", 65533);
  expect_ramp(wide.at("u32").array(), "int64[2]", 4294967294.0);
  expect_ramp(wide.at("u64").array(), "int64[2]");
  const TorchValue complex = load("complex.pth");
  expect_ramp(complex.at("x").array(), "float32[2]");
  expect_contains(message_of<UserError>([&] { complex.at("z").array(); }), "complex64");
  expect_contains(message_of<UserError>([&] { state_dict_of(complex); }), "tensor \"z\"");
}

TEST(TorchFile, WholeModulesAreInspectedOnly) {
  expect_contains(message_of<UserError>([] { load("whole_module.pth"); }), "__main__.Net");
  expect_net(state_dict_of(load("whole_module.pth", PickleMode::inspect)));
}

TEST(TorchFile, ScriptArchives) {
  NamedArrays arrays = state_dict_of(load("script.pt"));
  ASSERT_EQ(arrays[0].first, "scratch");  // TorchScript does not keep what is persistent
  arrays.erase(arrays.begin());
  expect_net(arrays);
}

TEST(TorchFile, LibtorchArchives) {
  const NamedArrays module = state_dict_of(load("cpp_module.pt"));
  std::vector<std::string> names;
  for (const auto& entry : module) names.push_back(entry.first + " " + entry.second.text());
  EXPECT_EQ(names, (std::vector<std::string>{
                       "fc.weight float32[3, 2]", "fc.bias float32[3]", "bn.weight float32[3]",
                       "bn.bias float32[3]", "bn.running_mean float32[3]",
                       "bn.running_var float32[3]", "bn.num_batches_tracked int64[]",
                       "seq.0.weight float32[1, 3]", "seq.0.bias float32[1]"}));
  expect_ramp(module[1].second, "float32[3]", 100);
  const NamedArrays tensor = state_dict_of(load("cpp_tensor.pt"));
  EXPECT_EQ(tensor[0].first, "0");
  expect_ramp(tensor[0].second, "int64[2, 3]");
}

TEST(TorchFile, WrittenFilesAreReadBack) {
  Scratch dir;
  for (const char* name : {"net_state.zip.pth", "shared.legacy.pth", "dtypes.zip.pth", "wide.pth",
                           "values.pth", "checkpoint.pth", "complex.pth"}) {
    save_torch(dir / "out.pth", load(name));
    const std::string first = slurp(dir / "out.pth");
    save_torch(dir / "out.pth", load_torch(dir / "out.pth"));
    EXPECT_EQ(slurp(dir / "out.pth"), first) << name;
  }
  save_torch(dir / "net.pth", torch_state_dict(state_dict_of(load("net_state.zip.pth"))));
  expect_net(state_dict_of(load_torch(dir / "net.pth")));
}

/// written.pth holds these values; torch.load(weights_only=True) reads it (check.py).
TorchValue example() {
  Array base({2, 3}, DType::f32);
  for (int64_t i = 0; i < 6; ++i) base.set(i, static_cast<double>(i));
  const TorchValue value = torch_state_dict({{"weight", base}, {"bias", Array::full({3}, 0.5)}});
  value.set_entry("row", Array({3}, DType::f32, base.buffer(), 12));
  value.set_entry("epoch", 3);
  value.set_entry("lr", 0.1);
  value.set_entry("names", TorchValue::list({"a", TorchValue::tuple({1, true, TorchValue()})}));
  return value;
}

TEST(TorchFile, WrittenBytesAreThoseTorchWasShown) {
  Scratch dir;
  save_torch(dir / "written.pth", example());
  EXPECT_EQ(slurp(dir / "written.pth"), slurp(golden("torch_files/written.pth")));
}

TEST(TorchFile, SmallPartsOfLargeStoragesAreWrittenAlone) {
  Scratch dir;
  Array big({1000}, DType::f32);
  for (int64_t i = 0; i < 1000; ++i) big.set(i, static_cast<double>(i));
  const Array a({10}, DType::f32, big.buffer(), 400), b({10}, DType::f32, big.buffer(), 420),
      far({10}, DType::f32, big.buffer(), 3600);
  save_torch(dir / "a.pth", TorchValue::list({a, b, far}));
  EXPECT_LT(std::filesystem::file_size(dir / "a.pth"), 2500u);
  const TorchValue back = load_torch(dir / "a.pth");
  const double starts[] = {100, 105, 900};
  for (size_t i = 0; i < 3; ++i) {
    expect_ramp(back.items()[i].array(), "float32[10]", starts[i]);
    EXPECT_EQ(back.items()[i].as_tensor().storage, back.items()[0].as_tensor().storage);
  }
  EXPECT_EQ(back.items()[0].as_tensor().storage->count, 25);
  // More than half is used: all of it is kept.
  save_torch(dir / "b.pth", TorchValue::list({Array({600}, DType::f32, big.buffer(), 0)}));
  EXPECT_EQ(load_torch(dir / "b.pth").items()[0].as_tensor().storage->count, 1000);
}

TEST(TorchFile, WhatCannotBeWrittenLeavesTheOldFile) {
  Scratch dir;
  spill(dir / "a.pth", "old");
  const Array floats = Array::full({4}, 1);
  const Array bits({4}, DType::i32, floats.buffer());
  expect_contains(message_of<UserError>([&] {
                    save_torch(dir / "a.pth", TorchValue::list({floats, bits}));
                  }),
                  "view the same memory");
  const TorchValue record = TorchValue::record("os.system", TorchValue::tuple());
  expect_contains(message_of<UserError>([&] { save_torch(dir / "a.pth", record); }), "os.system");
  EXPECT_EQ(slurp(dir / "a.pth"), "old");
}

TEST(TorchFile, WindowsMustLieInTheirStorage) {
  const std::string six = "K\x06"_b, zero = "K\0"_b, one = "K\x01\x85"_b;
  EXPECT_EQ(parse(file_with(tensor_pickle(six, zero, "K\x06\x85"_b, one))).array().text(),
            "float32[6]");
  const std::string cases[] = {
      tensor_pickle(six, zero, "K\x07\x85"_b, one),
      tensor_pickle(six, "K\x01"_b, "K\x06\x85"_b, one),
      tensor_pickle(six, zero, "K\x02\x85"_b, "K\x06\x85"_b),
      tensor_pickle(six, "J\xff\xff\xff\xff"_b, one, one),
      tensor_pickle(six, zero, "J\xff\xff\xff\xff\x85"_b, one),
      tensor_pickle(six, zero, one, "J\xff\xff\xff\xff\x85"_b),
      // 2^62 * 4 elements, and strides whose products wrap round.
      tensor_pickle(six, zero, "\x8a\x08\0\0\0\0\0\0\0\x40K\x04\x86"_b, "K\0K\0\x86"_b),
      tensor_pickle(six, zero, "K\x03\x85"_b, "\x8a\x08\0\0\0\0\0\0\0\x40\x85"_b)};
  for (const std::string& pickle : cases)
    expect_contains(refusal(file_with(pickle)), "storage of 6 elements");
  expect_contains(refusal(file_with(tensor_pickle(six, zero, one, "K\x01K\x01\x86"_b))),
                  "1 sizes and 2 strides");
  expect_contains(refusal(file_with(tensor_pickle("K\x07"_b, zero, one, one))), "needs 28 bytes");
  expect_contains(refusal(file_with(tensor_pickle("\x8a\x08\0\0\0\0\0\0\0\x40"_b, zero, one, one))),
                  "elements");
}

/// The pickled persistent id of storage "0": six floats.
std::string six_floats(const std::string& last = "") {
  return "(U\x07storagectorch\nFloatStorage\nU\x01"
         "0U\x06"
         "cuda:0K\x06"_b +
         last + "tQ";
}

TEST(TorchFile, TensorsOfTheFirstVersions) {
  std::string floats(24, '\0');
  for (int i = 0; i < 6; ++i) {
    const float value = static_cast<float>(i);
    std::memcpy(floats.data() + 4 * i, &value, 4);
  }
  const auto read = [&](const std::string& pickle) {
    return parse(file_with("\x80\x02"_b + pickle + ".", floats));
  };
  const std::string window = "K\0K\x02K\x03\x86K\x03K\x01\x86"_b;
  const std::string rebuilt = "ctorch._utils\n_rebuild_tensor\n(" + six_floats() + window + "tR";
  expect_ramp(read(rebuilt).array(), "float32[2, 3]");
  EXPECT_EQ(read(rebuilt).as_tensor().storage->location, "cuda:0");
  // torch.FloatTensor(), filled by its state.
  expect_ramp(read("ctorch\nFloatTensor\n)R(" + six_floats() + window + "tb").array(),
              "float32[2, 3]");
  expect_ramp(read("ctorch.cuda\nFloatTensor\n)\x81(" + six_floats() + window + "tb").array(),
              "float32[2, 3]");
  // Parameter: by its constructor and a state, or all in the state.
  const std::string parameter = "ctorch.nn.parameter\nParameter\n";
  const TorchValue first = read(parameter + rebuilt +
                                "\x85R(\x88\x89"
                                "ccollections\nOrderedDict\n)Rtb"_b);
  EXPECT_TRUE(first.as_tensor().parameter);
  EXPECT_TRUE(first.as_tensor().requires_grad);
  const TorchValue second = read(parameter + ")\x81(" + rebuilt + "NN\x88\x89tb");
  expect_ramp(second.array(), "float32[2, 3]");
  EXPECT_TRUE(second.as_tensor().requires_grad);
}

TEST(TorchFile, StorageViewsOfTheStream) {
  const std::string window = "K\0K\x02\x85K\x01\x85"_b;
  const std::string rebuild = "ctorch._utils\n_rebuild_tensor\n(";
  const std::string view = six_floats("U\x04viewK\x03K\x03\x87"_b);
  const std::string head =
      "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}U\x0d"
      "little_endian\x88s."_b;
  std::string floats;
  for (int i = 0; i < 6; ++i) {
    const float value = static_cast<float>(i);
    floats.append(reinterpret_cast<const char*>(&value), 4);
  }
  const std::string tail =
      "\x80\x02]U\x01"
      "0a.\x06\0\0\0\0\0\0\0"_b +
      floats;
  const std::string file = head + "\x80\x02("_b + rebuild + six_floats("N") + window + "tR" +
                           rebuild + view + window + "tRt." + tail;
  const TorchValue value = parse(file);
  expect_ramp(value.items()[0].array(), "float32[2]");
  expect_ramp(value.items()[1].array(), "float32[2]", 3);
  EXPECT_EQ(value.items()[0].array().buffer(), value.items()[1].array().buffer());
  // Written again, both are one storage.
  Scratch dir;
  save_torch(dir / "a.pth", value);
  const TorchValue back = load_torch(dir / "a.pth");
  EXPECT_EQ(back.items()[0].as_tensor().storage, back.items()[1].as_tensor().storage);
  expect_ramp(back.items()[1].array(), "float32[2]", 3);
  // The storage has five elements, not six.
  std::string shorter = file;
  shorter[shorter.size() - 32] = 5;
  expect_contains(refusal(shorter), "of 6 elements expected, 5 found");
}

TEST(TorchFile, ExpandedTensorsAreNotExpandedInMemory) {
  // One float, seen 2^40 times: legal, but never an Array.
  const std::string huge = "\x8a\x06\0\0\0\0\0\x01\x85"_b;
  const TorchValue value = parse(file_with(tensor_pickle("K\x06"_b, "K\0"_b, huge, "K\0\x85"_b)));
  expect_contains(message_of<UserError>([&] { value.array(); }), "limit");
  const TorchValue dict = TorchValue::dict();
  dict.set_entry("x", value);
  expect_contains(message_of<UserError>([&] { state_dict_of(dict); }), "limit");
}

TEST(TorchFile, OtherFormatsAreNamed) {
  expect_contains(refusal(""), "an empty file");
  expect_contains(refusal("<!DOCTYPE html><html>"), "HTML");
  expect_contains(refusal("version https://git-lfs.github.com/spec/v1\n"), "git-lfs");
  expect_contains(refusal("\x89HDF\r\n\x1a\n"_b), "HDF5");
  expect_contains(refusal("\x08\0\0\0\0\0\0\0{}      "_b), "safetensors");
  expect_contains(refusal(std::string(257, '\0') + "ustar" + std::string(300, '\0')), "tar");
  expect_contains(refusal("PK\x03\x04 and nothing else"), "cut short");
  EXPECT_THROW(load_torch("/nowhere/x.pth"), EnvironmentError);
}

TEST(TorchFile, NothingToTakeIsAnError) {
  const TorchValue dict = TorchValue::dict();
  dict.set_entry("epoch", 3);
  expect_contains(message_of<UserError>([&] { state_dict_of(dict); }), "with \"epoch\"");
  EXPECT_TRUE(state_dict_of(TorchValue::dict()).empty());
}

TEST(TorchFile, SurvivesDamage) {
  for (const char* name :
       {"shared.zip.pth", "shared.legacy.pth", "whole_module.pth", "script.pt"}) {
    const std::string good = slurp(golden(std::string("torch_files/") + name));
    const auto read = [](const std::string& bytes) {
      PickleOptions options;
      options.mode = PickleMode::inspect;
      state_dict_of(parse_torch(as_bytes(bytes), "x.pth", options));
    };
    EXPECT_GE(static_cast<size_t>(damage(good, read, 1000)), std::min<size_t>(good.size(), 4096))
        << name;
  }
}

}  // namespace
}  // namespace trivium::formats
