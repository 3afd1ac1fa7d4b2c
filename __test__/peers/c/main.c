#include "peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct {
  int backlog;
  int connections; /* 0: without end, each in a process of its own; -1: none is accepted */
  bool pass_credentials;
  bool unconnected;
  const char *bind;
} options = {.backlog = 128, .connections = 1};

static int type_of(const char *kind) {
  if (strcmp(kind, "stream") == 0) return SOCK_STREAM;
  if (strcmp(kind, "datagram") == 0) return SOCK_DGRAM;
  if (strcmp(kind, "seqpacket") == 0) return SOCK_SEQPACKET;
  fprintf(stderr, "no such kind: %s\n", kind);
  exit(2);
}

static void parse_options(int *count, char ***arguments) {
  while (*count > 0 && strncmp(**arguments, "--", 2) == 0) {
    const char *option = **arguments, *value = strchr(option, '=');
    if (value) value++;
    if (strcmp(option, "--pass-credentials") == 0) options.pass_credentials = true;
    else if (strcmp(option, "--unconnected") == 0) options.unconnected = true;
    else if (strncmp(option, "--backlog=", 10) == 0) options.backlog = atoi(value);
    else if (strncmp(option, "--connections=", 14) == 0) options.connections = atoi(value);
    else if (strncmp(option, "--bind=", 7) == 0) options.bind = value;
    else {
      fprintf(stderr, "no such option: %s\n", option);
      exit(2);
    }
    (*count)--;
    (*arguments)++;
  }
}

static int open_socket(int type) {
  int file = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  if (file < 0) fail("socket");
  int on = 1;
  if (options.pass_credentials && setsockopt(file, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) fail("setsockopt");
  return file;
}

/* recvmsg returns 0 for a seqpacket message of no bytes and for the end alike;
 * with time stamps on, only the message carries one. */
static void tell_messages_from_end(int file, int type) {
  int on = 1;
  if (type == SOCK_SEQPACKET && setsockopt(file, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on) != 0) fail("setsockopt");
}

static void bind_to(int file, const char *text) {
  struct address address = parse_address(text);
  if (strcmp(text, "auto") == 0) address.length = sizeof(sa_family_t);
  if (bind(file, (struct sockaddr *)&address.name, address.length) != 0) fail("bind");
}

static void ready(void) {
  if (write(STDOUT_FILENO, "ready\n", 6) != 6) exit(1);
}

static void die_with_parent(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

static void serve(int type, const char *path, int count, char **actions) {
  int file = open_socket(type);
  bind_to(file, path);
  if (type == SOCK_DGRAM) {
    struct peer peer = {.type = type, .socket = file};
    ready();
    run_actions(&peer, count, actions);
    return;
  }
  if (listen(file, options.backlog) != 0) fail("listen");
  ready();
  if (options.connections == 0) signal(SIGCHLD, SIG_IGN); /* ended children leave nothing to collect */
  if (options.connections < 0) pause(); /* listens and never accepts */
  for (int i = 0; options.connections == 0 || i < options.connections; i++) {
    struct peer peer = {.type = type, .connected = true, .socket = accept4(file, NULL, NULL, SOCK_CLOEXEC)};
    if (peer.socket < 0) fail("accept");
    tell_messages_from_end(peer.socket, type);
    if (options.connections == 0) {
      if (fork() != 0) {
        close(peer.socket);
        continue;
      }
      die_with_parent();
      close(file);
      run_actions(&peer, count, actions);
      exit(0);
    }
    run_actions(&peer, count, actions);
  }
}

static void connect_and_run(int type, const char *path, int count, char **actions) {
  struct peer peer = {.type = type, .connected = true, .socket = open_socket(type)};
  tell_messages_from_end(peer.socket, type);
  if (options.bind) bind_to(peer.socket, options.bind);
  struct address address = parse_address(path);
  if (options.unconnected) {
    /* The first message goes there, and the later ones to whoever answers. */
    peer.connected = false;
    peer.has_sender = true;
    peer.last_sender = address;
  } else if (connect(peer.socket, (struct sockaddr *)&address.name, address.length) != 0) fail("connect");
  ready();
  run_actions(&peer, count, actions);
}

int main(int count, char **arguments) {
  if (count < 4) {
    fprintf(stderr, "usage: peer stream|datagram|seqpacket server|client ADDRESS [--option...] [action...]\n");
    return 2;
  }
  /* A test that dies takes its peers with it, and a peer that writes to a
   * closed socket reports EPIPE instead of dying. */
  die_with_parent();
  signal(SIGPIPE, SIG_IGN);
  int type = type_of(arguments[1]);
  bool server = strcmp(arguments[2], "server") == 0;
  const char *path = arguments[3];
  count -= 4;
  arguments += 4;
  parse_options(&count, &arguments);
  if (server) serve(type, path, count, arguments);
  else connect_and_run(type, path, count, arguments);
  return 0;
}
