//! Classic BPF on a netlink socket.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{USERSOCK, drain, isolated, open};
use nearwire_netlink::{Errno, Instruction, OpenOptions, Socket};

const fn instruction(code: u32, jump_true: u8, jump_false: u8, operand: u32) -> Instruction {
    Instruction { code: code as u16, jump_true, jump_false, operand }
}

/// Keeps datagrams whose third byte is `byte`.
const fn third_byte(byte: u8) -> [Instruction; 4] {
    [
        instruction(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, 2),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, byte as u32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ]
}

#[test]
fn filter_keeps_some_is_replaced_and_taken_off() {
    isolated("filter_keeps_some_is_replaced_and_taken_off", || async {
        let [from, to] = [open(USERSOCK), open(USERSOCK)];
        let send = || {
            for data in [b"..a", b"..b", b"..c"] {
                // What the filter drops counts as sent.
                let _ = from.try_send(data, to.port_id().unwrap(), 0).unwrap();
            }
            drain(&to).into_iter().map(|data| data.unwrap()[2]).collect::<Vec<_>>()
        };
        to.attach_filter(&third_byte(b'a')).unwrap();
        assert_eq!(send(), b"a");
        to.attach_filter(&third_byte(b'c')).unwrap();
        assert_eq!(send(), b"c");
        to.detach_filter().unwrap();
        assert_eq!(send(), b"abc");
        assert_eq!(to.memory().unwrap().drops, 0, "a filter's drops are no overrun");
    });
}

#[test]
fn what_is_no_program() {
    isolated("what_is_no_program", || async {
        let socket = open(USERSOCK);
        for program in [&[][..], &third_byte(b'a')[..2], &[instruction(0xffff, 0, 0, 0)], &[third_byte(b'a')[3]; 4097]]
        {
            let error = socket.attach_filter(program).unwrap_err();
            assert_eq!((error.errno, error.detail.as_str()), (Errno::INVAL, "not a valid classic BPF program"));
        }
        assert_eq!(socket.attach_filter(&[third_byte(b'a')[3]; 65_537]).unwrap_err().errno, Errno::INVAL);
        assert_eq!(socket.detach_filter().unwrap_err().errno, Errno::NOENT);
    });
}

/// Somebody floods the port id while the socket comes into being. What the filter drops must never be there; what it
/// keeps proves that the flood arrives.
#[test]
fn filter_given_at_opening_sees_the_first_datagram() {
    isolated("filter_given_at_opening_sees_the_first_datagram", || async {
        const PORT: u32 = 4242;
        const GROUP: u32 = 3;
        let from = open(USERSOCK);
        let enough = Arc::new(AtomicBool::new(false));
        let flood = std::thread::spawn({
            let enough = Arc::clone(&enough);
            move || {
                while !enough.load(Ordering::Relaxed) {
                    for _ in 0..8 {
                        // Absent or full for most of the time.
                        let _ = from.try_send(b"..dropped", PORT, GROUP);
                    }
                    let _ = from.try_send(b"..kept", PORT, GROUP);
                }
            }
        });
        let options = OpenOptions {
            protocol: USERSOCK,
            port_id: Some(PORT),
            groups: vec![GROUP],
            filter: third_byte(b'k').to_vec(),
            ..OpenOptions::default()
        };
        let mut buffer = [0; 64];
        for _ in 0..1000 {
            let socket = Socket::open(&options).unwrap();
            let first = loop {
                match socket.receive(&mut buffer).await {
                    Ok(received) => break received,
                    // The flood has filled the buffer already; what came first is still queued.
                    Err(error) => assert_eq!(error.errno, Errno::NOBUFS),
                }
            };
            // What slipped in before the filter would be at the head of the queue.
            assert_eq!(&buffer[..first.length], b"..kept");
        }
        enough.store(true, Ordering::Relaxed);
        flood.join().unwrap();
    });
}

#[test]
fn what_is_no_program_at_opening() {
    isolated("what_is_no_program_at_opening", || async {
        let options = OpenOptions { filter: third_byte(b'a')[..2].to_vec(), ..OpenOptions::default() };
        let error = Socket::open(&options).unwrap_err();
        assert_eq!((error.errno, error.detail.as_str()), (Errno::INVAL, "not a valid classic BPF program"));
    });
}
