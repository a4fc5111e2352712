# Links every entry of FROM into TO.
file(MAKE_DIRECTORY "${TO}")
file(GLOB entries RELATIVE "${FROM}" "${FROM}/*")
foreach(entry IN LISTS entries)
  if(NOT entry STREQUAL "__pycache__")
    file(CREATE_LINK "${FROM}/${entry}" "${TO}/${entry}" SYMBOLIC)
  endif()
endforeach()
