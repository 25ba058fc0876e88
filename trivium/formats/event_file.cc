// The first event names the version of the format; all others hold one thing each.
#include "trivium/formats/event_file.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "trivium/formats/tf_messages.h"
#include "trivium/formats/tf_tensor.h"

namespace trivium::formats {
namespace {

constexpr const char* kVersionPrefix = "brain.Event:";
constexpr const char* kVersion = "brain.Event:2";

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 && name[0] ? name : "host";
}

/// A name in the directory that nobody has; the directory is made.
std::string new_path(const std::string& directory, const std::string& suffix) {
  std::error_code code;
  std::filesystem::create_directories(directory, code);
  if (code) environment_error("{}: cannot make the directory: {}", directory, code.message());
  const std::string start = fmt::format("{}/events.out.tfevents.{:010}.{}", directory,
                                        static_cast<int64_t>(now()), host_name());
  std::string path = start + suffix;
  for (int i = 1; file_exists(path); ++i) path = fmt::format("{}.{}{}", start, i, suffix);
  return path;
}

tf_proto::Event summary_event(int64_t step, const std::string& tag,
                              tf_proto::Summary::Value** value) {
  tf_proto::Event event;
  event.set_step(step);
  *value = event.mutable_summary()->add_value();
  (*value)->set_tag(tag);
  return event;
}

TFRecordOptions growing() {
  TFRecordOptions options;
  options.compression = RecordCompression::none;
  options.partial_tail = true;
  return options;
}

}  // namespace

EventWriter::EventWriter(const std::string& directory, const std::string& suffix)
    : records_(new_path(directory, suffix)) {
  tf_proto::Event version;
  version.set_file_version(kVersion);
  add_event(std::move(version));
  flush();
}

void EventWriter::add_scalar(const std::string& tag, double value, int64_t step) {
  tf_proto::Summary::Value* entry;
  tf_proto::Event event = summary_event(step, tag, &entry);
  entry->set_simple_value(static_cast<float>(value));
  add_event(std::move(event));
}

void EventWriter::add_histogram(const std::string& tag, const Array& values, int64_t step) {
  tf_proto::Summary::Value* entry;
  tf_proto::Event event = summary_event(step, tag, &entry);
  *entry->mutable_histo() = histogram_of(values, tag);
  add_event(std::move(event));
}

void EventWriter::add_image(const std::string& tag, const Array& image, int64_t step) {
  tf_proto::Summary::Value* entry;
  tf_proto::Event event = summary_event(step, tag, &entry);
  *entry->mutable_image() = image_summary(image);
  add_event(std::move(event));
}

void EventWriter::add_text(const std::string& tag, const std::string& text, int64_t step) {
  tf_proto::Summary::Value* entry;
  tf_proto::Event event = summary_event(step, tag, &entry);
  entry->mutable_metadata()->mutable_plugin_data()->set_plugin_name("text");
  *entry->mutable_tensor() = strings_to_tensor({Shape{}, {text}});
  add_event(std::move(event));
}

void EventWriter::add_summary(const tf_proto::Summary& summary, int64_t step) {
  tf_proto::Event event;
  event.set_step(step);
  *event.mutable_summary() = summary;
  add_event(std::move(event));
}

void EventWriter::add_graph(const tf_proto::GraphDef& graph, int64_t step) {
  tf_proto::Event event;
  event.set_step(step);
  event.set_graph_def(serialize_tf(graph, path()));
  add_event(std::move(event));
}

void EventWriter::add_meta_graph(const tf_proto::MetaGraphDef& graph, int64_t step) {
  tf_proto::Event event;
  event.set_step(step);
  event.set_meta_graph_def(serialize_tf(graph, path()));
  add_event(std::move(event));
}

void EventWriter::add_session_log(const tf_proto::SessionLog& log, int64_t step) {
  tf_proto::Event event;
  event.set_step(step);
  *event.mutable_session_log() = log;
  add_event(std::move(event));
}

void EventWriter::add_event(tf_proto::Event event) {
  if (event.wall_time() == 0) event.set_wall_time(now());
  records_.write(serialize_tf(event, path()));
}

EventReader::EventReader(const std::string& path) : name_(path), records_(path, growing()) {}
EventReader::EventReader(Bytes bytes, const std::string& name)
    : name_(name), records_(bytes, name, growing()) {}

bool EventReader::next(tf_proto::Event* event) {
  std::string record;
  const uint64_t position = records_.position();
  if (!records_.next(&record)) return false;
  const std::string where = fmt::format("{}: record at {}", name_, position);
  parse_tf_binary(as_bytes(record), where, "an Event", event);
  if (first_ && event->file_version().rfind(kVersionPrefix, 0) != 0)
    user_error("{}: the version of an event file (\"{}\") expected first, found \"{}\"", where,
               kVersion, event->file_version());
  first_ = false;
  return true;
}

std::map<std::string, std::vector<ScalarPoint>> read_scalars(const std::string& path) {
  std::map<std::string, std::vector<ScalarPoint>> scalars;
  EventReader events(path);
  for (tf_proto::Event event; events.next(&event);)
    for (const auto& value : event.summary().value()) {
      if (value.value_case() == tf_proto::Summary::Value::kSimpleValue)
        scalars[value.tag()].push_back({event.wall_time(), event.step(), value.simple_value()});
      else if (value.metadata().plugin_data().plugin_name() == "scalars")
        scalars[value.tag()].push_back(
            {event.wall_time(), event.step(),
             tensor_to_array(value.tensor(), fmt::format("{}: scalar \"{}\"", path, value.tag()),
                             16)
                 .item()});
    }
  return scalars;
}

}  // namespace trivium::formats
