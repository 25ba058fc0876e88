#include "trivium/notations/caffe/db_reader.h"

#include "trivium/notations/caffe/state_bytes.h"

namespace trivium::caffe {

DbReader::DbReader(const std::string& path, formats::DatabaseKind kind, int64_t batch_size,
                   bool labels, Transformer transformer)
    : path_(path),
      database_(formats::Database::open(path, kind)),
      batch_size_(batch_size),
      labels_(labels),
      transformer_(std::move(transformer)) {}

void DbReader::advance(Batch& batch) {
  ++position_;
  if (database_->next()) return;
  add_line(&batch.log, LogLevel::info, "Restarting data prefetching from start.");
  database_->rewind();
  position_ = 0;
}

void DbReader::add_record(Batch& batch, int64_t item, Shape& shape) {
  const std::string name = fmt::format("{}, record \"{}\"", path_, database_->key());
  proto::Datum datum;
  const std::string_view bytes = database_->value();
  if (!datum.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    user_error("{}: expected a Datum, the bytes are something else", name);
  Array decoded;
  const Pixels pixels = pixels_of(datum, transformer_.param(), name, decoded, &batch.log);
  try {
    if (item == 0) shape = transformer_.shape_of(pixels.channels, pixels.height, pixels.width);
    float* data = item == 0
                      ? batch_array(batch, 0, Shape{batch_size_, shape[0], shape[1], shape[2]})
                      : batch.tops[0].data<float>();
    transformer_.apply(pixels, shape, data + item * shape.count());
  } catch (const UserError& error) {
    user_error("{}: {}", name, error.what());
  }
  if (labels_) batch.tops[1].data<float>()[item] = static_cast<float>(datum.label());
}

void DbReader::read(Batch& batch) {
  if (labels_) batch_array(batch, 1, Shape{batch_size_});
  Shape shape;
  for (int64_t item = 0; item < batch_size_; ++item) {
    add_record(batch, item, shape);
    advance(batch);
  }
}

void DbReader::skip_to(int64_t position) {
  database_->rewind();
  for (position_ = 0; position_ < position; ++position_)
    if (!database_->next())
      user_error("{}: cannot go on at record {}, there are only {}", path_, position,
                 position_ + 1);
}

std::string DbReader::save_state() const {
  StateWriter state;
  state.put(position_);
  if (transformer_.draws()) state.put(const_cast<Transformer&>(transformer_).generator());
  return state.take();
}

void DbReader::restore_state(const std::string& bytes) {
  StateReader state(bytes);
  skip_to(state.get<int64_t>());
  if (transformer_.draws()) transformer_.generator() = state.get<random::Mt19937>();
}

}  // namespace trivium::caffe
