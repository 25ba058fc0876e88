// convert_imageset, compute_image_mean and the upgrade programs against recordings of Caffe's: log,
// exit status, records and mean images.
#include <nlohmann/json.hpp>

#include "tests/tools/run_program.h"
#include "trivium/formats/caffemodel.h"
#include "trivium/formats/datum.h"
#include "trivium/formats/db.h"
#include "trivium/formats/idx.h"

namespace trivium::tools {
namespace {

using nlohmann::json;

std::string from_base64(const std::string& text) {
  static const std::string kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<uint32_t>(kLetters.find(c));
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 255);
  }
  return out;
}

json load(const std::string& path) {
  return json::parse(read_text(fs::path(TRIVIUM_SOURCE_DIR) / "tests/golden" / path));
}

void expect_records(const fs::path& database, const json& records) {
  const auto cursor = formats::Database::open(database, formats::DatabaseKind::lmdb);
  for (const json& record : records) {
    ASSERT_TRUE(cursor->valid());
    EXPECT_EQ(cursor->key(), record["key"].get<std::string>());
    const formats::proto::Datum datum = formats::parse_datum(cursor->value());
    EXPECT_EQ(datum.label(), record["label"].get<int>());
    EXPECT_EQ(datum.has_encoded() && datum.encoded(), record["encoded"].get<bool>());
    const auto has = [&](const char* field) {
      const auto fields = record["fields"].get<std::vector<std::string>>();
      return std::find(fields.begin(), fields.end(), field) != fields.end();
    };
    EXPECT_EQ(datum.has_channels(), has("channels"));
    EXPECT_EQ(datum.has_encoded(), has("encoded"));
    EXPECT_EQ(datum.height(), record.value("height", 0));
    EXPECT_EQ(datum.width(), record.value("width", 0));
    EXPECT_EQ(datum.data(), from_base64(record["data"])) << record["key"];
    cursor->next();
  }
  EXPECT_FALSE(cursor->valid());
}

void expect_mean(const fs::path& file, const json& blob) {
  formats::proto::BlobProto mean;
  ASSERT_TRUE(mean.ParseFromString(read_text(file)));
  EXPECT_EQ(mean.num(), 1);
  EXPECT_EQ(mean.channels(), blob["channels"].get<int>());
  EXPECT_EQ(mean.height(), blob["height"].get<int>());
  EXPECT_EQ(mean.width(), blob["width"].get<int>());
  ASSERT_EQ(mean.data_size(), static_cast<int>(blob["data"].size()));
  for (int i = 0; i < mean.data_size(); ++i)
    EXPECT_NEAR(mean.data(i), blob["data"][i].get<double>(), 2e-5);
}

/// Ours before its F line, and what Caffe said before it died.
std::vector<std::string> until_fatal(const std::vector<std::string>& lines) {
  std::vector<std::string> out;
  for (const std::string& line : lines) {
    if (line.starts_with("F ")) break;
    out.push_back(line);
  }
  return out;
}

TEST(ToolsGolden, ConvertImagesetAndComputeImageMeanAsCaffe) {
  const Workplace place("tools");
  const json golden = load("cli/tools.json");
  for (const auto& [name, bytes] : golden["files"].items())
    write_text(place / name, from_base64(bytes));
  for (const json& run : golden["runs"]) {
    SCOPED_TRACE(run["command"].get<std::string>());
    std::vector<std::string> words = words_of(run["command"]);
    const Ran ran = run_program(place, words[0], {words.begin() + 1, words.end()});
    const bool dies = run["exit"] == 134;
    EXPECT_EQ(ran.status, dies ? 1 : run["exit"].get<int>()) << ran.err;
    const auto theirs = run["log"].get<std::vector<std::string>>();
    const std::vector<std::string> ours = until_fatal(log_lines(ran.err));
    const std::vector<std::string> before = until_fatal(theirs);
    ASSERT_LE(ours.size(), before.size()) << ran.err;
    if (!dies) {
      ASSERT_EQ(ours.size(), before.size()) << ran.err;
    }
    for (size_t i = 0; i < ours.size(); ++i)
      EXPECT_TRUE(same_line(ours[i], before[i])) << ours[i] << "\n" << before[i];
    if (run.contains("records") && !run["records"].empty())
      expect_records(place / words.back(), run["records"]);
    if (run.contains("blob")) expect_mean(place / words.back(), run["blob"]);
    if (dies && words[0] == "convert_imageset" && words.back() != "db1") {
      EXPECT_FALSE(fs::exists(place / words.back())) << "a database that failed must not stay";
    }
  }
  for (const auto& entry : fs::directory_iterator(place.path()))
    EXPECT_EQ(entry.path().string().find(".part-"), std::string::npos) << entry.path();
}

TEST(ToolsGolden, UpgradeProgramsAsCaffe) {
  const Workplace place("upgrades");
  const json golden = load("caffe/upgrades.json");
  for (const auto& [name, run] : golden.items()) {
    SCOPED_TRACE(name);
    fs::remove(place / "out.prototxt");
    write_text(place / "in.prototxt", run["input"]);
    const Ran ran = run_program(place, run["tool"], {"in.prototxt", "out.prototxt"});
    EXPECT_EQ(ran.status, run["exit"] == 134 ? 1 : run["exit"].get<int>()) << ran.err;
    EXPECT_EQ(fs::exists(place / "out.prototxt"), !run["output"].is_null());
    if (!run["output"].is_null()) {
      EXPECT_EQ(read_text(place / "out.prototxt"), run["output"].get<std::string>());
    }
  }
}

TEST(ConvertMnist, WritesRecordsOfTheIdxFiles) {
  const Workplace place("mnist");
  Array images(Shape{3, 2, 4}, DType::u8), labels(Shape{3}, DType::u8);
  for (int i = 0; i < 24; ++i) images.set(i, i * 10);
  for (int i = 0; i < 3; ++i) labels.set(i, 7 - i);
  formats::write_idx(place / "images", images);
  formats::write_idx(place / "labels", labels);
  ASSERT_EQ(
      run_program(place, "convert_mnist_data", {"--backend=lmdb", "images", "labels", "db"}).status,
      0);
  const auto cursor = formats::Database::open(place / "db", formats::DatabaseKind::lmdb);
  EXPECT_EQ(cursor->count(), 3);
  cursor->next();
  EXPECT_EQ(cursor->key(), "00000001");
  const formats::proto::Datum datum = formats::parse_datum(cursor->value());
  EXPECT_EQ(datum.label(), 6);
  EXPECT_EQ(datum.channels(), 1);
  EXPECT_EQ(datum.height(), 2);
  EXPECT_EQ(datum.width(), 4);
  EXPECT_EQ(static_cast<uint8_t>(datum.data()[3]), 110);
  EXPECT_FALSE(datum.has_encoded());
}

TEST(ConvertMnist, RefusesWhatDoesNotBelongTogetherAndLeavesNothing) {
  const Workplace place("mnist_bad");
  formats::write_idx(place / "images", Array::zeros(Shape{3, 2, 4}, DType::u8));
  formats::write_idx(place / "labels", Array::zeros(Shape{2}, DType::u8));
  const Ran counts = run_program(place, "convert_mnist_data", {"images", "labels", "db"});
  EXPECT_EQ(counts.status, 1);
  EXPECT_NE(counts.err.find("images has 3 images but labels has 2 labels"), std::string::npos)
      << counts.err;
  EXPECT_EQ(run_program(place, "convert_mnist_data", {"labels", "images", "db"}).status, 1);
  EXPECT_EQ(run_program(place, "convert_mnist_data", {"images", "nothere", "db"}).status, 1);
  EXPECT_EQ(
      run_program(place, "convert_mnist_data", {"images", "labels", "db", "-backend", "sqlite"})
          .status,
      1);
  EXPECT_FALSE(fs::exists(place / "db"));
  const Ran usage = run_program(place, "convert_mnist_data", {"images"});
  EXPECT_EQ(usage.status, 0);
  EXPECT_NE(usage.out.find("usage:"), std::string::npos);
}

TEST(ConvertCifar, MakesBothDatabasesOrNone) {
  const Workplace place("cifar");
  const auto batch = [&](const std::string& name, int label) {
    std::string bytes;
    for (int i = 0; i < 2; ++i)
      bytes += static_cast<char>(label) + std::string(3072, static_cast<char>(i + 1));
    write_text(place / ("in/" + name), bytes);
  };
  for (int i = 1; i <= 5; ++i) batch("data_batch_" + std::to_string(i) + ".bin", i);
  const Ran missing = run_program(place, "convert_cifar_data", {"in", ".", "lmdb"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("test_batch.bin"), std::string::npos);
  EXPECT_FALSE(fs::exists(place / "cifar10_train_lmdb"));
  batch("test_batch.bin", 9);
  ASSERT_EQ(run_program(place, "convert_cifar_data", {"in", ".", "lmdb"}).status, 0);
  const auto train =
      formats::Database::open(place / "cifar10_train_lmdb", formats::DatabaseKind::lmdb);
  EXPECT_EQ(train->count(), 10);
  EXPECT_EQ(train->key(), "00000");
  const auto test =
      formats::Database::open(place / "cifar10_test_lmdb", formats::DatabaseKind::lmdb);
  EXPECT_EQ(test->count(), 2);
  EXPECT_EQ(formats::parse_datum(test->value()).label(), 9);
}

}  // namespace
}  // namespace trivium::tools
