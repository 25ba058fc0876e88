// Record files in every compression, and the examples and events in them.
#include <google/protobuf/stubs/logging.h>

#include "tests/fuzz/attempt.h"
#include "trivium/formats/event_file.h"
#include "trivium/formats/tf_example.h"

using namespace trivium::formats;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  google::protobuf::SetLogHandler(nullptr);
  const Bytes bytes(data, size);
  for (const bool partial_tail : {false, true}) {
    TFRecordOptions options;
    options.partial_tail = partial_tail;
    options.max_record_bytes = 1 << 20;
    attempt([&] {
      TFRecordReader reader(bytes, "fuzz", options);
      for (std::string record; reader.next(&record);) {
        attempt([&] { serialize_example(parse_example(as_bytes(record))); });
        attempt([&] { parse_sequence_example(as_bytes(record)); });
      }
    });
  }
  attempt([&] { serialize_example(parse_example(bytes)); });
  attempt([&] { serialize_sequence_example(parse_sequence_example(bytes)); });
  attempt([&] {
    EventReader events(bytes, "fuzz");
    for (tf_proto::Event event; events.next(&event);) {
    }
  });
  return 0;
}
