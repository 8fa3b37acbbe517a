// SPDX-License-Identifier: GPL-2.0

//! Netlink messages that nobody has sent.

use crate::{
    bindings,
    net::netlink::{ExtAck, Nest, Nested},
};
use core::ptr::NonNull;
use kernel::{
    bindings::{netlink_ext_ack, nlattr, sk_buff},
    prelude::*,
};

/// The size of an attribute's header, and what attributes are aligned to, in bytes.
const HEADER: usize = size_of::<nlattr>();

/// The attribute of a request, with others nested in it.
///
/// # Invariants
///
/// The first word is a header with the length of all words in bytes.
pub struct Request(KVec<u32>);

impl Request {
    /// Makes one without contents.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new() -> Result<Self> {
        let mut words = KVec::new();
        words.push(
            header(HEADER as u16, bindings::TCA_OPTIONS as u16),
            GFP_KERNEL,
        )?;
        // INVARIANT: The header alone.
        Ok(Self(words))
    }

    /// Adds an attribute with the value `value`.
    ///
    /// # Errors
    ///
    /// As for [`put_claiming`](Self::put_claiming).
    pub fn put(self, attribute: u16, value: &[u8]) -> Result<Self> {
        let len = u16::try_from(HEADER + value.len()).map_err(|_| EMSGSIZE)?;
        self.put_claiming(len, attribute, value)
    }

    /// Adds an attribute whose header says that it has `len` bytes with the header, true or
    /// not.
    ///
    /// # Errors
    ///
    /// - `EMSGSIZE`: the request is full.
    /// - `ENOMEM`.
    pub fn put_claiming(mut self, len: u16, attribute: u16, value: &[u8]) -> Result<Self> {
        let words = 1 + value.len().div_ceil(HEADER);
        let all = (self.0.len() + words) * HEADER;
        let all = u16::try_from(all).map_err(|_| EMSGSIZE)?;
        self.0.push(header(len, attribute), GFP_KERNEL)?;
        for chunk in value.chunks(HEADER) {
            let mut word = [0; HEADER];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0.push(u32::from_ne_bytes(word), GFP_KERNEL)?;
        }
        // INVARIANT: The length of what is there now.
        self.0[0] = header(all, bindings::TCA_OPTIONS as u16);
        Ok(self)
    }

    /// The attribute, as the code that handles the request sees it.
    pub fn nested(&self) -> Nested<'_> {
        let first = NonNull::from(&self.0[0]).cast();
        // SAFETY: By the type invariants this is an attribute with the memory that its
        // length says, which does not change while `self` is borrowed.
        unsafe { Nested::from_raw(first) }
    }

    pub(super) fn as_ptr(&self) -> *mut nlattr {
        // CAST: C takes a mutable pointer, and only reads.
        self.0.as_ptr().cast_mut().cast()
    }

    /// The number of the attribute at `place`, if that is in this request.
    fn number_at(&self, place: *const nlattr) -> Option<u16> {
        let offset = (place as usize).checked_sub(self.0.as_ptr() as usize)?;
        let word = self.0.get(offset / HEADER)?.to_ne_bytes();
        Some(u16::from_ne_bytes([word[2], word[3]]))
    }
}

/// A header as it stands in a message.
fn header(len: u16, attribute: u16) -> u32 {
    let ([a, b], [c, d]) = (len.to_ne_bytes(), attribute.to_ne_bytes());
    u32::from_ne_bytes([a, b, c, d])
}

/// The acknowledgement of a request.
///
/// # Invariants
///
/// `_msg` is null or points at a C string that is static or in this very box.
pub struct Ack(KBox<netlink_ext_ack>);

impl Ack {
    /// Makes an empty one.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new() -> Result<Self> {
        // INVARIANT: All null.
        Ok(Self(KBox::new(pin_init::zeroed(), GFP_KERNEL)?))
    }

    /// What the handler of the request is given.
    pub fn ext_ack(&mut self) -> ExtAck<'_> {
        // SAFETY: Valid while `self` is borrowed.
        unsafe { ExtAck::from_raw(self.as_mut_ptr()) }
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut netlink_ext_ack {
        // INVARIANT: What writes to it are `NL_SET_ERR_MSG()` and its kin.
        &raw mut *self.0
    }

    /// The message that was set.
    pub fn message(&self) -> Option<&CStr> {
        let message = NonNull::new(self.0._msg.cast_mut())?;
        // SAFETY: By the type invariants.
        Some(unsafe { CStr::from_char_ptr(message.as_ptr()) })
    }

    /// The number of the attribute in `request` that is complained of.
    pub fn attribute(&self, request: &Request) -> Option<u16> {
        request.number_at(NonNull::new(self.0.bad_attr.cast_mut())?.as_ptr())
    }

    /// Whether the kernel would look at a policy when it sends this.
    pub fn has_policy(&self) -> bool {
        !self.0.policy.is_null()
    }
}

/// An answer that attributes are put into.
///
/// # Invariants
///
/// The packet is valid, linear, and nobody else has it.
pub struct Message(NonNull<sk_buff>);

impl Message {
    /// Makes one with room for `room` bytes, or a few more.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(room: u16) -> Result<Self> {
        // SAFETY: Needs a context that may sleep, which a test's is.
        let skb = unsafe { bindings::kunit_alloc_message(room.into()) };
        // INVARIANT: Made just now.
        Ok(Self(NonNull::new(skb).ok_or(ENOMEM)?))
    }

    pub(super) fn as_ptr(&mut self) -> *mut sk_buff {
        self.0.as_ptr()
    }

    /// Puts an attribute into it whose contents `fill` writes; not when that fails.
    ///
    /// # Errors
    ///
    /// - `EMSGSIZE`: the message is full.
    /// - Those of `fill`.
    pub fn nest(&mut self, attribute: u16, fill: impl FnOnce(&mut Nest<'_>) -> Result) -> Result {
        // SAFETY: By the type invariants, and `self` is borrowed meanwhile.
        let mut nest = unsafe { Nest::start(self.as_ptr(), attribute) }?;
        fill(&mut nest)?;
        nest.end();
        Ok(())
    }

    /// The bytes that were put into it.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: By the type invariants, `len` bytes at `data` are valid, and written.
        unsafe {
            let skb = self.0.as_ptr();
            core::slice::from_raw_parts((*skb).data, (*skb).len as usize)
        }
    }

    /// The first attribute, as whoever gets the message sees it.
    pub fn first(&self) -> Option<Nested<'_>> {
        let bytes = self.bytes();
        let len = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        if len < HEADER || len > bytes.len() {
            return None;
        }
        // SAFETY: The attribute's length was checked; C aligns what is in a packet, and
        // nobody writes to it while `self` is borrowed.
        Some(unsafe { Nested::from_raw(NonNull::from(bytes).cast()) })
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the packet is ours; it is not used again.
        unsafe { kernel::bindings::consume_skb(self.as_ptr()) };
    }
}
