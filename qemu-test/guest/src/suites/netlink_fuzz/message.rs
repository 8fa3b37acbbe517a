// SPDX-License-Identifier: GPL-2.0

//! Represents netlink messages about queueing disciplines, which may be malformed.
//!
//! A message is a tree of attributes. Wrong lengths are stored beside it. The names of kinds are
//! filled in when the message is written: either our kind or the kernel's. So the messages to both
//! sides differ only in these names. (Both names take the same space, because attributes are padded
//! to 4 bytes.)

use netlink_packet_core::NLA_TYPE_MASK;

use super::valid::TCA_OPTIONS;

const NLM_F_REQUEST: u16 = 1;
const NLMSG_HDRLEN: u8 = 16;
/// `struct nlmsghdr` and `struct tcmsg`.
const HEADERS: usize = 36;

/// The side whose kinds a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The kernel's `codel` and `fq_codel`.
    Theirs,
    /// Our `rcodel` and `rfq_codel`.
    Ours,
}

impl Side {
    /// Returns a text in which the names of both sides are the same.
    pub fn neutral(self, text: &str) -> String {
        match self {
            Self::Theirs => text.to_owned(),
            Self::Ours => text
                .replace("rfq_codel", "fq_codel")
                .replace("rcodel", "codel"),
        }
    }
}

/// The name of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `codel` or `rcodel`.
    Codel,
    /// `fq_codel` or `rfq_codel`.
    FqCodel,
    /// A kind with the same name on both sides.
    Other(&'static str),
}

impl Kind {
    fn name(self, side: Side) -> &'static str {
        match (self, side) {
            (Self::Codel, Side::Theirs) => "codel",
            (Self::Codel, Side::Ours) => "rcodel",
            (Self::FqCodel, Side::Theirs) => "fq_codel",
            (Self::FqCodel, Side::Ours) => "rfq_codel",
            (Self::Other(name), _) => name,
        }
    }
}

/// The contents of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The name of a kind, with a zero at its end.
    Kind(Kind),
    /// Nested attributes.
    Nest(Vec<Attribute>),
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its type.
    pub kind: u16,
    /// The length in the header, if it is not the true one.
    pub length: Option<u16>,
    /// What it holds.
    pub payload: Payload,
}

impl Attribute {
    /// Returns a well-formed attribute.
    pub fn new(kind: u16, payload: Payload) -> Self {
        Self {
            kind,
            length: None,
            payload,
        }
    }

    /// Returns an attribute with these bytes.
    pub fn bytes(kind: u16, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(kind, Payload::Bytes(bytes.into()))
    }

    /// Returns an attribute with a number.
    pub fn u32(kind: u16, value: u32) -> Self {
        Self::bytes(kind, value.to_ne_bytes())
    }

    /// Returns whether the attribute is of this type, without regard to flags.
    fn is_of(&self, kind: u16) -> bool {
        self.kind & NLA_TYPE_MASK == kind
    }

    fn write(&self, side: Side, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0; 2]);
        out.extend(self.kind.to_ne_bytes());
        match &self.payload {
            Payload::Bytes(bytes) => out.extend(bytes),
            Payload::Kind(kind) => {
                out.extend(kind.name(side).bytes());
                out.push(0);
            }
            Payload::Nest(attributes) => {
                for attribute in attributes {
                    attribute.write(side, out);
                }
            }
        }
        // A length that does not fit into 16 bits was made on purpose, and is truncated.
        let length = self.length.unwrap_or((out.len() - start) as u16);
        out[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

/// A message with a `struct tcmsg`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// `RTM_*`.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// The length in the header, if it is not the true one.
    pub length: Option<u32>,
    /// Address family.
    pub family: u8,
    /// Index of the device.
    pub index: i32,
    /// Handle of the qdisc, class or filter.
    pub handle: u32,
    /// Handle of the parent.
    pub parent: u32,
    /// Priority and protocol of a filter.
    pub info: u32,
    /// The attributes.
    pub attributes: Vec<Attribute>,
    /// The number of bytes that are cut off at the end.
    pub cut: usize,
    /// Bytes that follow the message.
    pub tail: Vec<u8>,
}

impl Message {
    /// Returns whether the kernel processes more than the header. A message that is no request, or
    /// is empty, is acknowledged and ignored.
    pub fn is_order(&self) -> bool {
        let bytes = self.write(Side::Ours, 0);
        self.flags & NLM_F_REQUEST != 0 && bytes[..4] != [NLMSG_HDRLEN, 0, 0, 0]
    }

    /// Returns whether the message names this kind.
    pub fn names(&self, kind: Kind) -> bool {
        let payload = Payload::Kind(kind);
        self.attributes
            .iter()
            .any(|attribute| attribute.payload == payload)
    }

    /// Returns the number in the last option of this type, which is the one that the kernel uses.
    pub fn option(&self, kind: u16) -> Option<u32> {
        let nests = self
            .attributes
            .iter()
            .filter(|outer| outer.is_of(TCA_OPTIONS));
        let options = nests.filter_map(|outer| match &outer.payload {
            Payload::Nest(options) => Some(options),
            _ => None,
        });
        let found = options
            .flatten()
            .filter(|option| option.is_of(kind))
            .last()?;
        match &found.payload {
            Payload::Bytes(bytes) => Some(u32::from_ne_bytes(*bytes.first_chunk()?)),
            _ => None,
        }
    }

    /// Returns the same message without the options of this type.
    pub fn without_option(&self, kind: u16) -> Self {
        let mut message = self.clone();
        for outer in &mut message.attributes {
            let is_of_options = outer.is_of(TCA_OPTIONS);
            if let (true, Payload::Nest(options)) = (is_of_options, &mut outer.payload) {
                options.retain(|option| !option.is_of(kind));
            }
        }
        message
    }

    /// Returns whether a 32-bit word behind the headers is a number above `limit`.
    pub fn has_word_above(&self, limit: u32) -> bool {
        let bytes = self.write(Side::Ours, 0);
        let words = bytes.get(HEADERS..).unwrap_or_default().chunks_exact(4);
        words
            .filter_map(<[u8]>::first_chunk)
            .any(|word| u32::from_ne_bytes(*word) > limit)
    }

    /// Returns the bytes to send.
    pub fn write(&self, side: Side, sequence: u32) -> Vec<u8> {
        let mut out = vec![0; 4];
        out.extend(self.kind.to_ne_bytes());
        out.extend(self.flags.to_ne_bytes());
        out.extend(sequence.to_ne_bytes());
        out.extend([0; 4]);
        out.extend([self.family, 0, 0, 0]);
        out.extend(self.index.to_ne_bytes());
        for word in [self.handle, self.parent, self.info] {
            out.extend(word.to_ne_bytes());
        }
        for attribute in &self.attributes {
            attribute.write(side, &mut out);
        }
        // The header is never cut, because the rest is no message without it.
        out.truncate(out.len().saturating_sub(self.cut).max(NLMSG_HDRLEN.into()));
        let length = self.length.unwrap_or(out.len() as u32);
        out[..4].copy_from_slice(&length.to_ne_bytes());
        out.extend(&self.tail);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Kind) -> Message {
        let inner = vec![Attribute::u32(2, 7)];
        Message {
            kind: 36,
            flags: 5,
            index: 3,
            attributes: vec![
                Attribute::new(1, Payload::Kind(kind)),
                Attribute::new(2, Payload::Nest(inner)),
            ],
            ..Message::default()
        }
    }

    #[test]
    fn a_message_is_header_tcmsg_and_attributes() {
        let bytes = message(Kind::Codel).write(Side::Ours, 9);
        assert_eq!(bytes[..12], [60, 0, 0, 0, 36, 0, 5, 0, 9, 0, 0, 0]);
        assert_eq!(bytes[20..24], [3, 0, 0, 0]);
        assert_eq!(bytes[36..48], *b"\x0b\0\x01\0rcodel\0\0");
        assert_eq!(bytes[48..], [12, 0, 2, 0, 8, 0, 2, 0, 7, 0, 0, 0]);
    }

    #[test]
    fn the_sides_differ_in_the_name_alone() {
        for kind in [Kind::Codel, Kind::FqCodel] {
            let [theirs, ours] =
                [Side::Theirs, Side::Ours].map(|side| message(kind).write(side, 1));
            assert_eq!(theirs.len(), ours.len());
            // The comparison starts behind the name.
            assert_eq!(theirs[52..], ours[52..]);
        }
        assert_eq!(Side::Ours.neutral("rfq_codel, rcodel"), "fq_codel, codel");
    }

    #[test]
    fn an_option_can_be_left_out() {
        let mut with = message(Kind::FqCodel);
        if let Payload::Nest(options) = &mut with.attributes[1].payload {
            options.push(Attribute::u32(5 | 0x8000, 16));
        }
        let without = message(Kind::FqCodel);
        assert_eq!((with.option(5), without.option(5)), (Some(16), None));
        assert_eq!(with.without_option(5), without);
        assert_ne!(with, message(Kind::FqCodel));
    }

    #[test]
    fn a_large_word_is_found_behind_the_headers() {
        let mut message = message(Kind::Other("pfifo"));
        message.parent = u32::MAX;
        message.attributes.remove(0);
        assert!(!message.has_word_above(0x2_000c));
        message.attributes = vec![Attribute::u32(1, 3_000_000_000)];
        assert!(message.has_word_above(2_999_999_999) && !message.has_word_above(3_000_000_000));
    }

    #[test]
    fn what_is_wrong_on_purpose_is_written() {
        let mut message = message(Kind::Other("pfifo"));
        message.attributes[1].length = Some(0xffff);
        message.length = Some(17);
        message.cut = 8;
        message.tail = vec![1, 2];
        let bytes = message.write(Side::Theirs, 1);
        assert_eq!(bytes.len(), 60 - 8 + 2);
        assert_eq!(bytes[..4], [17, 0, 0, 0]);
        assert_eq!(bytes[48..52], [0xff, 0xff, 2, 0]);
        assert!(message.is_order());
        message.length = None;
        message.cut = 1000;
        assert_eq!(message.write(Side::Theirs, 1).len(), 18);
        assert!(!message.is_order());
    }
}
