# Installation: the libraries, the headers, a CMake package with components, pkg-config files.
get_property(weir_libraries GLOBAL PROPERTY weir_libraries)
if(NOT weir_libraries)
  return()
endif()
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

foreach(target IN LISTS weir_libraries)
  get_target_property(component ${target} EXPORT_NAME)
  install(TARGETS ${target} EXPORT weir-${component}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT weir-${component} NAMESPACE weir:: DESTINATION ${package_dir}
    FILE weir-${component}.cmake)
endforeach()

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/weirConfig.cmake.in
  ${PROJECT_BINARY_DIR}/weirConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weirConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weirConfig.cmake ${PROJECT_BINARY_DIR}/weirConfigVersion.cmake
  DESTINATION ${package_dir})

# weir_pkg_config(<target> <description> <required packages> <extra libs>)
function(weir_pkg_config target description requires libs)
  if(NOT TARGET ${target})
    return()
  endif()
  string(REPLACE "_" "-" PC_NAME ${target})
  set(PC_DESCRIPTION "${description}")
  set(PC_REQUIRES "${requires}")
  set(PC_LIBS "-L\${libdir} -l${target}${libs}")
  if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
    set(PC_PREFIX ${CMAKE_INSTALL_PREFIX})
    set(PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
    set(PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
  else()
    # Relative to the file itself, so that the folder can be installed anywhere and moved.
    file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    string(REGEX REPLACE "/$" "" up "${up}")
    set(PC_PREFIX "\${pcfiledir}/${up}")
    set(PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/weir.pc.in ${PROJECT_BINARY_DIR}/${PC_NAME}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${PC_NAME}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

# The libraries are static: what they need is a plain requirement, so that nobody has to remember
# `pkg-config --static`. -z now: lazy binding would run the dynamic linker on a task's small stack.
set(uring_requires "")
if(WEIR_URING)
  set(uring_requires "liburing >= 2.3")
endif()
weir_pkg_config(weir "Tasks, deadlines, files and network for C" "${uring_requires}"
  " -pthread -Wl,-z,now")
weir_pkg_config(weir_http "HTTP server and client on weir" "weir = ${PROJECT_VERSION}" "")
weir_pkg_config(weir_tls "TLS on OpenSSL, for weir" "weir = ${PROJECT_VERSION} openssl >= 3.0" "")
weir_pkg_config(weir_sqlite "SQLite on a lane of its own, for weir"
  "weir-http = ${PROJECT_VERSION} sqlite3" "")
weir_pkg_config(weir_app "Service frame on weir" "weir-http = ${PROJECT_VERSION}" "")
weir_pkg_config(weir_test "Tests of programs on weir: virtual time, cancellation and faults everywhere"
  "weir = ${PROJECT_VERSION}" "")
