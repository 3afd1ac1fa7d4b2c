//! Options that say what arrives with messages, and how much may be on its way.

use napi_derive::napi;
use nearwire_unix::{Inherited, Options};

use crate::failure::Failure;
use crate::unix_socket::UnixSocket;

/// What arrives with messages; what is absent stays as it is.
#[napi(object)]
#[derive(Clone, Copy, Default)]
pub struct UnixReceiveOptions {
    /// `SO_PASSCRED`.
    pub pass_credentials: Option<bool>,
    /// `SO_PASSPIDFD`.
    pub pass_pidfd: Option<bool>,
    /// `SO_PASSSEC`.
    pub pass_security: Option<bool>,
    /// `SO_PASSRIGHTS`.
    pub pass_rights: Option<bool>,
    /// `SO_TIMESTAMPNS`.
    pub timestamps: Option<bool>,
    /// `SO_RCVBUF`, in bytes.
    pub receive_buffer: Option<i32>,
    /// `SO_SNDBUF`, in bytes.
    pub send_buffer: Option<i32>,
}

impl UnixReceiveOptions {
    /// Those that must be set before anybody can send, and that accepted sockets take over.
    pub(crate) fn inherited(&self) -> Inherited {
        Inherited {
            pass_credentials: self.pass_credentials.unwrap_or(false),
            pass_pidfd: self.pass_pidfd.unwrap_or(false),
            pass_security: self.pass_security.unwrap_or(false),
            pass_rights: self.pass_rights.unwrap_or(true),
        }
    }

    /// Sets the others.
    pub(crate) fn apply_rest(&self, options: Options<'_>) -> nearwire_unix::Result<()> {
        self.timestamps.map_or(Ok(()), |on| options.set_timestamps(on))?;
        self.receive_buffer.map_or(Ok(()), |bytes| options.set_receive_buffer(bytes))?;
        self.send_buffer.map_or(Ok(()), |bytes| options.set_send_buffer(bytes))
    }

    /// Sets all of them.
    pub(crate) fn apply(&self, options: Options<'_>) -> nearwire_unix::Result<()> {
        self.pass_credentials.map_or(Ok(()), |on| options.set_pass_credentials(on))?;
        self.pass_pidfd.map_or(Ok(()), |on| options.set_pass_pidfd(on))?;
        self.pass_security.map_or(Ok(()), |on| options.set_pass_security(on))?;
        self.pass_rights.map_or(Ok(()), |on| options.set_pass_rights(on))?;
        self.apply_rest(options)
    }
}

#[napi]
impl UnixSocket {
    /// Sets options of an open socket.
    #[napi]
    pub fn configure(&self, options: UnixReceiveOptions) -> Option<Failure> {
        match self.inner.socket.borrow().as_ref() {
            Some(socket) => options.apply(socket.options()).err().map(Failure::from),
            None => Some(Failure::closed("setsockopt")),
        }
    }

    /// `SO_SNDBUF` in bytes, as the kernel counts; -1 when it cannot be told.
    #[napi]
    pub fn send_buffer(&self) -> i32 {
        self.inner.socket.borrow().as_ref().and_then(|socket| socket.options().send_buffer().ok()).unwrap_or(-1)
    }
}
