//! A datagram receiver that is full: the sender waits without a spin, is woken, and learns of the receiver's death.

mod common;

use std::time::Duration;

use common::abstract_address;
use nearwire_unix::{Address, BindOptions, Kind, Socket};
use rustix::io::Errno;

fn receiver(address: &Address) -> Socket {
    Socket::bind_datagram(address, &BindOptions::default()).expect("binding")
}

fn fill(sender: &Socket, address: &Address) -> usize {
    let mut sent = 0;
    loop {
        match sender.try_send_message(b"fill", Some(address), &[], None) {
            Ok(_) => sent += 1,
            Err(error) => {
                assert_eq!(error.errno, Errno::AGAIN);
                return sent;
            }
        }
    }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[tokio::test]
async fn an_unconnected_sender_waits_idle_and_is_woken_by_room() {
    let address = abstract_address();
    let receiver = receiver(&address);
    // The queue is filled by another sender, so that no event of the waiting one's own socket could wake it.
    let other = Socket::unbound(Kind::Datagram).expect("a socket");
    let filled = fill(&other, &address);
    let sender = Socket::unbound(Kind::Datagram).expect("a socket");

    let mut waiting = Box::pin(sender.send_to(b"waited", &address));
    let before = processor_time();
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut waiting).await.is_err(), "it is full");
    let used = processor_time() - before;
    assert!(used < Duration::from_millis(50), "used {used:?} of processor");

    let mut buffer = [0; 16];
    assert_eq!(receiver.read(&mut buffer).await, Ok(4));
    assert_eq!(waiting.await, Ok(6));
    for _ in 1..filled {
        assert_eq!(receiver.read(&mut buffer).await, Ok(4));
    }
    assert_eq!(receiver.read(&mut buffer).await, Ok(6), "in order, none lost");
}

#[tokio::test]
async fn the_receivers_death_wakes_the_waiter() {
    let address = abstract_address();
    let receiver = receiver(&address);
    let sender = Socket::unbound(Kind::Datagram).expect("a socket");
    fill(&sender, &address);
    let mut waiting = Box::pin(sender.send_to(b"waited", &address));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.is_err());
    drop(receiver);
    assert_eq!(waiting.await.expect_err("nobody is there").errno, Errno::CONNREFUSED);
}

#[tokio::test]
async fn one_full_receiver_does_not_stop_another() {
    let (slow, quick) = (abstract_address(), abstract_address());
    let (_slow_receiver, quick_receiver) = (receiver(&slow), receiver(&quick));
    let sender = Socket::unbound(Kind::Datagram).expect("a socket");
    fill(&sender, &slow);
    let mut stuck = Box::pin(sender.send_to(b"stuck", &slow));
    let both = async {
        for _ in 0..100 {
            let (sent, read) = (sender.send_to(b"flows", &quick).await, quick_receiver.read(&mut [0; 8]).await);
            assert_eq!((sent, read), (Ok(5), Ok(5)));
        }
    };
    tokio::select! {
        biased;
        _ = &mut stuck => panic!("nobody reads there"),
        () = both => {}
    }
}

#[tokio::test]
async fn a_sender_whose_own_buffer_is_full_waits_for_that() {
    let address = abstract_address();
    let receiver = receiver(&address);
    let sender = Socket::unbound(Kind::Datagram).expect("a socket");
    sender.options().set_send_buffer(4096).expect("the option");
    // A few large messages use up the buffer long before the queue of the receiver is full.
    let large = [0; 3000];
    while sender.try_send_message(&large, Some(&address), &[], None).is_ok() {}
    let mut waiting = Box::pin(sender.send_to(&large, &address));
    let before = processor_time();
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut waiting).await.is_err());
    assert!(processor_time() - before < Duration::from_millis(50), "it must not spin");
    let mut buffer = [0; 4096];
    while receiver.try_read(&mut buffer).is_ok() {}
    assert_eq!(waiting.await, Ok(3000));
}

#[tokio::test]
async fn a_connected_sender_waits_and_is_woken_too() {
    let address = abstract_address();
    let receiver = receiver(&address);
    let sender = Socket::unbound(Kind::Datagram).expect("a socket");
    sender.connect(&address).expect("connecting");
    while sender.try_write(b"fill").is_ok() {}
    let mut waiting = Box::pin(sender.write(b"waited"));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.is_err());
    assert_eq!(receiver.read(&mut [0; 8]).await, Ok(4));
    assert_eq!(waiting.await, Ok(6));

    let mut waiting = Box::pin(async {
        loop {
            if let Err(errno) = sender.write(b"more").await {
                return errno;
            }
        }
    });
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.is_err());
    drop(receiver);
    assert_eq!(waiting.await, Errno::CONNREFUSED);
}
