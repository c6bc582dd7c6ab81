# Warnings and definitions every target is compiled with.
add_library(pkgsync_flags INTERFACE)
target_compile_definitions(pkgsync_flags INTERFACE
    _GNU_SOURCE PKGSYNC_VERSION="${PROJECT_VERSION}")
target_compile_options(pkgsync_flags INTERFACE
    -Wall -Wextra -Wshadow -Wformat=2 -Wvla -Wundef -Wwrite-strings
    -Wpointer-arith -Wcast-align -Wstrict-prototypes -Wmissing-prototypes
    -Wold-style-definition -Wimplicit-fallthrough -Wswitch-enum
    $<$<BOOL:${PKGSYNC_WERROR}>:-Werror>)

# pkgsync_library(<name> SOURCES <file>... LINKS <target>... [PRIVATE_LINKS <target>...])
#
# A static library.  Its public headers are in include/; its private ones lie
# beside the sources, where no other folder's include path reaches them.  The
# target all_verify_interface_header_sets compiles each public header alone.
# LINKS travel to whoever uses the library, PRIVATE_LINKS do not.
function(pkgsync_library name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS;PRIVATE_LINKS" ${ARGN})
    file(GLOB headers CONFIGURE_DEPENDS include/pkgsync/*.h)
    add_library(${name} STATIC ${arg_SOURCES})
    target_sources(${name} PUBLIC
        FILE_SET HEADERS BASE_DIRS include FILES ${headers})
    set_target_properties(${name} PROPERTIES
        VERIFY_INTERFACE_HEADER_SETS ON LINKER_LANGUAGE C)
    target_link_libraries(${name} PUBLIC ${arg_LINKS}
        PRIVATE pkgsync_flags ${arg_PRIVATE_LINKS})
endfunction()

# pkgsync_program(<name> SOURCES <file>... LINKS <target>...)
function(pkgsync_program name)
    cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE pkgsync_flags ${arg_LINKS})
endfunction()

# pkgsync_embed(<target> <file> <symbol>)
#
# Put a file's bytes into a target as `const char <symbol>[]`, NUL-terminated,
# so that the program needs no data file beside it.
function(pkgsync_embed target file symbol)
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
    set(in ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    add_custom_command(OUTPUT ${out}
        COMMAND ${CMAKE_COMMAND} -DIN=${in} -DOUT=${out} -DSYMBOL=${symbol}
            -P ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake
        DEPENDS ${in} ${PROJECT_SOURCE_DIR}/cmake/Embed.cmake VERBATIM)
    target_sources(${target} PRIVATE ${out})
endfunction()
