#include "peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "@name" is abstract, anything else a path; "%00" stands for a NUL. */
struct address parse_address(const char *text) {
  bool abstract = text[0] == '@';
  struct bytes bytes = unescape(abstract ? text + 1 : text);
  struct address address = {.name.sun_family = AF_UNIX};
  if (bytes.length + 1 > sizeof address.name.sun_path) {
    fprintf(stderr, "the address is longer than %zu bytes\n", sizeof address.name.sun_path - 1);
    exit(2);
  }
  memcpy(address.name.sun_path + abstract, bytes.data, bytes.length);
  /* A path is followed by its NUL; an abstract name is exactly as long as it is. */
  address.length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes.length + 1);
  free(bytes.data);
  return address;
}

void json_address(const char *key, const struct address *address) {
  size_t header = offsetof(struct sockaddr_un, sun_path);
  if (address->length <= header) {
    json_null(key);
    return;
  }
  size_t length = address->length - header;
  if (address->name.sun_path[0] != '\0') {
    json_bytes(key, (const unsigned char *)address->name.sun_path, strnlen(address->name.sun_path, length));
    return;
  }
  unsigned char shown[sizeof address->name.sun_path];
  memcpy(shown, address->name.sun_path, length);
  shown[0] = '@';
  json_bytes(key, shown, length);
}
