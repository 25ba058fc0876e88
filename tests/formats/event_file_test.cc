#include "trivium/formats/event_file.h"

#include <cfloat>
#include <cmath>

#include "tests/formats/hostile.h"
#include "trivium/formats/graphdef.h"
#include "trivium/formats/image.h"

namespace trivium::formats {
namespace {

std::string golden_events() { return golden("tf_files/events/events.out.tfevents.1.golden"); }

std::vector<tf_proto::Event> all_of(EventReader reader) {
  std::vector<tf_proto::Event> events;
  for (tf_proto::Event event; reader.next(&event);) events.push_back(event);
  return events;
}

tf_proto::Summary::Value golden_value(const std::string& tag) {
  for (const auto& event : all_of(EventReader(golden_events())))
    for (const auto& value : event.summary().value())
      if (value.tag() == tag) return value;
  ADD_FAILURE() << tag;
  return {};
}

TEST(EventFile, ReadsTensorFlowsFile) {
  const auto events = all_of(EventReader(golden_events()));
  EXPECT_EQ(events[0].file_version(), "brain.Event:2");
  const tf_proto::GraphDef graph = parse_graph(as_bytes(events[1].graph_def()), "graph");
  EXPECT_GT(graph.node_size(), 5);
  const auto scalars = read_scalars(golden_events());
  ASSERT_EQ(scalars.at("loss").size(), 3u);
  EXPECT_EQ(scalars.at("loss")[2].step, 2);
  EXPECT_EQ(scalars.at("loss")[2].value, 0.5);
}

TEST(EventFile, HistogramsAreTensorFlows) {
  const Array values = Array::from(std::vector<double>{0, 1, 1, -2, 1e-13, 5e21}, {6});
  EXPECT_EQ(histogram_of(values).SerializeAsString(),
            golden_value("values").histo().SerializeAsString());
  const auto zeros = histogram_of(Array::zeros({3}));
  EXPECT_EQ(std::vector<double>(zeros.bucket_limit().begin(), zeros.bucket_limit().end()),
            (std::vector<double>{0, 1e-12, DBL_MAX}));
  EXPECT_EQ(std::vector<double>(zeros.bucket().begin(), zeros.bucket().end()),
            (std::vector<double>{0, 3, 0}));
  const auto nothing = histogram_of(Array::zeros({0}));
  EXPECT_EQ(nothing.min(), DBL_MAX);
  EXPECT_EQ(nothing.max(), -DBL_MAX);
  EXPECT_EQ(nothing.bucket_limit_size(), 1);
  expect_contains(message_of<UserError>([] { histogram_of(Array::full({1}, NAN), "w"); }),
                  "Nan in summary histogram for: w");
  expect_contains(message_of<UserError>([] { histogram_of(Array::full({1}, INFINITY), "w"); }),
                  "Infinity in summary histogram for: w");
}

/// The limit of the bucket that counts a value.
double limit_of(double value) {
  const auto histogram = histogram_of(Array::full({1}, value, DType::f64));
  for (int i = 0; i < histogram.bucket_size(); ++i)
    if (histogram.bucket(i) == 1) return histogram.bucket_limit(i);
  return NAN;
}

TEST(EventFile, ABucketHoldsWhatIsBelowItsLimit) {
  std::vector<double> limits;
  for (double v = 1e-12; v < 1e20; v *= 1.1) limits.push_back(v);
  for (size_t i = 0; i < limits.size(); ++i) {
    const double v = limits[i];
    EXPECT_EQ(limit_of(v), i + 1 < limits.size() ? limits[i + 1] : DBL_MAX);
    EXPECT_EQ(limit_of(std::nextafter(v, 0)), v);
    EXPECT_EQ(limit_of(-v), i > 0 ? -limits[i - 1] : 0);
    EXPECT_EQ(limit_of(std::nextafter(-v, -DBL_MAX)), -v);
  }
  EXPECT_EQ(limit_of(5e-324), limits[0]);
  EXPECT_EQ(limit_of(-5e-324), 0);
  EXPECT_EQ(limit_of(-0.0), limits[0]);
  EXPECT_EQ(limit_of(DBL_MAX), DBL_MAX);
  EXPECT_EQ(limit_of(-DBL_MAX), -limits.back());
}

TEST(EventFile, PicturesAreScaledAsTensorFlowDoes) {
  Array picture({2, 2, 3}, DType::f32);
  for (int64_t i = 0; i < 12; ++i) picture.set(i, static_cast<double>(i) - 3);
  Array positive = picture.clone();
  for (int64_t i = 0; i < 12; ++i) positive.set(i, std::abs(picture.at(i)));
  const std::pair<std::string, Array> cases[] = {{"signed/image", picture},
                                                 {"positive/image", positive}};
  for (const auto& entry : cases) {
    const auto theirs = golden_value(entry.first).image();
    const auto ours = image_summary(entry.second);
    EXPECT_EQ(ours.height(), theirs.height());
    EXPECT_EQ(ours.width(), theirs.width());
    EXPECT_EQ(ours.colorspace(), theirs.colorspace());
    const auto pixels = [](const std::string& png) {
      return decode_image(as_bytes(png), ImageMode::as_stored, "png");
    };
    const Array a = pixels(ours.encoded_image_string()), b = pixels(theirs.encoded_image_string());
    ASSERT_EQ(a.text(), b.text());
    EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.bytes()), 0) << entry.first;
  }
  picture.set(4, NAN);
  const Array marked = summary_pixels(picture);
  EXPECT_EQ(marked.at(3), 255);
  EXPECT_EQ(marked.at(4), 0);
  EXPECT_EQ(marked.at(5), 0);
  EXPECT_EQ(summary_pixels(Array::zeros({1, 1, 1})).item(), 0);
  EXPECT_THROW(summary_pixels(Array::zeros({2, 2})), UserError);
}

TEST(EventFile, RoundTrip) {
  const Scratch dir;
  EventWriter writer(dir / "logs", ".v2");
  expect_contains(writer.path(), "/events.out.tfevents.");
  expect_contains(writer.path(), ".v2");
  EventWriter second(dir / "logs", ".v2");
  EXPECT_NE(writer.path(), second.path());
  writer.add_scalar("loss", 0.25, 7);
  writer.add_histogram("w", Array::full({10}, 2), 7);
  writer.add_image("picture", Array::full({2, 3, 3}, 9, DType::u8), 7);
  writer.add_text("note", "hello", 8);
  writer.add_graph(read_graph(golden("tf_files/graph/frozen.pb")));
  writer.flush();
  const auto events = all_of(EventReader(writer.path()));
  ASSERT_EQ(events.size(), 6u);
  EXPECT_GT(events[1].wall_time(), 1e9);
  EXPECT_EQ(events[1].summary().value(0).simple_value(), 0.25f);
  EXPECT_EQ(events[2].summary().value(0).histo().num(), 10);
  EXPECT_EQ(events[3].summary().value(0).image().width(), 3);
  EXPECT_EQ(events[4].summary().value(0).tensor().string_val(0), "hello");
  EXPECT_FALSE(events[5].graph_def().empty());
  EXPECT_EQ(read_scalars(writer.path()).at("loss")[0].step, 7);
}

TEST(EventFile, AFileOfOtherRecordsIsRefused) {
  expect_contains(
      message_of<UserError>([] { all_of(EventReader(golden("tf_files/records/plain"))); }),
      "record at 0");
}

TEST(EventFile, SurvivesDamage) {
  damage(
      slurp(golden_events()),
      [](const std::string& bytes) { all_of(EventReader(as_bytes(bytes), "e")); }, 1000, 1000);
}

}  // namespace
}  // namespace trivium::formats
