// A CheckpointState message in text form.
#include "trivium/formats/checkpoint_state.h"

#include <algorithm>
#include <filesystem>

#include "trivium/formats/checkpoint_source.h"
#include "trivium/formats/tf_messages.h"

namespace trivium::formats {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxStateBytes = uint64_t{1} << 26;

std::string inside(const std::string& directory, const std::string& path) {
  return path.empty() || fs::path(path).is_absolute() || directory.empty()
             ? path
             : (fs::path(directory) / path).string();
}

std::string as_written(const std::string& directory, const std::string& path) {
  if (fs::path(path).is_absolute() || fs::path(directory).is_absolute()) return path;
  const fs::path base = directory.empty() ? fs::path(".") : fs::path(directory);
  return fs::path(path).lexically_normal().lexically_relative(base.lexically_normal()).string();
}

/// "<start>.data-00000-of-00001"
bool is_shard_of(const std::string& name, const std::string& start) {
  return name.size() == start.size() + 20 && name.compare(0, start.size(), start) == 0 &&
         name.compare(start.size(), 6, ".data-") == 0 &&
         name.compare(start.size() + 11, 4, "-of-") == 0;
}

}  // namespace

CheckpointState parse_checkpoint_state(Bytes bytes, const std::string& name,
                                       const std::string& directory) {
  tf_proto::CheckpointState proto;
  parse_tf_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, name,
                "a CheckpointState", &proto);
  CheckpointState state;
  state.latest = inside(directory, proto.model_checkpoint_path());
  for (const std::string& path : proto.all_model_checkpoint_paths())
    state.all.push_back(inside(directory, path));
  state.times.assign(proto.all_model_checkpoint_timestamps().begin(),
                     proto.all_model_checkpoint_timestamps().end());
  state.last_preserved_time = proto.last_preserved_timestamp();
  if (!state.times.empty() && state.times.size() != state.all.size())
    user_error("{}: {} times for {} checkpoints", name, state.times.size(), state.all.size());
  return state;
}

std::optional<CheckpointState> read_checkpoint_state(const std::string& directory,
                                                     const std::string& filename) {
  const std::string path = inside(directory, filename);
  if (!file_exists(path)) return std::nullopt;
  const std::string text = read_file(path, kMaxStateBytes);
  return parse_checkpoint_state(as_bytes(text), path, directory);
}

void write_checkpoint_state(const std::string& directory, const CheckpointState& state,
                            const std::string& filename) {
  if (filename.empty() || fs::path(filename).filename().string() != filename)
    user_error("state file \"{}\": a name without directories expected", filename);
  tf_proto::CheckpointState proto;
  proto.set_model_checkpoint_path(as_written(directory, state.latest));
  for (const std::string& path : state.all)
    proto.add_all_model_checkpoint_paths(as_written(directory, path));
  if (std::find(state.all.begin(), state.all.end(), state.latest) == state.all.end())
    proto.add_all_model_checkpoint_paths(proto.model_checkpoint_path());
  if (state.times.size() == state.all.size())
    proto.mutable_all_model_checkpoint_timestamps()->Add(state.times.begin(), state.times.end());
  if (proto.all_model_checkpoint_timestamps_size() != proto.all_model_checkpoint_paths_size())
    proto.clear_all_model_checkpoint_timestamps();
  proto.set_last_preserved_timestamp(state.last_preserved_time);
  write_file_atomically(inside(directory, filename), text_of_tf(proto));
}

bool checkpoint_exists(const std::string& prefix) {
  return file_exists(prefix + ".index") || !checkpoint_v1_files(prefix).empty();
}

std::optional<std::string> latest_checkpoint(const std::string& directory,
                                             const std::string& filename) {
  const auto state = read_checkpoint_state(directory, filename);
  if (!state || state->latest.empty() || !checkpoint_exists(state->latest)) return std::nullopt;
  return state->latest;
}

void remove_checkpoint(const std::string& prefix) {
  std::vector<fs::path> files = {prefix + ".index", prefix + ".meta"};
  for (const std::string& file : checkpoint_v1_files(prefix)) files.emplace_back(file);
  const fs::path path(prefix);
  std::error_code code;
  for (fs::directory_iterator
           entry(path.has_parent_path() ? path.parent_path() : fs::path("."), code),
       end;
       !code && entry != end; entry.increment(code))
    if (is_shard_of(entry->path().filename().string(), path.filename().string()))
      files.push_back(entry->path());
  for (const fs::path& file : files) {
    fs::remove(file, code);
    if (code) environment_error("{}: cannot be removed: {}", file.string(), code.message());
  }
}

}  // namespace trivium::formats
