// SPDX-License-Identifier: GPL-2.0

//! Makes the netlink attributes of a request. [`tackle_core::netlink`] reads those of answers.

use netlink_packet_core::{DefaultNla, Emitable};

/// The attributes that go into `TCA_OPTIONS` of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    bytes: Vec<u8>,
}

impl Options {
    /// Adds an attribute of one byte.
    pub fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, vec![value]);
    }

    /// Adds an attribute of four bytes.
    pub fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, value.to_ne_bytes().to_vec());
    }

    fn put(&mut self, kind: u16, value: Vec<u8>) {
        let attribute = DefaultNla::new(kind, value);
        let start = self.bytes.len();
        self.bytes.resize(start + attribute.buffer_len(), 0);
        attribute.emit(&mut self.bytes[start..]);
    }

    /// The attributes one after the other, each padded to four bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tackle_core::netlink::Attributes;

    #[test]
    fn attributes_survive_the_way_there_and_back() {
        let mut options = Options::default();
        assert!(options.as_bytes().is_empty());
        options.put_u32(2, 7);
        options.put_u32(5, u32::MAX);
        options.put_u32(2, 8);
        assert_eq!(options.as_bytes().len(), 24);
        options.put_u8(3, 9);
        assert_eq!(options.as_bytes()[24..], [5, 0, 3, 0, 9, 0, 0, 0]);
        let attributes = Attributes::new(options.as_bytes());
        assert_eq!(attributes.u8(3), Some(9));
        assert_eq!(attributes.u32(3), None);
        assert_eq!(attributes.u32(2), Some(7));
        assert_eq!(attributes.u32(5), Some(u32::MAX));
        assert_eq!(attributes.u32(1), None);
        assert!(attributes.u64s(1).is_none());
    }
}
