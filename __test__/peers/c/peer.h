/* A program for the tests that knows nothing of nearwire: it speaks plain
 * socket calls, as their manual pages describe them. See ../README.md. */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct bytes {
  unsigned char *data;
  size_t length;
};

/* ---- text.c: what comes in on the command line, what goes out as JSON ---- */

/* "a%00b" to the three bytes that it means. */
struct bytes unescape(const char *text);
/* The bytes that every program of the tests agrees on, by position. */
void fill_pattern(unsigned char *data, size_t length, size_t position);
bool is_pattern(const unsigned char *data, size_t length, size_t position);
/* FNV-1a, 32 bits, started with CHECKSUM_START. */
#define CHECKSUM_START 2166136261u
uint32_t checksum(uint32_t state, const unsigned char *data, size_t length);
const char *error_name(int error);

/* One line of JSON, built piece by piece and written whole. */
void json_begin(const char *action);
void json_number(const char *key, long long value);
void json_boolean(const char *key, bool value);
void json_null(const char *key);
void json_bytes(const char *key, const unsigned char *data, size_t length);
void json_array(const char *key);
void json_item(const unsigned char *data, size_t length);
void json_array_end(void);
void json_object(const char *key);
void json_object_end(void);
void json_end(void);

/* Says which call failed and ends the program. */
_Noreturn void fail(const char *call);

/* ---- address.c ---- */
struct address {
  struct sockaddr_un name;
  socklen_t length;
};
struct address parse_address(const char *text);
void json_address(const char *key, const struct address *address);

/* ---- ancillary.c ---- */
struct sending {
  struct bytes data;
  size_t descriptors;          /* memory files called "descriptor 0", ... */
  const struct ucred *credentials;
  const struct address *to;
};
void send_message(int socket, const struct sending *sending);

struct received {
  unsigned char *data;
  size_t length;               /* what was stored */
  size_t full_length;          /* what was sent */
  struct address from;
  bool end;                    /* no message at all: the peer has ended */
};
/* Receives one message, prints it if a name of an action is given, and closes
 * whatever descriptors came with it once their contents are printed. */
struct received receive_message(int socket, int type, const char *action);

/* ---- actions.c ---- */
struct peer {
  int type;
  int socket;
  struct address last_sender;
  bool has_sender;
  bool connected;
};
void run_actions(struct peer *peer, int count, char **actions);

#endif
