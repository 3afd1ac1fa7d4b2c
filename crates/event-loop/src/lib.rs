//! tokio's I/O driver and local tasks on Node's own loop: no second thread, no hop between threads.
//!
//! A [`Driver`] is a tokio current-thread runtime that never blocks. Its epoll descriptor becomes readable when any
//! socket registered with it does, or when something is woken from another thread; whoever polls that descriptor
//! calls [`Driver::turn`]. It knows nothing of Node and can be driven by any loop.
//!
//! An [`EventLoop`] is a driver attached to one Node environment (the main thread or a worker): libuv polls the
//! descriptor, the turn runs on the JavaScript thread, and what became ready is handed to one JavaScript function
//! as a batch of tokens, after the turn and never inside it.
//!
//! Three rules for what runs here: no `tokio::spawn` (nothing would poll it; use [`Driver::spawn`]), no
//! `tokio::time` (the driver is only turned when a descriptor is ready, so timers belong to the host loop), and no
//! blocking.

mod driver;
#[expect(unsafe_code, reason = "epoll_ctl on descriptors that may not be ours, which rustix cannot express")]
mod epoll_fd;
mod node;
mod readiness;
#[expect(unsafe_code, reason = "AsyncFd's sound constructor asks its caller to vouch for the descriptor")]
mod register;
mod wake;

pub use driver::Driver;
pub use node::{EventLoop, Member};
pub use readiness::Readiness;
