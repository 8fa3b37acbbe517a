// SPDX-License-Identifier: GPL-2.0

//! Netlink messages about queueing disciplines that need not be well-formed.
//!
//! A message is kept as a tree, with the lengths that differ from what they should be beside
//! it. Only when it is written does it get the name of a kind of ours, or that of the
//! kernel's that it is made after, so that two messages differ in nothing else. (Both names
//! take the same room: attributes are padded to 4 bytes.)

use netlink_packet_core::NLA_TYPE_MASK;

use super::valid::TCA_OPTIONS;

const NLM_F_REQUEST: u16 = 1;
const NLMSG_HDRLEN: u8 = 16;
/// `struct nlmsghdr` and `struct tcmsg`.
const HEADERS: usize = 36;

/// Whose kinds a message names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The kernel's.
    Theirs,
    /// Ours.
    Ours,
}

impl Side {
    /// A text without what tells the sides apart.
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
    /// The same on both sides.
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

/// What an attribute holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Bytes.
    Bytes(Vec<u8>),
    /// A name, with the zero at its end.
    Kind(Kind),
    /// Attributes.
    Nest(Vec<Attribute>),
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its type.
    pub kind: u16,
    /// The length that it says it has, where that is not the true one.
    pub length: Option<u16>,
    /// What it holds.
    pub payload: Payload,
}

impl Attribute {
    /// A well-formed one.
    pub fn new(kind: u16, payload: Payload) -> Self {
        Self {
            kind,
            length: None,
            payload,
        }
    }

    /// One with these bytes.
    pub fn bytes(kind: u16, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(kind, Payload::Bytes(bytes.into()))
    }

    /// One with a number.
    pub fn u32(kind: u16, value: u32) -> Self {
        Self::bytes(kind, value.to_ne_bytes())
    }

    /// Whether it is of this type, flags aside.
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
        // What does not fit was made so long on purpose.
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
    /// The length that it says it has, where that is not the true one.
    pub length: Option<u32>,
    /// Address family.
    pub family: u8,
    /// Index of the device.
    pub index: i32,
    /// Of the qdisc, class or filter.
    pub handle: u32,
    /// Of what it is below.
    pub parent: u32,
    /// Of a filter: priority and protocol.
    pub info: u32,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
    /// Bytes that are missing at its end.
    pub cut: usize,
    /// Bytes that follow it.
    pub tail: Vec<u8>,
}

impl Message {
    /// Whether the kernel looks at more of it than the header: what is no request, or is empty,
    /// it acknowledges and leaves alone.
    pub fn is_order(&self) -> bool {
        let bytes = self.write(Side::Ours, 0);
        self.flags & NLM_F_REQUEST != 0 && bytes[..4] != [NLMSG_HDRLEN, 0, 0, 0]
    }

    /// Whether it names this kind.
    pub fn names(&self, kind: Kind) -> bool {
        let payload = Payload::Kind(kind);
        self.attributes
            .iter()
            .any(|attribute| attribute.payload == payload)
    }

    /// The number in the last of the options of this type, which is the one that counts.
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

    /// The same message without the options of this type.
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

    /// Whether a word behind the headers, read as a number, is larger than this.
    pub fn has_word_above(&self, limit: u32) -> bool {
        let bytes = self.write(Side::Ours, 0);
        let words = bytes.get(HEADERS..).unwrap_or_default().chunks_exact(4);
        words
            .filter_map(<[u8]>::first_chunk)
            .any(|word| u32::from_ne_bytes(*word) > limit)
    }

    /// The bytes to be sent.
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
        // The header stays: without it there is no message.
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
            // After the name, with room for the longer one.
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
