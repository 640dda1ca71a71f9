# How weir's own code is compiled: `weir_flags` is linked privately by everything in this tree and
# never reaches the users of the installed libraries.

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_C_COMPILER_LAUNCHER)
  find_program(WEIR_CCACHE ccache)
  if(WEIR_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${WEIR_CCACHE})
  endif()
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

# We set the optimisation level ourselves, so that each kind of build is the same with every
# compiler: debug is for the debugger, everything else is optimised and keeps its assertions.
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g -DNDEBUG")
set(CMAKE_ASM_FLAGS_DEBUG "-g")
set(CMAKE_ASM_FLAGS_RELWITHDEBINFO "-g")
set(CMAKE_ASM_FLAGS_RELEASE "-g")

# A frame for every function costs little and makes profiles and stack walks cheap and right.
set(weir_c_flags -fno-omit-frame-pointer -fno-semantic-interposition)
set(weir_link_flags -Wl,-z,relro,-z,now,-z,noexecstack)

set(weir_warnings
  -Wall -Wextra -Wformat=2 -Wconversion -Wno-sign-conversion -Wvla -Wshadow -Wstrict-prototypes
  -Wmissing-prototypes -Wundef -Werror=format-security -Werror=implicit)

set(weir_sanitized OFF)
if(WEIR_SANITIZE)
  set(weir_sanitized ON)
  list(APPEND weir_c_flags -fsanitize=${WEIR_SANITIZE} -fno-sanitize-recover=all)
  list(APPEND weir_link_flags -fsanitize=${WEIR_SANITIZE})
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # gcc cannot follow what the sanitizers put in between; the release build has this warning.
    list(APPEND weir_warnings -Wno-maybe-uninitialized)
  endif()
endif()

if(NOT weir_sanitized)
  # Not under sanitizers: fortified calls hide reads from ASan, a variable that is always zero hides
  # what a checker would find, and -fno-strict-overflow turns UBSan's overflow check off.
  list(APPEND weir_c_flags
    -fstack-protector-strong -fstack-clash-protection -fno-delete-null-pointer-checks
    -fno-strict-overflow)
  if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 16)
    list(APPEND weir_c_flags
      -ftrivial-auto-var-init=zero
      -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
  else()
    list(APPEND weir_c_flags -ftrivial-auto-var-init=zero)
  endif()
  if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    list(APPEND weir_c_flags -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
  endif()
endif()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  # Branch only: `return` needs a switch that moves the shadow stack as well.
  list(APPEND weir_c_flags -fcf-protection=branch)
endif()
if(WEIR_WERROR)
  list(APPEND weir_warnings -Werror)
endif()

add_library(weir_flags INTERFACE)
target_compile_definitions(weir_flags INTERFACE _GNU_SOURCE)
if(NOT WEIR_URING)
  target_compile_definitions(weir_flags INTERFACE WEIR_NO_URING=1)
endif()
target_compile_options(weir_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:${weir_c_flags}>
  $<$<COMPILE_LANGUAGE:C>:${weir_warnings}>)
target_link_options(weir_flags INTERFACE ${weir_link_flags})
