//! Socket options of any descriptor, by the names that the man pages give them.

use napi::Either;
use napi_derive::napi;
use nearwire_unix::{Options, Result};

use crate::adopt::borrowed;
use crate::failure::Failure;

/// What of the AF_UNIX options the running kernel has.
#[napi(object)]
pub struct UnixFeatures {
    pub pass_pidfd: bool,
    pub peer_pidfd: bool,
    pub pass_rights: bool,
    pub peer_groups: bool,
    pub peer_security: bool,
    pub peek_offset: bool,
}

/// Asks the running kernel.
#[napi]
pub fn unix_features() -> Either<UnixFeatures, Failure> {
    match nearwire_unix::features() {
        Ok(found) => Either::A(UnixFeatures {
            pass_pidfd: found.pass_pidfd,
            peer_pidfd: found.peer_pidfd,
            pass_rights: found.pass_rights,
            peer_groups: found.peer_groups,
            peer_security: found.peer_security,
            peek_offset: found.peek_offset,
        }),
        Err(error) => Either::B(error.into()),
    }
}

/// The value of an option, or of an `ioctl(2)` that tells a queue's length.
#[napi]
pub fn get_socket_option(fd: i32, name: String) -> Either<i32, Failure> {
    match borrowed(fd, "getsockopt").and_then(|fd| get(Options::of(fd), &name)) {
        Ok(value) => Either::A(value),
        Err(error) => Either::B(error.into()),
    }
}

/// Sets an option; one that is on or off takes 1 or 0.
#[napi]
pub fn set_socket_option(fd: i32, name: String, value: i32) -> Option<Failure> {
    borrowed(fd, "setsockopt").and_then(|fd| set(Options::of(fd), &name, value)).err().map(Failure::from)
}

fn get(options: Options<'_>, name: &str) -> Result<i32> {
    let length = |bytes: usize| i32::try_from(bytes).unwrap_or(i32::MAX);
    match name {
        "SO_SNDBUF" => options.send_buffer(),
        "SO_RCVBUF" => options.receive_buffer(),
        "SO_PASSCRED" => options.pass_credentials().map(i32::from),
        "SO_PASSPIDFD" => options.pass_pidfd().map(i32::from),
        "SO_PASSSEC" => options.pass_security().map(i32::from),
        "SO_PASSRIGHTS" => options.pass_rights().map(i32::from),
        "SO_PEEK_OFF" => options.peek_offset(),
        "SO_DOMAIN" => options.domain(),
        "SO_TYPE" => options.socket_type(),
        "SO_PROTOCOL" => options.protocol(),
        "SO_ACCEPTCONN" => options.is_listening().map(i32::from),
        "SIOCINQ" => options.queued_in().map(length),
        "SIOCOUTQ" => options.queued_out().map(length),
        _ => Err(unknown("getsockopt", name)),
    }
}

fn set(options: Options<'_>, name: &str, value: i32) -> Result<()> {
    match name {
        "SO_SNDBUF" => options.set_send_buffer(value),
        "SO_RCVBUF" => options.set_receive_buffer(value),
        "SO_PASSCRED" => options.set_pass_credentials(value != 0),
        "SO_PASSPIDFD" => options.set_pass_pidfd(value != 0),
        "SO_PASSSEC" => options.set_pass_security(value != 0),
        "SO_PASSRIGHTS" => options.set_pass_rights(value != 0),
        "SO_PEEK_OFF" => options.set_peek_offset(value),
        _ => Err(unknown("setsockopt", name)),
    }
}

fn unknown(syscall: &'static str, name: &str) -> nearwire_unix::Error {
    error(rustix::io::Errno::NOPROTOOPT, syscall, Some(format!("there is no option {name} here")))
}

fn error(errno: rustix::io::Errno, syscall: &'static str, detail: Option<String>) -> nearwire_unix::Error {
    nearwire_unix::Error { errno, syscall, detail }
}
