// SPDX-License-Identifier: GPL-2.0

//! Tests netlink attributes: how requests are parsed, and how answers are written.

use kernel::prelude::*;

#[kunit_tests(tackle_netlink)]
mod tests {
    use kernel::prelude::*;
    use tackle::{
        expect_eq,
        kunit::{Ack, Message, Request},
        net::netlink::Policy,
    };

    /// Two attributes that hold a `u32`, and one of any kind.
    static POLICY: Policy<4> = Policy::new().u32(1).u32(2);

    /// Parses a request with [`POLICY`], and returns its attributes from 1 to 3.
    fn parsed(request: &Request, ack: &mut Ack) -> Result<[Option<u32>; 3]> {
        let attributes = request.nested().parse(&POLICY, &mut ack.ext_ack())?;
        Ok([1, 2, 3].map(|attribute| attributes.u32(attribute)))
    }

    fn number(value: u32) -> [u8; 4] {
        value.to_ne_bytes()
    }

    #[test]
    fn a_number_is_read() -> Result {
        let request = Request::new()?
            .put(2, &number(0xdead_beef))?
            .put(1, &number(7))?;
        let found = parsed(&request, &mut Ack::new()?);
        expect_eq!(found, Ok([Some(7), Some(0xdead_beef), None]));
        Ok(())
    }

    #[test]
    fn an_empty_request_has_nothing() -> Result {
        expect_eq!(parsed(&Request::new()?, &mut Ack::new()?), Ok([None; 3]));
        Ok(())
    }

    #[test]
    fn a_number_beyond_the_policy_is_not_there() -> Result {
        let request = Request::new()?.put(4, &number(1))?;
        let attributes = request
            .nested()
            .parse(&POLICY, &mut Ack::new()?.ext_ack())?;
        expect_eq!(attributes.u32(4), None);
        expect_eq!(attributes.u32(u16::MAX), None);
        Ok(())
    }

    #[test]
    fn a_short_one_is_erange_and_named() -> Result {
        for short in [&[][..], &[1], &[1, 2, 3]] {
            let request = Request::new()?.put(1, &number(7))?.put(2, short)?;
            let mut ack = Ack::new()?;
            expect_eq!(parsed(&request, &mut ack), Err(ERANGE));
            expect_eq!(ack.message().is_some(), true);
            expect_eq!(ack.attribute(&request), Some(2));
            // The policy can be freed before the kernel sends the acknowledgement.
            expect_eq!(ack.has_policy(), false);
        }
        Ok(())
    }

    #[test]
    fn a_short_one_of_no_type_is_not_read() -> Result {
        let request = Request::new()?.put(3, &[1, 2, 3])?;
        expect_eq!(parsed(&request, &mut Ack::new()?), Ok([None; 3]));
        let request = Request::new()?.put(3, &number(5))?;
        expect_eq!(
            parsed(&request, &mut Ack::new()?),
            Ok([None, None, Some(5)])
        );
        Ok(())
    }

    #[test]
    fn a_long_one_is_taken() -> Result {
        let request = Request::new()?.put(1, &[7, 0, 0, 0, 9, 9, 9])?;
        let found = parsed(&request, &mut Ack::new()?);
        expect_eq!(
            found,
            Ok([Some(u32::from_ne_bytes([7, 0, 0, 0])), None, None])
        );
        Ok(())
    }

    #[test]
    fn an_unknown_one_is_ignored() -> Result {
        let request = Request::new()?
            .put(900, &[1])?
            .put(0, &[2])?
            .put(1, &number(7))?;
        expect_eq!(
            parsed(&request, &mut Ack::new()?),
            Ok([Some(7), None, None])
        );
        Ok(())
    }

    #[test]
    fn the_last_of_several_counts() -> Result {
        let request = Request::new()?.put(1, &number(7))?.put(1, &number(8))?;
        expect_eq!(
            parsed(&request, &mut Ack::new()?),
            Ok([Some(8), None, None])
        );
        Ok(())
    }

    #[test]
    fn one_that_claims_more_than_there_is_is_not_read() -> Result {
        for claimed in [9, 200, u16::MAX] {
            let request =
                Request::new()?
                    .put(1, &number(7))?
                    .put_claiming(claimed, 2, &number(8))?;
            expect_eq!(
                parsed(&request, &mut Ack::new()?),
                Ok([Some(7), None, None])
            );
        }
        Ok(())
    }

    #[test]
    fn one_that_claims_less_than_a_header_is_not_read() -> Result {
        for claimed in 0..4 {
            let request = Request::new()?.put_claiming(claimed, 1, &number(8))?;
            expect_eq!(parsed(&request, &mut Ack::new()?), Ok([None; 3]));
        }
        Ok(())
    }

    #[test]
    fn the_last_message_counts() -> Result {
        let mut ack = Ack::new()?;
        expect_eq!(ack.message(), None);
        ack.ext_ack().set(c"one");
        ack.ext_ack().set(c"two");
        expect_eq!(ack.message(), Some(c"two"));
        Ok(())
    }

    #[test]
    fn a_message_is_copied_and_cut() -> Result {
        let mut ack = Ack::new()?;
        let text = [b'x'; 101];
        let mut bytes = text;
        bytes[100] = 0;
        ack.ext_ack()
            .set(CStr::from_bytes_with_nul(&bytes).map_err(|_| EINVAL)?);
        bytes.fill(b'y');
        expect_eq!(
            ack.message().map(|message| message.to_bytes()),
            Some(&text[..79])
        );
        Ok(())
    }

    #[test]
    fn an_answer_can_be_read() -> Result {
        let mut message = Message::new(256)?;
        message.nest(1, |nest| {
            nest.put_u32(1, 7)?;
            nest.put_u32(2, u32::MAX)
        })?;
        // Three headers and two values.
        expect_eq!(message.bytes().len(), 20);
        let nested = message.first().ok_or(ENODATA)?;
        let attributes = nested.parse(&POLICY, &mut Ack::new()?.ext_ack())?;
        expect_eq!(
            (attributes.u32(1), attributes.u32(2)),
            (Some(7), Some(u32::MAX))
        );
        Ok(())
    }

    #[test]
    fn a_full_answer_is_emsgsize_and_as_before() -> Result {
        let mut message = Message::new(64)?;
        message.nest(1, |nest| nest.put_u32(1, 7))?;
        let before = message.bytes().len();
        let mut fitted = 0;
        let result = message.nest(1, |nest| {
            // These are more bytes than the largest attribute can have.
            for _ in 0..10_000 {
                nest.put_u32(2, 8)?;
                fitted += 1;
            }
            Ok(())
        });
        expect_eq!(result, Err(EMSGSIZE));
        expect_eq!(fitted >= 5, true);
        expect_eq!(message.bytes().len(), before);
        // There is still room for a smaller nest.
        expect_eq!(message.nest(1, |nest| nest.put_u32(2, 9)), Ok(()));
        // At the end there is no room even for the header of a nest.
        while message.nest(1, |_| Ok(())).is_ok() {}
        expect_eq!(message.nest(1, |_| Ok(())), Err(EMSGSIZE));
        Ok(())
    }

    #[test]
    fn what_is_given_up_is_not_sent() -> Result {
        let mut message = Message::new(256)?;
        let result = message.nest(1, |nest| {
            nest.put_u32(1, 7)?;
            Err(EBUSY)
        });
        expect_eq!(result, Err(EBUSY));
        expect_eq!(message.bytes(), &[]);
        Ok(())
    }
}
