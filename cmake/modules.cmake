# trivium_module(NAME DIR DEPS...): every .cc directly in DIR becomes the static library NAME.
# trivium_test(MODULE DIR): every DIR/*_test.cc becomes one test program that links MODULE.

find_program(CCACHE ccache)
if(CCACHE AND SKBUILD)
  # pip's user has set nothing up: paths relative to the source let the wheel use what another build compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
      ${CCACHE})
elseif(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(trivium_flags INTERFACE)
target_include_directories(trivium_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_options(trivium_flags INTERFACE -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # gcc 12 reports both inside std::string and std::optional where nothing is wrong (gcc bugs 105329, 105562).
  target_compile_options(trivium_flags INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(TRIVIUM_WERROR)
  target_compile_options(trivium_flags INTERFACE -Werror)
endif()
# Results must not depend on whether the compiler fuses a multiply with an add; kernels say fma where they mean it.
target_compile_options(trivium_flags INTERFACE -ffp-contract=off)
if(TRIVIUM_SANITIZE)
  target_compile_options(trivium_flags INTERFACE -fsanitize=${TRIVIUM_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(trivium_flags INTERFACE -fsanitize=${TRIVIUM_SANITIZE})
endif()

function(trivium_module name dir)
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc ${dir}/passes/*.cc)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC trivium_flags ${ARGN})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE trivium_flags ${ARGN})
  endif()
  set_property(GLOBAL APPEND PROPERTY TRIVIUM_MODULES ${name})
endfunction()

# trivium_cold(NAME HOT...): code that runs once a graph, a net or a file and not once a step is compiled for size:
# half the bytes, and less to load when a program starts. HOT: its files that do run for every step or sample.
function(trivium_cold name)
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-Os>)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
endfunction()

function(trivium_test module dir)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${dir}/*_test.cc)
  foreach(source ${sources})
    get_filename_component(stem ${source} NAME_WE)
    string(REPLACE "/" "_" prefix ${dir})
    set(target ${prefix}_${stem})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE ${module} ${ARGN} GTest::gtest_main)
    target_compile_definitions(${target} PRIVATE TRIVIUM_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                               TRIVIUM_BINARY_DIR="${PROJECT_BINARY_DIR}")
    if(TRIVIUM_SANITIZE)  # two names with a comma: no argument for a generator expression
      target_compile_definitions(${target} PRIVATE TRIVIUM_SANITIZED=1)
    endif()
    add_test(NAME ${dir}/${stem} COMMAND ${target})
    set_tests_properties(${dir}/${stem} PROPERTIES ENVIRONMENT "OMP_WAIT_POLICY=passive" TIMEOUT 600)
  endforeach()
endfunction()
