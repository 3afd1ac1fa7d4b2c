//! AF_UNIX.
