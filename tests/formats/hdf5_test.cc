#include "trivium/formats/hdf5.h"

#include "tests/formats/hostile.h"

#ifdef TRIVIUM_HAVE_HDF5
#include <hdf5.h>
#endif

namespace trivium::formats {
namespace {

std::vector<double> values(const Array& a) {
  std::vector<double> out;
  for (int64_t i = 0; i < a.count(); ++i) out.push_back(a.at(i));
  return out;
}

TEST(Hdf5File, ReadsDataOfH5py) {
  const Hdf5File file(golden("caffe/data/one.h5"));
  EXPECT_EQ(file.children("/"), (std::vector<std::string>{"i", "x", "y"}));
  EXPECT_EQ(file.all_datasets(), (std::vector<std::string>{"/i", "/x", "/y"}));
  EXPECT_TRUE(file.all_groups().empty());
  EXPECT_EQ(file.shape("x"), (Shape{5, 2, 2}));
  EXPECT_EQ(values(file.read("/y")), (std::vector<double>{0, 1, 2, 3, 4}));
  const Array i = file.read("i");
  EXPECT_EQ(i.text(), "int32[5, 1]");
  EXPECT_EQ(values(i), (std::vector<double>{10, 11, 12, 13, 14}));
}

TEST(Hdf5File, ReadsASolverStateOfCaffe) {
  const Hdf5File file(golden("caffe/cli/snaph_iter_4.solverstate.h5"));
  EXPECT_EQ(file.children("/"),
            (std::vector<std::string>{"current_step", "history", "iter", "learned_net"}));
  EXPECT_EQ(file.read("iter").text(), "int32[1]");
  EXPECT_EQ(file.read("iter").at(0), 4);
  EXPECT_EQ(file.read_string("learned_net"), "snaph_iter_4.caffemodel.h5");
  EXPECT_TRUE(file.is_group("history"));
  EXPECT_TRUE(file.is_dataset("history/0"));
  EXPECT_EQ(file.all_groups(), std::vector<std::string>{"/history"});
}

TEST(Hdf5File, ReadsPublishedWeights) {
  const Hdf5File file(golden("models/caffe_h5_cifar10_m4/cifar10_m4_iter_70000.caffemodel.h5"));
  EXPECT_EQ(file.read("/data/conv1/0").text(), "float32[32, 3, 5, 5]");
  EXPECT_EQ(file.read("/data/conv2/0").text(), "float32[16, 32, 5, 5]");
  EXPECT_EQ(file.read("/data/conv3/0").text(), "float32[32, 16, 5, 5]");
  EXPECT_EQ(file.read("/data/ip1/0").text(), "float32[10, 512]");
}

TEST(Hdf5File, ErrorsNameFileAndDataset) {
  const std::string path = golden("caffe/data/one.h5");
  const Hdf5File file(path);
  const std::string missing = message_of<UserError>([&] { file.read("nosuch"); });
  expect_contains(missing, path);
  expect_contains(missing, "\"nosuch\"");
  EXPECT_FALSE(file.exists("x/y"));
  EXPECT_THROW(file.read("/"), UserError);
  EXPECT_THROW(file.children("x"), UserError);
  expect_contains(message_of<UserError>([&] { file.read_string("x"); }), "text expected");
  expect_contains(message_of<UserError>([&] { Hdf5File(path, 8).read("x"); }), "limit of 8 bytes");
  expect_contains(message_of<UserError>([] { Hdf5File f(golden("caffe/data/a.png")); }),
                  "not an HDF5 file");
  EXPECT_THROW(Hdf5File("/nowhere.h5"), EnvironmentError);
}

#ifdef TRIVIUM_HAVE_HDF5
TEST(Hdf5Writer, EveryTypeSurvives) {
  Scratch dir;
  std::vector<Array> arrays;
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::i8, DType::u8, DType::i16,
                            DType::i32, DType::i64})
    for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 1, 3}, Shape{0, 2}}) {
      Array a(shape, dtype);
      for (size_t i = 0; i < a.bytes(); ++i)
        static_cast<uint8_t*>(a.raw())[i] = static_cast<uint8_t>(i * 31 + 5);
      arrays.push_back(a);
    }
  write_hdf5(dir / "f.h5", [&](Hdf5Writer& w) {
    for (size_t i = 0; i < arrays.size(); ++i) w.dataset(fmt::format("/deep/er/{}", i), arrays[i]);
    w.group("/empty");
    w.string("/text", "héllo");
    w.string("/none", "");
    w.integer("/n", -3);
  });
  const Hdf5File file(dir / "f.h5");
  for (size_t i = 0; i < arrays.size(); ++i) {
    const Array back = file.read(fmt::format("deep/er/{}", i));
    ASSERT_EQ(back.text(), arrays[i].text());
    EXPECT_EQ(std::memcmp(back.raw(), arrays[i].raw(), back.bytes()), 0) << back.text();
  }
  EXPECT_TRUE(file.children("empty").empty());
  EXPECT_EQ(file.read_string("text"), "héllo");
  EXPECT_EQ(file.read_string("none"), "");
  EXPECT_EQ(file.read("n").at(0), -3);
}

TEST(Hdf5Writer, AManyMemberedGroupAndATwiceWrittenName) {
  Scratch dir;
  Hdf5Writer writer(dir / "f.h5");
  for (int i = 0; i < 3000; ++i) writer.integer(fmt::format("/g/member {}", i), i);
  expect_contains(message_of<UserError>([&] { writer.integer("/g/member 7", 0); }), "already");
  EXPECT_THROW(writer.group("/g"), UserError);
  writer.close();
  const Hdf5File file(dir / "f.h5");
  EXPECT_EQ(file.children("g").size(), 3000u);
  EXPECT_EQ(file.read("g/member 2718").at(0), 2718);
  EXPECT_THROW(Hdf5Writer(dir / "no/f.h5"), EnvironmentError);
}

/// Writes one dataset by the library with the given creation properties.
struct Libhdf5 {
  explicit Libhdf5(const std::string& path, bool latest = false) {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (latest) H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
  }
  ~Libhdf5() { H5Fclose(file); }
  void write(const char* name, hid_t type, std::vector<hsize_t> dims, hid_t create, hid_t memory,
             const void* data) const {
    const hid_t space = H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
    const hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    ASSERT_GE(set, 0);
    if (data) {
      ASSERT_GE(H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, data), 0);
    }
    H5Dclose(set);
    H5Sclose(space);
  }
  hid_t file;
};

std::vector<float> ramp(size_t count) {
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(i % 91) * 0.5f - 7;
  return out;
}

TEST(Hdf5File, ReadsChunksThroughEveryFilter) {
  for (const bool latest : {false, true}) {
    Scratch dir;
    const std::vector<float> data = ramp(7 * 10 * 11);
    {
      const Libhdf5 out(dir / "f.h5", latest);
      for (int filters = 0; filters < 8; ++filters) {
        const hid_t create = H5Pcreate(H5P_DATASET_CREATE);
        const hsize_t chunk[] = {3, 4, 5};
        H5Pset_chunk(create, 3, chunk);
        if (filters & 1) H5Pset_shuffle(create);
        if (filters & 2) H5Pset_deflate(create, 6);
        if (filters & 4) H5Pset_fletcher32(create);
        out.write(fmt::format("f{}", filters).c_str(), H5T_IEEE_F32BE, {7, 10, 11}, create,
                  H5T_NATIVE_FLOAT, data.data());
        H5Pclose(create);
      }
    }
    const Hdf5File file(dir / "f.h5");
    for (int filters = 0; filters < 8; ++filters) {
      const Array back = file.read(fmt::format("f{}", filters));
      ASSERT_EQ(back.text(), "float32[7, 10, 11]");
      EXPECT_EQ(std::memcmp(back.raw(), data.data(), back.bytes()), 0) << filters << latest;
    }
  }
}

TEST(Hdf5File, ReadsCompactUnsignedEnumAndUnwrittenData) {
  Scratch dir;
  {
    const Libhdf5 out(dir / "f.h5");
    const hid_t compact = H5Pcreate(H5P_DATASET_CREATE), fill = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_layout(compact, H5D_COMPACT);
    const uint16_t small[] = {1, 65535};
    out.write("u2", H5T_STD_U16LE, {2}, compact, H5T_NATIVE_UINT16, small);
    const uint32_t large[] = {1, 4294967295u};
    out.write("u4", H5T_STD_U32BE, {2}, H5P_DEFAULT, H5T_NATIVE_UINT32, large);
    const int value = 42;
    H5Pset_fill_value(fill, H5T_NATIVE_INT, &value);
    out.write("unwritten", H5T_STD_I32LE, {4}, fill, H5T_NATIVE_INT, nullptr);
    const hid_t boolean = H5Tenum_create(H5T_NATIVE_INT8);
    const int8_t no = 0, yes = 1, bools[] = {1, 0, 1};
    H5Tenum_insert(boolean, "FALSE", &no);
    H5Tenum_insert(boolean, "TRUE", &yes);
    out.write("bools", boolean, {3}, H5P_DEFAULT, boolean, bools);
    const hid_t variable = H5Tcopy(H5T_C_S1);
    H5Tset_size(variable, H5T_VARIABLE);
    const char* text = "of any length";
    out.write("text", variable, {1}, H5P_DEFAULT, variable, &text);
    H5Tclose(variable);
    H5Tclose(boolean);
    H5Pclose(compact);
    H5Pclose(fill);
  }
  const Hdf5File file(dir / "f.h5");
  EXPECT_EQ(file.read("u2").text(), "int32[2]");
  EXPECT_EQ(values(file.read("u2")), (std::vector<double>{1, 65535}));
  EXPECT_EQ(values(file.read("u4")), (std::vector<double>{1, 4294967295.0}));
  EXPECT_EQ(values(file.read("unwritten")), (std::vector<double>{42, 42, 42, 42}));
  EXPECT_EQ(values(file.read("bools")), (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(file.read_string("text"), "of any length");
  expect_contains(message_of<UserError>([&] { file.read("text"); }), "texts");
}

TEST(Hdf5File, ADatasetLargerThanTheFileCouldHoldIsRefused) {
  Scratch dir;
  {
    const Libhdf5 out(dir / "f.h5");
    out.write("huge", H5T_STD_I64LE, {1u << 25}, H5P_DEFAULT, H5T_NATIVE_INT64, nullptr);
  }
  expect_contains(message_of<UserError>([&] { Hdf5File(dir / "f.h5").read("huge"); }),
                  "cannot come from");
}

TEST(Hdf5File, SurvivesDamageToChunks) {
  Scratch dir;
  const std::vector<float> data = ramp(20 * 20);
  {
    const Libhdf5 out(dir / "f.h5", true);
    const hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    const hsize_t chunk[] = {8, 8};
    H5Pset_chunk(create, 2, chunk);
    H5Pset_shuffle(create);
    H5Pset_deflate(create, 6);
    out.write("x", H5T_IEEE_F32LE, {20, 20}, create, H5T_NATIVE_FLOAT, data.data());
    H5Pclose(create);
  }
  damage(
      slurp(dir / "f.h5"),
      [](const std::string& b) { Hdf5File(as_bytes(b), "x", 1 << 20).read("x"); }, 4000);
}
#endif

void read_everything(const std::string& bytes) {
  const Hdf5File file(as_bytes(bytes), "x.h5", 1 << 20);
  file.all_groups();
  for (const std::string& path : file.all_datasets()) {
    try {
      file.read(path);
    } catch (const UserError&) {
      file.read_string(path);
    }
  }
}

TEST(Hdf5File, SurvivesDamage) {
  for (const char* name : {"caffe/data/one.h5", "caffe/cli/snaph_iter_4.solverstate.h5"}) {
    const std::string good = slurp(golden(name));
    EXPECT_EQ(damage(good, read_everything, 6000), static_cast<int>(good.size())) << name;
  }
}

TEST(Hdf5File, EverySingleBitOfASmallFileMayFlip) {
  const std::string good = slurp(golden("caffe/data/bad.h5"));
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bytes = good;
    bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    try {
      read_everything(bytes);
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace trivium::formats
