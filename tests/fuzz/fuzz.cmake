# pkgsync_fuzz(<name> SOURCES <file>... LINKS <target>... CORPUS <directory>)
#
# One program around LLVMFuzzerTestOneInput.  With PKGSYNC_FUZZ=ON it is a
# libFuzzer program; otherwise replay.c gives it a main(), so that any compiler
# can run it.  Either way ctest runs it over every file of the corpus once.
if(PKGSYNC_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "PKGSYNC_FUZZ needs Clang: set CMAKE_C_COMPILER=clang")
    endif()
    # Coverage feedback from our libraries too, not only from the target's file.
    target_compile_options(pkgsync_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(pkgsync_fuzz name)
    cmake_parse_arguments(arg "" "CORPUS" "SOURCES;LINKS" ${ARGN})
    get_filename_component(corpus ${arg_CORPUS} ABSOLUTE)
    if(NOT IS_DIRECTORY ${corpus})
        message(FATAL_ERROR "pkgsync_fuzz(${name}): no corpus at ${corpus}")
    endif()
    add_executable(${name} ${arg_SOURCES})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support)
    target_link_libraries(${name} PRIVATE pkgsync_flags ${arg_LINKS})
    if(PKGSYNC_FUZZ)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        # -runs=0: read the corpus, invent nothing.
        add_test(NAME ${name} COMMAND ${name} -runs=0 ${corpus})
    else()
        target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
        add_test(NAME ${name} COMMAND ${name} ${corpus})
    endif()
    set_tests_properties(${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
