// SPDX-License-Identifier: GPL-2.0

//! Implements a fake kernel at the other end of a netlink socket.

#![allow(dead_code)] // Each test is a crate; not all of them need all of it.

pub mod queues;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use netlink_packet_core::{DefaultNla, Emitable, NLM_F_MULTIPART};
use tackle_cli::netlink::{Netlink, Transport};

pub const RTM_NEWLINK: u16 = 16;
pub const RTM_GETLINK: u16 = 18;
pub const RTM_NEWQDISC: u16 = 36;
pub const RTM_GETQDISC: u16 = 38;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// A message of an answer: its type, its flags and its payload.
pub type Message = (u16, u16, Vec<u8>);

/// The answers to the next requests, and the requests that were sent.
#[derive(Clone, Default)]
pub struct Wire(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<Vec<Datagram>>,
    ready: VecDeque<Vec<u8>>,
    requests: Vec<Vec<u8>>,
}

/// A datagram: messages, which get the sequence number of the request, or bytes.
#[derive(Clone)]
pub enum Datagram {
    Messages(Vec<Message>),
    Bytes(Vec<u8>),
}

impl Wire {
    /// Adds an answer to the next request. Each message has a datagram of its own.
    pub fn answer(self, messages: impl IntoIterator<Item = Message>) -> Self {
        let one = |message| Datagram::Messages(vec![message]);
        self.datagrams(messages.into_iter().map(one))
    }

    pub fn datagrams(self, datagrams: impl IntoIterator<Item = Datagram>) -> Self {
        let datagrams = datagrams.into_iter().collect();
        self.0.borrow_mut().answers.push_back(datagrams);
        self
    }

    pub fn netlink(&self) -> Netlink {
        Netlink::with(self.clone())
    }

    /// Returns type, flags and payload of each request.
    pub fn requests(&self) -> Vec<Message> {
        let half = |bytes: &[u8], at| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let request = |bytes: &Vec<u8>| (half(bytes, 4), half(bytes, 6), bytes[16..].to_vec());
        self.0.borrow().requests.iter().map(request).collect()
    }
}

impl Transport for Wire {
    fn send(&self, request: &[u8]) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let sequence = &request[8..12];
        let answer = state.answers.pop_front().expect("one request less");
        state
            .ready
            .extend(answer.iter().map(|datagram| match datagram {
                Datagram::Bytes(bytes) => bytes.clone(),
                Datagram::Messages(messages) => {
                    let bytes = messages.iter().map(|message| emit(message, sequence));
                    bytes.collect::<Vec<_>>().concat()
                }
            }));
        state.requests.push(request.to_vec());
        Ok(())
    }

    fn receive(&self) -> io::Result<Vec<u8>> {
        let next = self.0.borrow_mut().ready.pop_front();
        next.ok_or_else(|| io::Error::other("nothing more to receive"))
    }
}

/// Returns a message in the kernel's format.
pub fn emit((kind, flags, payload): &Message, sequence: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence);
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Returns the message that ends a dump.
pub fn done() -> Message {
    (NLMSG_DONE, NLM_F_MULTIPART, vec![0; 4])
}

/// Returns the message of an error.
pub fn refusal(errno: i32) -> Message {
    let header = [0; 16];
    let payload = [&(-errno).to_ne_bytes()[..], &header].concat();
    (NLMSG_ERROR, 0, payload)
}

/// Returns an attribute with its padding.
pub fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let attribute = DefaultNla::new(kind, payload.to_vec());
    let mut bytes = vec![0; attribute.buffer_len()];
    attribute.emit(&mut bytes);
    bytes
}

/// Returns the bytes of 32-bit members.
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Returns the message of a device, with `IFF_UP` or without it.
pub fn link(index: u32, name: &str, up: bool) -> Message {
    let header = words(&[0, index, up.into(), 0]);
    let name = attribute(3, format!("{name}\0").as_bytes());
    (RTM_NEWLINK, NLM_F_MULTIPART, [header, name].concat())
}

/// Returns the same message as an answer to the request for one device.
pub fn one(link: Message) -> Vec<Message> {
    vec![(link.0, 0, link.2)]
}
