// SPDX-License-Identifier: GPL-2.0

//! Tests CoDel's clock, and the option that switches the histogram of sojourn times on.

use kernel::prelude::*;

#[kunit_tests(tackle_codel)]
mod tests {
    use kernel::{
        prelude::*,
        time::{delay::fsleep, Delta, Instant, Monotonic},
    };
    use tackle::{
        expect_eq, fault,
        kunit::{counts, Ack, Faults, Request},
        net::{
            codel::{now, Sojourn, ATTRIBUTES, HISTOGRAM},
            netlink::Policy,
        },
    };
    use tackle_core::codel::Time;

    static POLICY: Policy<ATTRIBUTES> = Policy::new().u8(HISTOGRAM);

    /// Parses a request in which the attribute [`HISTOGRAM`] has these bytes.
    fn parse(value: &[u8], ack: &mut Ack) -> Result<Option<Sojourn>> {
        let request = Request::new()?.put(HISTOGRAM, value)?;
        let options = request.nested().parse(&POLICY, &mut ack.ext_ack())?;
        Sojourn::parse(&options, &mut ack.ext_ack())
    }

    #[test]
    fn now_runs_like_the_monotonic_clock() -> Result {
        let outside = Instant::<Monotonic>::now();
        let start = now();
        fsleep(Delta::from_millis(5));
        let length = i64::from(now().since(start).to_us());
        // The unit of the clock is 1024 ns.
        expect_eq!(length >= 4_998, true);
        expect_eq!(length <= outside.elapsed().as_micros_ceil() + 2, true);
        Ok(())
    }
    #[test]
    fn the_histogram_counts_while_it_is_on() -> Result {
        let mut ack = Ack::new()?;
        let mut sojourn = Sojourn::default();
        let packets = |sojourn: &Sojourn| {
            let histogram = sojourn.histogram()?;
            let packets: u64 = histogram.words().skip(1).sum();
            Some(packets)
        };
        sojourn.add(Time(5));
        expect_eq!(packets(&sojourn), None);
        sojourn.switch(parse(&[1], &mut ack)?);
        for units in [0, 5, 5, u32::MAX] {
            sojourn.add(Time(units));
        }
        // A request to switch the histogram on keeps the counts if it is on already. So does a
        // request without this option.
        sojourn.switch(parse(&[1], &mut ack)?);
        sojourn.switch(None);
        expect_eq!(packets(&sojourn), Some(4));
        sojourn.switch(parse(&[0], &mut ack)?);
        expect_eq!(packets(&sojourn), None);
        Ok(())
    }

    #[test]
    fn a_histogram_is_on_or_off() -> Result {
        let mut ack = Ack::new()?;
        expect_eq!(parse(&[2], &mut ack).err(), Some(EINVAL));
        expect_eq!(
            ack.message(),
            Some(c"Invalid histogram: allowed are 0 and 1")
        );
        expect_eq!(parse(&[], &mut Ack::new()?).err(), Some(ERANGE));

        let failed = counts(&fault::QDISC_HISTOGRAM_ALLOC).1;
        let faults = Faults::after(0);
        expect_eq!(parse(&[1], &mut Ack::new()?).err(), Some(ENOMEM));
        drop(faults);
        expect_eq!(counts(&fault::QDISC_HISTOGRAM_ALLOC).1, failed + 1);
        // To switch it off needs no memory.
        let _faults = Faults::after(0);
        expect_eq!(parse(&[0], &mut Ack::new()?).is_ok(), true);
        Ok(())
    }
}
