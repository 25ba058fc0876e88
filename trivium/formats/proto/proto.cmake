# The .proto files, compiled by protoc into generated/trivium/formats/proto.
file(GLOB proto_files CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.proto)
set(proto_sources)
foreach(proto ${proto_files})
  get_filename_component(stem ${proto} NAME_WE)
  set(out ${PROJECT_BINARY_DIR}/generated/trivium/formats/proto/${stem}.pb)
  add_custom_command(
    OUTPUT ${out}.cc ${out}.h
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/generated
    COMMAND protobuf::protoc --cpp_out=${PROJECT_BINARY_DIR}/generated -I${PROJECT_SOURCE_DIR} ${proto}
    DEPENDS ${proto} VERBATIM)
  list(APPEND proto_sources ${out}.cc)
endforeach()
if(NOT proto_sources)
  message(FATAL_ERROR "no .proto file in ${CMAKE_CURRENT_LIST_DIR}")
endif()
add_library(trivium_proto STATIC ${proto_sources})
target_include_directories(trivium_proto SYSTEM PUBLIC ${PROJECT_BINARY_DIR}/generated ${Protobuf_INCLUDE_DIRS})
target_link_libraries(trivium_proto PUBLIC ${Protobuf_LIBRARIES} Threads::Threads)
if(TRIVIUM_SANITIZE MATCHES thread)
  # Protobuf's maps have one more member under the thread sanitizer; the installed library was built without.
  target_compile_options(trivium_proto PUBLIC -U__SANITIZE_THREAD__)
endif()
