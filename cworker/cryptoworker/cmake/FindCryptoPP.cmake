# SPDX-License-Identifier: Apache-2.0

# Finds Crypto++ as the target CryptoPP::CryptoPP: by a package of its own if there
# is one, else by pkg-config, which is what Debian has (libcrypto++; others and
# Crypto++ itself call it libcryptopp), else by its header and library.

include(FindPackageHandleStandardArgs)

find_package(cryptopp CONFIG QUIET)
if(TARGET cryptopp::cryptopp)
  set(cryptopp_target cryptopp::cryptopp)
  set(CryptoPP_VERSION "${cryptopp_VERSION}")
else()
  find_package(PkgConfig QUIET)
  foreach(name libcrypto++ libcryptopp)
    if(PkgConfig_FOUND AND NOT cryptopp_target)
      pkg_check_modules(PC_CRYPTOPP QUIET IMPORTED_TARGET ${name})
      if(TARGET PkgConfig::PC_CRYPTOPP)
        set(cryptopp_target PkgConfig::PC_CRYPTOPP)
        set(CryptoPP_VERSION "${PC_CRYPTOPP_VERSION}")
      endif()
    endif()
  endforeach()
endif()

if(cryptopp_target)
  find_package_handle_standard_args(CryptoPP REQUIRED_VARS cryptopp_target VERSION_VAR CryptoPP_VERSION)
  if(NOT TARGET CryptoPP::CryptoPP)
    add_library(CryptoPP::CryptoPP INTERFACE IMPORTED)
    set_target_properties(CryptoPP::CryptoPP PROPERTIES INTERFACE_LINK_LIBRARIES ${cryptopp_target})
  endif()
else()
  find_path(CryptoPP_INCLUDE_DIR cryptopp/cryptlib.h)
  find_library(CryptoPP_LIBRARY NAMES cryptopp crypto++)
  mark_as_advanced(CryptoPP_INCLUDE_DIR CryptoPP_LIBRARY)
  find_package_handle_standard_args(CryptoPP REQUIRED_VARS CryptoPP_LIBRARY CryptoPP_INCLUDE_DIR)
  if(CryptoPP_FOUND AND NOT TARGET CryptoPP::CryptoPP)
    add_library(CryptoPP::CryptoPP UNKNOWN IMPORTED)
    set_target_properties(CryptoPP::CryptoPP PROPERTIES
      IMPORTED_LOCATION "${CryptoPP_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${CryptoPP_INCLUDE_DIR}")
  endif()
endif()
