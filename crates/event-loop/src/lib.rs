//! tokio on Node's own loop.

mod readiness;
#[expect(unsafe_code, reason = "AsyncFd's sound constructor asks its caller to vouch for the descriptor")]
mod register;

pub use readiness::Readiness;
