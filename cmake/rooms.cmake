# The rooms and the libraries made of them.
#
# Each room that has sources is compiled once, as target weir_room_<room>; a library is the sum of
# its rooms. A test links only the rooms that its own room may see, so a room can be worked on while
# a neighbour does not compile, and a call up the stairs does not link.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
if(WEIR_URING)
  pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing>=2.3)
endif()
pkg_check_modules(SQLITE3 IMPORTED_TARGET sqlite3)

set(weir_rooms_core base arch backend core sync exec stream process file net debug)
set(weir_rooms_http model http)
set(weir_rooms_sqlite sqlite)
set(weir_rooms_app app)
set(weir_rooms_test test)

# What the tests of a room link, besides the room itself.
set(weir_sees_base)
set(weir_sees_arch base)
set(weir_sees_backend base)
set(weir_sees_model base)
set(weir_sees_core base arch backend)
set(weir_sees_sync ${weir_sees_core} core)
set(weir_sees_exec ${weir_sees_sync} sync)
set(weir_sees_stream ${weir_sees_exec} exec)
set(weir_sees_process ${weir_sees_stream} stream)
set(weir_sees_file ${weir_sees_stream} stream)
set(weir_sees_net ${weir_sees_stream} stream)
set(weir_sees_debug ${weir_sees_sync} sync)
set(weir_sees_http ${weir_sees_net} net file process debug model)
set(weir_sees_sqlite ${weir_sees_exec} exec debug model)
set(weir_sees_app ${weir_sees_http} http sqlite)
set(weir_sees_system ${weir_sees_app} app)
set(weir_sees_test ${weir_sees_http} http sqlite)
set(weir_sees_support base)

# Sources of one room, without the files of other CPUs.
function(weir_room_sources room out_sources)
  file(GLOB sources CONFIGURE_DEPENDS
    ${PROJECT_SOURCE_DIR}/src/${room}/*.c ${PROJECT_SOURCE_DIR}/src/${room}/*.S)
  if(room STREQUAL "http")
    file(GLOB parse CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/http/parse/*.c)
    list(APPEND sources ${parse})
  endif()
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    list(FILTER sources EXCLUDE REGEX "/arch/[^/]*(aarch64|arm64)[^/]*$")
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
    list(FILTER sources EXCLUDE REGEX "/arch/[^/]*x86_64[^/]*$")
  else()
    message(FATAL_ERROR "weir runs on x86_64 and aarch64; this is ${CMAKE_SYSTEM_PROCESSOR}. "
      "A port starts with src/arch/.")
  endif()
  if(room STREQUAL "app") # the page that is part of the library
    set_source_files_properties(${PROJECT_SOURCE_DIR}/src/app/docs_page.S PROPERTIES
      OBJECT_DEPENDS ${PROJECT_SOURCE_DIR}/src/app/docs.html)
  endif()
  if(NOT WEIR_URING)
    list(FILTER sources EXCLUDE REGEX "/backend/uring[^/]*\\.c$")
  endif()
  set(${out_sources} ${sources} PARENT_SCOPE)
endfunction()

# weir_library(<target> <component> ROOMS ... LINK ... [REQUIRES ...])
# LINK: what users link as well. Does nothing while none of the rooms has a source.
function(weir_library target component)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "ROOMS;LINK")
  set(rooms)
  foreach(room IN LISTS arg_ROOMS)
    weir_room_sources(${room} sources)
    if(NOT sources)
      continue()
    endif()
    add_library(weir_room_${room} STATIC ${sources})
    target_include_directories(weir_room_${room}
      PUBLIC ${PROJECT_SOURCE_DIR}/include
      PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(weir_room_${room} PRIVATE weir_flags PUBLIC ${arg_LINK})
    list(APPEND rooms weir_room_${room})
  endforeach()
  if(NOT rooms)
    return()
  endif()

  set(objects)
  foreach(room IN LISTS rooms)
    list(APPEND objects $<TARGET_OBJECTS:${room}>)
  endforeach()
  add_library(${target} STATIC ${objects})
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C EXPORT_NAME ${component})
  add_library(weir::${component} ALIAS ${target})
  target_include_directories(${target} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(${target} INTERFACE ${arg_LINK})
  set_property(GLOBAL APPEND PROPERTY weir_libraries ${target})
endfunction()

set(uring)
if(WEIR_URING)
  set(uring PkgConfig::LIBURING)
endif()
weir_library(weir core ROOMS ${weir_rooms_core} LINK ${uring} Threads::Threads)
if(TARGET weir)
  weir_library(weir_test test ROOMS ${weir_rooms_test} LINK weir)
  weir_library(weir_http http ROOMS ${weir_rooms_http} LINK weir)
  if(SQLITE3_FOUND)
    set(model)
    if(TARGET weir_http)
      set(model weir_http)
    endif()
    weir_library(weir_sqlite sqlite ROOMS ${weir_rooms_sqlite}
      LINK ${model} weir PkgConfig::SQLITE3)
  endif()
  if(TARGET weir_http)
    weir_library(weir_app app ROOMS ${weir_rooms_app} LINK weir_http weir)
  endif()
endif()
