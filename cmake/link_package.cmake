# Links every Python file of the package FROM into TO, and takes away links that lead nowhere.
# Folders are made and their files linked, so that no byte code lands in the source tree.
file(GLOB_RECURSE links LIST_DIRECTORIES false "${TO}/*.py" "${TO}/*.pyi" "${TO}/py.typed")
foreach(link IN LISTS links)
  if(IS_SYMLINK "${link}" AND NOT EXISTS "${link}")
    file(REMOVE "${link}")
  endif()
endforeach()

file(GLOB_RECURSE entries LIST_DIRECTORIES false RELATIVE "${FROM}"
  "${FROM}/*.py" "${FROM}/*.pyi" "${FROM}/py.typed")
foreach(entry IN LISTS entries)
  get_filename_component(directory "${TO}/${entry}" DIRECTORY)
  if(IS_SYMLINK "${directory}")
    file(REMOVE "${directory}")
  endif()
  file(MAKE_DIRECTORY "${directory}")
  if(NOT EXISTS "${TO}/${entry}")
    file(CREATE_LINK "${FROM}/${entry}" "${TO}/${entry}" SYMBOLIC)
  endif()
endforeach()
