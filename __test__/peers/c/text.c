#include "peer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int hexadecimal(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

struct bytes unescape(const char *text) {
  struct bytes bytes = {malloc(strlen(text) + 1), 0};
  for (; *text; text++) {
    if (text[0] == '%' && hexadecimal(text[1]) >= 0 && hexadecimal(text[2]) >= 0) {
      bytes.data[bytes.length++] = (unsigned char)(hexadecimal(text[1]) << 4 | hexadecimal(text[2]));
      text += 2;
    } else {
      bytes.data[bytes.length++] = (unsigned char)*text;
    }
  }
  return bytes;
}

static unsigned char pattern_at(size_t position) {
  return (unsigned char)(position * 31 + (position >> 8) * 7 + (position >> 16));
}

void fill_pattern(unsigned char *data, size_t length, size_t position) {
  for (size_t i = 0; i < length; i++) data[i] = pattern_at(position + i);
}

bool is_pattern(const unsigned char *data, size_t length, size_t position) {
  for (size_t i = 0; i < length; i++)
    if (data[i] != pattern_at(position + i)) return false;
  return true;
}

uint32_t checksum(uint32_t state, const unsigned char *data, size_t length) {
  for (size_t i = 0; i < length; i++) state = (state ^ data[i]) * 16777619u;
  return state;
}

const char *error_name(int error) {
#ifdef __GLIBC__
  const char *name = strerrorname_np(error);
  return name ? name : "UNKNOWN";
#else
  return strerror(error);
#endif
}

/* Built in memory and written with one call, so that lines of forked children
 * never mix on the shared pipe. */
static char *line;
static size_t line_length, line_capacity;
static bool needs_comma;

static void append(const char *format, ...) {
  va_list arguments;
  for (;;) {
    va_start(arguments, format);
    int written = vsnprintf(line + line_length, line_capacity - line_length, format, arguments);
    va_end(arguments);
    if (line_length + (size_t)written < line_capacity) {
      line_length += (size_t)written;
      return;
    }
    line_capacity = line_capacity * 2 + (size_t)written + 1024;
    line = realloc(line, line_capacity);
  }
}

static void append_string(const unsigned char *data, size_t length) {
  append("\"");
  for (size_t i = 0; i < length; i++) {
    if (data[i] == '"' || data[i] == '\\') append("\\%c", data[i]);
    else if (data[i] < 0x20 || data[i] > 0x7e) append("\\u%04x", data[i]);
    else append("%c", data[i]);
  }
  append("\"");
}

static void append_key(const char *key) {
  append("%s\"%s\":", needs_comma ? "," : "", key);
  needs_comma = true;
}

void json_begin(const char *action) {
  line_length = 0;
  needs_comma = false;
  append("{");
  json_bytes("action", (const unsigned char *)action, strlen(action));
}

void json_number(const char *key, long long value) { append_key(key); append("%lld", value); }
void json_boolean(const char *key, bool value) { append_key(key); append(value ? "true" : "false"); }
void json_null(const char *key) { append_key(key); append("null"); }
void json_bytes(const char *key, const unsigned char *data, size_t length) {
  append_key(key);
  append_string(data, length);
}
void json_array(const char *key) { append_key(key); append("["); needs_comma = false; }
void json_item(const unsigned char *data, size_t length) {
  if (needs_comma) append(",");
  append_string(data, length);
  needs_comma = true;
}
void json_array_end(void) { append("]"); needs_comma = true; }
void json_object(const char *key) { append_key(key); append("{"); needs_comma = false; }
void json_object_end(void) { append("}"); needs_comma = true; }

void json_end(void) {
  append("}\n");
  for (size_t done = 0; done < line_length;) {
    ssize_t written = write(STDOUT_FILENO, line + done, line_length - done);
    if (written < 0) _exit(1);
    done += (size_t)written;
  }
}

_Noreturn void fail(const char *call) {
  const char *name = error_name(errno);
  json_begin(call);
  json_bytes("error", (const unsigned char *)name, strlen(name));
  json_end();
  exit(1);
}
